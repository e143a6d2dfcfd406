"""Static figures of class activation maps and of embedding maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gdrd_lab.analysis.cam import ScoreCurve, resized
from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.errors import GdrdError
from gdrd_lab.plots.charts import lines
from gdrd_lab.plots.figures import COLOURS, INK, MARKERS, finalise_axes, new_figure, set_alt_text, style
from gdrd_lab.transforms.resize import luma

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR_MAP = "viridis"  # its lightness rises evenly, so that colour-blind readers and grey prints keep the order


def overlay(face: np.ndarray, saliency: np.ndarray | torch.Tensor, side: int = 224) -> np.ndarray:
    """Blend a map with its face: uint8 (side, side, 3), the face in grey, the map from dark to bright.

    Args:
        face: uint8 (r, r, 3), RGB; its pixels stay squares.
        saliency: (h, w), non-negative; it is scaled to a maximum of 1, and a map of zeros stays zero.
        side: of the result, in pixels.
    """
    from matplotlib import colormaps

    grey = torch.nn.functional.interpolate(luma(to_tensor([face])), (side, side), mode="nearest")
    weight = resized(torch.as_tensor(saliency)[None].float(), side)[0].numpy()
    colours = colormaps[COLOUR_MAP](weight)[..., :3]
    return ((0.5 * grey[0, 0, :, :, None].numpy() + 0.5 * colours) * 255).round().astype(np.uint8)


def curves_figure(curves: Mapping[str, ScoreCurve], *, title: str = "", change: str = "removed") -> Figure:
    """Draw deletion (or insertion) curves with their areas in the legend.

    Args:
        change: what happens to the pixels, "removed" or "restored".
    """
    series = {f"{name}: area {curve.area:.3f}": curve.scores for name, curve in curves.items()}
    places = {name: 100 * curve.fractions for name, curve in zip(series, curves.values(), strict=True)}
    x_label, y_label = f"Pixels {change} (%), most salient first", "Cosine to the whole face"
    figure = lines(places, series, x_label=x_label, y_label=y_label, title=title)
    areas = ", ".join(f"{name} {curve.area:.3f}" for name, curve in curves.items())
    return set_alt_text(figure, f"{title or 'Score while pixels are ' + change}. Areas under the curves: {areas}.")


def map_figure(
    points: np.ndarray,
    values: np.ndarray,
    *,
    title: str = "",
    names: Mapping[int, str] | None = None,
    colourbar_label: str = "",
    path: np.ndarray | None = None,
    selected: Sequence[int] = (),
) -> Figure:
    """Draw an embedding map.

    Args:
        points: (N, 2).
        values: (N,) groups (integers) that set the colours, or numbers if ``colourbar_label`` names their scale.
        names: of the groups, for the legend; without it a legend is drawn for up to 6 groups only.
        colourbar_label: name of the scale of ``values``; "" if they are groups.
        path: (R, 2) positions of one face across resolutions, drawn as a line with its end marked.
    """
    if len(points) != len(values):
        raise GdrdError(f"{len(points)} points came with {len(values)} values", "Give one value per point")
    figure, axes = new_figure()
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    if colourbar_label:
        drawn = axes.scatter(
            points[:, 0], points[:, 1], c=values, cmap=COLOUR_MAP, s=26, edgecolors="white", linewidths=0.4
        )
        figure.colorbar(drawn, ax=axes, label=colourbar_label)
    else:
        groups = np.unique(values)
        for i, group in enumerate(groups):
            label = (names or {}).get(int(group), str(group)) if names or len(groups) <= 6 else None
            marker = MARKERS[(i // len(COLOURS) + i) % len(MARKERS)]  # 36 groups differ in colour or marker
            look: dict[str, Any] = style(i) | {"marker": marker, "edgecolors": "white", "linewidths": 0.4}
            chosen = points[values == group]
            axes.scatter(chosen[:, 0], chosen[:, 1], s=30, label=label, **look)
    if path is not None and len(path):
        axes.plot(path[:, 0], path[:, 1], color=INK, linewidth=1.4, label="one face across resolutions")
        axes.scatter(path[-1, 0], path[-1, 1], marker="*", s=120, color=INK, zorder=4)
    if len(selected):
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.5, "label": "selected"}
        axes.scatter(points[list(selected), 0], points[list(selected), 1], s=90, **ring)
    finalise_axes(figure, axes, title, "First dimension of the map", "Second dimension of the map")
    picked = f" {len(selected)} are selected." if len(selected) else ""
    return set_alt_text(figure, f"{title or 'Embedding map'}. {len(points)} points.{picked}")

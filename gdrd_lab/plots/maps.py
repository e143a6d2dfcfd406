"""Static figures of attention and of embedding maps, in the style of ``gdrd_lab.plots.figures``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gdrd_lab.analysis.cam import ScoreCurve, resized
from gdrd_lab.errors import GdrdError
from gdrd_lab.plots.figures import COLOURS, DASHES, INK, MARKERS, face_strip, finalise_axes, new_figure, set_alt_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRADUAL = "viridis"  # rises evenly in lightness, so colour-blind readers and grey prints keep the order


def overlay(face: np.ndarray, saliency: np.ndarray | torch.Tensor, side: int = 224) -> np.ndarray:
    """Lay a map on the face it belongs to: uint8 (side, side, 3), the face in grey, the map from dark to bright.

    Args:
        face: uint8 (r, r, 3), RGB; its pixels stay squares.
        saliency: (h, w), non-negative; scaled to a maximum of 1 (a map of zeros leaves the face dark).
        side: of the result in pixels.
    """
    from matplotlib import colormaps

    grey = torch.from_numpy(face.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))[None, None] / 255
    pixels = torch.nn.functional.interpolate(grey, (side, side), mode="nearest")[0, 0].numpy()
    weight = resized(torch.as_tensor(saliency)[None].float(), side)[0].numpy()
    colours = colormaps[GRADUAL](weight)[..., :3]
    return ((0.5 * pixels[..., None] + 0.5 * colours) * 255).round().astype(np.uint8)


def attention_figure(rows: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str], *, title: str = "") -> Figure:
    """Draw rows of ``overlay`` images, one column per resolution."""
    return face_strip(rows, columns, title=title)


def curves_figure(curves: Mapping[str, ScoreCurve], *, title: str = "", change: str = "removed") -> Figure:
    """Draw deletion (or insertion) curves with their areas in the legend.

    Args:
        change: what happened to the pixels, "removed" or "given back".
    """
    figure, axes = new_figure()
    for i, (name, curve) in enumerate(curves.items()):
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        style |= {"linestyle": DASHES[i % len(DASHES)], "label": f"{name}: area {curve.area:.3f}"}
        axes.plot(100 * curve.fractions, curve.scores, linewidth=1.8, markersize=5, **style)
    finalise_axes(figure, axes, title, f"Pixels {change} (%), most salient first", "Cosine to the whole face")
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
        values: (N,) what colours the points: groups (integers), or numbers if ``colourbar_label`` names their scale.
        names: of groups for the legend; without it a legend is drawn for up to 6 groups only.
        colourbar_label: name of the scale of ``values``; "" takes them as groups.
        path: (R, 2) one face's way through the map, drawn as a line with its end marked.
    """
    if len(points) != len(values):
        raise GdrdError(f"{len(points)} points came with {len(values)} values", "Give one value per point")
    figure, axes = new_figure()
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    if colourbar_label:
        drawn = axes.scatter(
            points[:, 0], points[:, 1], c=values, cmap=GRADUAL, s=26, edgecolors="white", linewidths=0.4
        )
        figure.colorbar(drawn, ax=axes, label=colourbar_label)
    else:
        groups = np.unique(values)
        for i, group in enumerate(groups):
            label = (names or {}).get(int(group), str(group)) if names or len(groups) <= 6 else None
            style: dict[str, Any] = {
                "color": COLOURS[i % len(COLOURS)],
                "marker": MARKERS[(i // len(COLOURS) + i) % len(MARKERS)],
            }
            axes.scatter(
                points[values == group, 0],
                points[values == group, 1],
                s=30,
                edgecolors="white",
                linewidths=0.4,
                label=label,
                **style,
            )
    if path is not None and len(path):
        axes.plot(path[:, 0], path[:, 1], color=INK, linewidth=1.4, label="one face across resolutions")
        axes.scatter(path[-1, 0], path[-1, 1], marker="*", s=120, color=INK, zorder=4)
    if len(selected):
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.5, "label": "selected"}
        axes.scatter(points[list(selected), 0], points[list(selected), 1], s=90, **ring)
    finalise_axes(figure, axes, title, "First dimension of the map", "Second dimension of the map")
    picked = f" {len(selected)} are selected." if len(selected) else ""
    return set_alt_text(figure, f"{title or 'Embedding map'}. {len(points)} points.{picked}")

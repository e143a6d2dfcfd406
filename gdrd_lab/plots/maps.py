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
from gdrd_lab.plots.figures import DPI, INK, SMALL, finalise_axes, new_figure, set_alt_text, style
from gdrd_lab.transforms.resize import luma

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR_MAP = "viridis"  # its lightness rises evenly, so that colour-blind readers and grey prints keep the order


def overlay(face: np.ndarray, saliency: np.ndarray | torch.Tensor, side: int = 224) -> np.ndarray:
    """Blend a map (h, w), scaled to a maximum of 1, with its face in grey: uint8 (side, side, 3).

    The pixels of the face, uint8 (r, r, 3), stay squares. The map is drawn from dark to bright, zeros as zero.
    """
    from matplotlib import colormaps

    grey = torch.nn.functional.interpolate(luma(to_tensor([face])), (side, side), mode="nearest")
    weight = resized(torch.as_tensor(saliency)[None].float(), side)[0].numpy()
    colours = colormaps[COLOUR_MAP](weight)[..., :3]
    return ((0.5 * grey[0, 0, :, :, None].numpy() + 0.5 * colours) * 255).round().astype(np.uint8)


def curves_figure(curves: Mapping[str, ScoreCurve], *, title: str = "", change: str = "removed") -> Figure:
    """Draw deletion (or insertion) curves with their areas; ``change`` says what happens to the pixels."""
    series = {f"{name}: area {curve.area:.3f}": curve.scores for name, curve in curves.items()}
    places = {name: 100 * curve.fractions for name, curve in zip(series, curves.values(), strict=True)}
    x_label, y_label = f"Pixels {change} (%), most salient first", "Cosine to the explained embedding"
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
    ticks: Sequence[float] = (),
    path: np.ndarray | None = None,
    selected: Sequence[int] = (),
) -> Figure:
    """Draw an embedding map (N, 2), with the positions ``path`` (R, 2) of one face across resolutions as a line.

    ``values`` (N,) are numbers if ``colourbar_label`` names their scale, and groups (integers) if it is "". A scale is
    logarithmic if it has ``ticks``. The legend has the groups with ``names``; without names, up to 6 groups.
    """
    if len(points) != len(values):
        raise GdrdError(f"{len(points)} points came with {len(values)} values", "Give one value per point")
    figure, axes = new_figure()
    x, y = np.asarray(points).T
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.4}
    if colourbar_label:
        drawn = axes.scatter(x, y, c=values, cmap=COLOUR_MAP, norm="log" if len(ticks) else None, s=26, **edge)
        bar = figure.colorbar(drawn, ax=axes, label=colourbar_label)
        if len(ticks):
            bar.set_ticks(list(ticks), labels=[f"{tick:g}" for tick in ticks])
            bar.minorticks_off()
    else:
        groups = np.unique(values)
        for i, group in enumerate(groups):
            label = names.get(int(group)) if names else str(group) if len(groups) <= 6 else None
            look = style(i, "marker") | edge  # 36 groups differ in colour or marker
            axes.scatter(x[values == group], y[values == group], s=30, label=label, **look)
    if path is not None and len(path):
        axes.plot(*path.T, color=INK, linewidth=1.4, label="one face across resolutions")
        axes.scatter(path[-1, 0], path[-1, 1], marker="*", s=120, color=INK, zorder=4)
    if len(selected):
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.5, "label": "selected"}
        axes.scatter(x[list(selected)], y[list(selected)], s=90, **ring)
    finalise_axes(figure, axes, title, "First dimension of the map", "Second dimension of the map")
    picked = f" {len(selected)} are selected." if len(selected) else ""
    return set_alt_text(figure, f"{title or 'Embedding map'}. {len(points)} points.{picked}")


def heat_map(rows: Mapping[str, Mapping[str, float]], *, x_label: str, scale: str, title: str = "") -> Figure:
    """Draw a table of values as colours with their numbers: by row, then by column; missing cells stay white."""
    from matplotlib.figure import Figure

    heads = list(dict.fromkeys(head for row in rows.values() for head in row))
    table = np.array([[row.get(head, np.nan) for head in heads] for row in rows.values()])
    size = (2.6 + 0.75 * len(heads), 1.0 + 0.34 * len(rows) + (0.3 if title else 0))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(table, cmap=COLOUR_MAP, aspect="auto")
    middle = (np.nanmin(table) + np.nanmax(table)) / 2
    for (r, c), value in np.ndenumerate(table):
        if not np.isnan(value):
            colour = "white" if value < middle else INK
            axes.text(c, r, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=SMALL - 1)
    axes.set_xticks(range(len(heads)), heads, fontsize=SMALL)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=SMALL)
    axes.set_xlabel(x_label, fontsize=SMALL)
    axes.set_title(title, loc="right", fontsize=SMALL + 2, color=INK)
    figure.colorbar(drawn, ax=axes, label=scale)
    places = ((name, head, value) for name, row in rows.items() for head, value in row.items())
    best = max(places, key=lambda place: place[2])
    return set_alt_text(figure, f"{title or scale}. Highest: {best[0]} at {best[1]}, {best[2]:.3f}.")

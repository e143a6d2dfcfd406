"""Static figures in one style: colours that colour-blind readers can tell apart, and a marker and dash for each line.

Every function returns a matplotlib ``Figure`` that belongs to nobody's global state, so that threads of an app may
draw at once. ``alt_text(figure)`` says in words what it shows; ``save`` writes PNG and SVG.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import with_ending, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gdrd_lab.evaluation.metrics.verification import Roc
    from gdrd_lab.evaluation.sweep import Score

# Okabe and Ito's palette without black and yellow, which serve as text and are too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
INK, GREY, PALE = "#222222", "#777777", "#DDDDDD"
# At 200 dots per inch a figure is 1280 px wide and still reads when it is shown at 600 px.
WIDTH, HEIGHT, DPI = 6.4, 4.2, 200
TEXT, SMALL = 11, 10


@dataclass(frozen=True)
class Curve:
    """One line of ``accuracy_curves``: a method on a data set; ``errors`` are standard errors, or None."""

    method: str
    data: str
    resolutions: Sequence[int]
    values: Sequence[float]
    errors: Sequence[float] | None = None

    @property
    def label(self) -> str:
        """The legend's words."""
        return f"{self.method}, {self.data}" if self.data else self.method


def curves(scores: Iterable[Score], metric: str = "accuracy") -> list[Curve]:
    """Gather scores of one metric into a curve per method and data set, sorted by resolution.

    Give the scores of one setting, and of degradations that differ in resolution only.
    """
    grouped: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
    for score in scores:
        if score.metric == metric:
            points = grouped.setdefault((score.method, score.data), {})
            if score.resolution in points:
                raise GdrdError(
                    f"{score.method} on {score.data} has two scores at {score.resolution} px",
                    "Choose the scores of one setting and one severity",
                )
            points[score.resolution] = (score.value, score.spread)
    out = []
    for (method, data), points in grouped.items():
        sizes = sorted(points)
        out.append(Curve(method, data, sizes, [points[r][0] for r in sizes], [points[r][1] for r in sizes]))
    return out


def accuracy_curves(
    curves: Sequence[Curve],
    *,
    title: str = "",
    metric: str = "Verification accuracy",
    chance: float | None = 0.5,
    methods: Sequence[str] = (),
) -> Figure:
    """Draw accuracy against resolution on a logarithmic axis, with standard errors as bars.

    A colour and marker stand for a method, a dash pattern for a data set. ``methods`` names those that take the first
    colours, so that a method has the same one in several figures.
    """
    figure, axes = new_figure()
    order = list(dict.fromkeys([*methods, *(curve.method for curve in curves)]))
    places = {curve.method: order.index(curve.method) for curve in curves}
    sets = list(dict.fromkeys(curve.data for curve in curves))
    for curve in curves:
        m, d = places[curve.method], sets.index(curve.data)
        style: dict[str, Any] = {"color": COLOURS[m % len(COLOURS)], "linestyle": DASHES[d % len(DASHES)]}
        style |= {"marker": MARKERS[m % len(MARKERS)], "markerfacecolor": style["color"] if d == 0 else "white"}
        errors = None if curve.errors is None else np.nan_to_num(np.asarray(curve.errors, float))
        axes.errorbar(
            curve.resolutions, curve.values, errors, label=curve.label, linewidth=1.8, markersize=6, capsize=3, **style
        )
    if chance is not None:
        axes.axhline(chance, color=INK, linewidth=1, linestyle=":", zorder=1)
    sizes = sorted({int(r) for curve in curves for r in curve.resolutions})
    axes.set_xscale("log", base=2)
    axes.set_xticks(_apart(sizes), labels=[str(size) for size in _apart(sizes)])
    axes.minorticks_off()
    finalise_axes(figure, axes, title, "Resolution (pixels on a side)", metric, _keys(places, sets, chance is not None))
    points = (
        f"{c.label}: " + ", ".join(f"{v:.3f} at {r} px" for r, v in zip(c.resolutions, c.values, strict=True))
        for c in curves
    )
    return set_alt_text(figure, f"{title or metric + ' against resolution'}. " + "; ".join(points) + ".")


def roc_figure(rocs: Mapping[str, Roc], *, title: str = "") -> Figure:
    """Draw ROC curves, the false accept rate on a logarithmic axis down to what the impostor pairs can show."""
    figure, axes = new_figure()
    lowest = min((1 / r.impostors for r in rocs.values()), default=1e-3)
    for i, (name, curve) in enumerate(rocs.items()):
        # Each curve starts where one of its impostor pairs is accepted: below that it says nothing.
        start = 1 / curve.impostors
        shown = curve.far > start * 1.001
        far = np.concatenate([[start], curve.far[shown]])
        tar = np.concatenate([[curve.tar[~shown].max()], curve.tar[shown]])
        axes.plot(
            far, tar, label=name, color=COLOURS[i % len(COLOURS)], linestyle=DASHES[i % len(DASHES)], linewidth=1.8
        )
    shares = np.geomspace(lowest, 1, 200)
    axes.plot(shares, shares, color=INK, linewidth=1, linestyle=":", label="chance", zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(0, 1.02)
    finalise_axes(figure, axes, title, "False accept rate", "True accept rate")
    points = (f"{name}: TAR {_tar(r, 0.1):.3f} at FAR 0.1 and {_tar(r, 0.01):.3f} at 0.01" for name, r in rocs.items())
    return set_alt_text(figure, f"{title or 'ROC curves'}. " + "; ".join(points) + ".")


def score_histogram(
    scores: np.ndarray, genuine: np.ndarray, threshold: float, *, marked: float | None = None, title: str = ""
) -> Figure:
    """Draw the scores of genuine and of impostor pairs, the threshold, and where one marked pair falls."""
    figure, axes = new_figure()
    scores, genuine = np.asarray(scores, float), np.asarray(genuine, bool)
    ends = [scores.min(), scores.max(), threshold] + ([] if marked is None else [marked])
    bins = np.linspace(min(ends), max(ends) + 1e-9, 41).tolist()
    looks = (("genuine pairs", genuine, COLOURS[0], ""), ("impostor pairs", ~genuine, COLOURS[1], "////"))
    for label, chosen, colour, hatch in looks:
        weights = np.full(int(chosen.sum()), 100 / max(int(chosen.sum()), 1))
        options: dict[str, Any] = {"label": label, "color": colour, "hatch": hatch, "edgecolor": colour}
        options["facecolor"] = (colour, 0.35)
        axes.hist(scores[chosen], bins, weights=weights, histtype="stepfilled", linewidth=1.5, **options)
    axes.axvline(threshold, color=INK, linewidth=1.8, linestyle=DASHES[1], label=f"threshold {threshold:.2f}")
    verdict = ""
    if marked is not None:
        axes.axvline(marked, color=COLOURS[2], linewidth=2.2, label=f"this pair {marked:.2f}")
        verdict = f" The marked pair scores {marked:.2f}: {'above' if marked >= threshold else 'below'} the threshold."
    finalise_axes(figure, axes, title, "Cosine similarity", "Share of pairs (%)")
    return set_alt_text(
        figure,
        f"{title or 'Scores of genuine and impostor pairs'}. Genuine pairs have mean {scores[genuine].mean():.2f}, "
        f"impostor pairs {scores[~genuine].mean():.2f}, and the threshold is {threshold:.2f}.{verdict}",
    )


def face_strip(rows: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str] = (), *, title: str = "") -> Figure:
    """Draw rows of faces, the pixels as they are: what each model sees or makes.

    Args:
        rows: by row label, images (H, W, 3) as uint8 or floats in [0, 1], of any sizes; as many in each row.
    """
    from matplotlib.figure import Figure

    width = max((len(images) for images in rows.values()), default=0)
    if not width or any(len(images) != width for images in rows.values()) or len(columns) not in (0, width):
        raise GdrdError("Rows of faces, or their headings, differ in length", "Give each row as many faces as headings")
    cell, label = 1.1, max(0.25 + 0.085 * max(len(name) for name in rows), 0.4)
    size = (label + cell * width, cell * len(rows) + (0.3 if columns else 0.05) + (0.35 if title else 0))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.0, hspace=0.0)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(len(rows), width, squeeze=False)
    for r, (name, images) in enumerate(rows.items()):
        for c, image in enumerate(images):
            axes = grid[r, c]
            axes.imshow(np.asarray(image), interpolation="nearest", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if r == 0 and columns:
                axes.set_title(columns[c], fontsize=SMALL, color=INK, pad=3)
        grid[r, 0].set_ylabel(name, fontsize=SMALL, color=INK, rotation=0, ha="right", va="center", labelpad=5)
    if title:
        figure.suptitle(title, fontsize=TEXT, color=INK)
    heads = f" Columns: {', '.join(columns)}." if columns else ""
    return set_alt_text(figure, f"{title or 'Faces'}. Rows of {width} faces: {', '.join(rows)}.{heads}")


def cmc_figure(cmcs: Mapping[str, np.ndarray], *, title: str = "") -> Figure:
    """Draw cumulative match characteristics: rank-k accuracy (K,) of each method for k = 1 ... K."""
    figure, axes = new_figure()
    for i, (name, values) in enumerate(cmcs.items()):
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        style["linestyle"] = DASHES[i % len(DASHES)]
        axes.plot(np.arange(1, len(values) + 1), values, label=name, linewidth=1.8, markersize=5, **style)
    highest = max((len(values) for values in cmcs.values()), default=1)
    axes.set_xticks([1, *range(5, highest + 1, 5 * math.ceil(highest / 50))])
    finalise_axes(figure, axes, title, "Rank k", "Share of probes found within rank k")
    points = (f"{name}: {v[0]:.3f} at rank 1, {v[-1]:.3f} at rank {len(v)}" for name, v in cmcs.items())
    return set_alt_text(figure, f"{title or 'Cumulative match characteristics'}. " + "; ".join(points) + ".")


def alt_text(figure: Figure) -> str:
    """Say in words what a figure of this module shows, for screen readers and for files."""
    return str(figure.get_label())


def render(figure: Figure, form: str = "png") -> bytes:
    """Return the figure as the bytes of a "png" or "svg" file, the alt text in its metadata."""
    from matplotlib import rc_context

    content = io.BytesIO()
    metadata = {"Description": alt_text(figure)} | ({"Date": None} if form == "svg" else {})
    with rc_context({"svg.hashsalt": "gdrd_lab"}):  # the same drawing is the same file
        figure.savefig(content, format=form, dpi=DPI, facecolor="white", metadata=metadata)
    return content.getvalue()


def save(figure: Figure, path: Path | str) -> tuple[Path, Path]:
    """Write ``path``.png and ``path``.svg, atomically; an ending .png or .svg of ``path`` is not doubled."""
    png, svg = with_ending(path, ".png", ".svg"), with_ending(path, ".svg", ".png")
    return write_atomically(png, render(figure, "png")), write_atomically(svg, render(figure, "svg"))


def new_figure() -> tuple[Figure, Axes]:
    """Return an empty figure in the project's style, and its axes; it belongs to no global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    axes = figure.add_subplot()
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(labelsize=SMALL, colors=INK)
    return figure, axes


def finalise_axes(figure: Figure, axes: Axes, title: str, x: str, y: str, handles: Sequence[Any] | None = None) -> None:
    """Name the axes and put the legend under them, where it can cover nothing."""
    axes.set_xlabel(x, fontsize=TEXT, color=INK)
    axes.set_ylabel(y, fontsize=TEXT, color=INK)
    if title:
        axes.set_title(title, fontsize=TEXT + 1, color=INK, loc="left")
    handles = handles or axes.get_legend_handles_labels()[0]
    columns = 2 if max((len(str(h.get_label())) for h in handles), default=0) <= 32 else 1
    figure.set_figheight(HEIGHT + 0.24 * max(math.ceil(len(handles) / columns) - 1, 0))
    options: dict[str, Any] = {"fontsize": SMALL, "frameon": False, "labelcolor": INK, "handlelength": 3.2}
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **options)


def _keys(places: Mapping[str, int], sets: Sequence[str], chance: bool) -> list[Any]:
    """Legend entries of ``accuracy_curves``: one per method, and one per data set where there are several."""
    from matplotlib.lines import Line2D

    single = len(sets) == 1
    keys = []
    for method, m in places.items():
        style: dict[str, Any] = {"color": COLOURS[m % len(COLOURS)], "marker": MARKERS[m % len(MARKERS)]}
        label = f"{method}, {sets[0]}" if single and sets[0] else method
        keys.append(Line2D([], [], linewidth=1.8, linestyle="-" if single else "", label=label, **style))
    for d, name in enumerate([] if single else sets):
        style = {"color": GREY, "marker": "o", "markerfacecolor": GREY if d == 0 else "white"}
        keys.append(Line2D([], [], linewidth=1.8, linestyle=DASHES[d % len(DASHES)], label=name, **style))
    if chance:
        keys.append(Line2D([], [], color=INK, linewidth=1, linestyle=":", label="chance"))
    return keys


def set_alt_text(figure: Figure, text: str) -> Figure:
    """Give a figure its alt text, and return it."""
    figure.set_label(text)
    return figure


def _tar(curve: Roc, far: float) -> float:
    """TAR of the last point of a ROC curve whose FAR does not exceed ``far``."""
    return float(curve.tar[np.searchsorted(curve.far, far + 1e-12, side="right") - 1])


def _apart(sizes: Sequence[int]) -> list[int]:
    """Leave out sizes so near the one before that their labels would touch on a logarithmic axis."""
    kept: list[int] = []
    for size in sizes:
        if not kept or size / kept[-1] >= 1.15:
            kept.append(size)
    return kept

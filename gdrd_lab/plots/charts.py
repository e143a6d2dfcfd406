"""Charts: scores over resolution, ROC curves, histograms, lines, bars, matrices, and guesses beside results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.plots.figures import (
    COLOURS,
    DASHES,
    DPI,
    GREY,
    INK,
    MARKERS,
    SMALL,
    WIDTH,
    finalise_axes,
    new_figure,
    set_alt_text,
    style,
    title_height,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gdrd_lab.evaluation.metrics.verification import Roc
    from gdrd_lab.evaluation.sweep import Score


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
        """Its text in the legend."""
        return f"{self.method}, {self.data}" if self.data else self.method


def curves(scores: Iterable[Score], metric: str = "accuracy") -> list[Curve]:
    """Return a curve over resolution for each method and data set, of one metric in one setting."""
    grouped: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
    for score in scores:
        if score.metric == metric:
            points = grouped.setdefault((score.method, score.data), {})
            if score.resolution in points:
                name = f"{score.method} on {score.data}"
                remedy = "Choose the scores of one setting and one severity"
                raise GdrdError(f"{name} has two scores at {score.resolution} px", remedy)
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

    A colour and marker stand for a method, a dash pattern for a data set. ``methods`` are given the first colours, so
    that a method has the same one in several figures.
    """
    figure, axes = new_figure()
    order = list(dict.fromkeys([*methods, *(curve.method for curve in curves)]))
    places = {curve.method: order.index(curve.method) for curve in curves}
    sets = list(dict.fromkeys(curve.data for curve in curves))
    for curve in curves:
        m, d = places[curve.method], sets.index(curve.data)
        look = style(m, "marker") | {"linestyle": DASHES[d % len(DASHES)]}
        look |= {"markerfacecolor": look["color"] if d == 0 else "white", "label": curve.label}
        errors = None if curve.errors is None else np.nan_to_num(np.asarray(curve.errors, float))
        axes.errorbar(curve.resolutions, curve.values, errors, linewidth=1.8, markersize=6, capsize=3, **look)
    if chance is not None:
        axes.axhline(chance, color=INK, linewidth=1, linestyle=":", zorder=1)
    sizes = sorted({int(r) for curve in curves for r in curve.resolutions})
    axes.set_xscale("log", base=2)
    axes.set_xticks(_apart(sizes), labels=[str(size) for size in _apart(sizes)])
    axes.minorticks_off()
    finalise_axes(figure, axes, title, "Resolution (pixels)", metric, _keys(places, sets, chance is not None))
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
        # A curve starts where one of its impostor pairs is accepted: a lower rate cannot be measured.
        start = 1 / curve.impostors
        shown = curve.far > start * 1.001
        far = np.concatenate([[start], curve.far[shown]])
        tar = np.concatenate([[curve.tar[~shown].max()], curve.tar[shown]])
        axes.plot(far, tar, label=name, linewidth=1.8, **style(i, "linestyle"))
    shares = np.geomspace(lowest, 1, 200)
    axes.plot(shares, shares, color=INK, linewidth=1, linestyle=":", label="chance", zorder=1)
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.02))
    finalise_axes(figure, axes, title, "False accept rate", "True accept rate")
    points = (f"{name}: TAR {_tar(r, 0.1):.3f} at FAR 0.1 and {_tar(r, 0.01):.3f} at 0.01" for name, r in rocs.items())
    return set_alt_text(figure, f"{title or 'ROC curves'}. " + "; ".join(points) + ".")


def score_histogram(
    scores: np.ndarray, genuine: np.ndarray, threshold: float, *, marked: float | None = None, title: str = ""
) -> Figure:
    """Draw the scores of genuine and of impostor pairs, the threshold, and the score of one marked pair."""
    figure, axes = new_figure()
    scores, genuine = np.asarray(scores, float), np.asarray(genuine, bool)
    ends = [scores.min(), scores.max(), threshold] + ([] if marked is None else [marked])
    bins = np.linspace(min(ends), max(ends) + 1e-9, 41).tolist()
    for i, (label, chosen, hatch) in enumerate((("genuine pairs", genuine, ""), ("impostor pairs", ~genuine, "////"))):
        weights = np.full(int(chosen.sum()), 100 / max(int(chosen.sum()), 1))
        look: dict[str, Any] = style(i) | {"edgecolor": COLOURS[i], "facecolor": (COLOURS[i], 0.35), "hatch": hatch}
        axes.hist(scores[chosen], bins, weights=weights, histtype="stepfilled", linewidth=1.5, label=label, **look)
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


def lines(
    x: Sequence[float] | np.ndarray | Mapping[str, Sequence[float] | np.ndarray],
    series: Mapping[str, Sequence[float] | np.ndarray],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    errors: Mapping[str, Sequence[float] | np.ndarray] | None = None,
) -> Figure:
    """Draw one line per entry of ``series`` over the positions ``x``; a mapping ``x`` gives each line its own.

    ``errors`` are drawn as bars above and below the values.
    """
    figure, axes = new_figure()
    words = []
    for i, (name, values) in enumerate(series.items()):
        places = np.asarray(x[name] if isinstance(x, Mapping) else x, float)
        values = np.asarray(values, float)
        if len(places) != len(values):
            raise GdrdError(f"{name} has {len(values)} values at {len(places)} positions", "Give one value for each")
        marks = ("marker",) if len(values) <= 25 else ()
        look = style(i, "linestyle", *marks) | {"label": name, "linewidth": 1.8, "markersize": 6}
        bar = None if errors is None else np.nan_to_num(np.asarray(errors[name], float))
        axes.errorbar(places, values, bar, capsize=3, **look)
        words.append(f"{name}: {values[0]:.3g} at {places[0]:g}, {values[-1]:.3g} at {places[-1]:g}")
    finalise_axes(figure, axes, title, x_label, fill(y_label, 40))
    return set_alt_text(figure, f"{title or y_label + ' against ' + x_label}. " + "; ".join(words) + ".")


def _with_error(value: float, error: float) -> str:
    """Write a value with as many decimals as the two first digits of its error have, or in three digits without one."""
    if not 0 < error < math.inf:
        return f"{value:.3g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{round(value, decimals) + 0.0:.{decimals}f} ± {error:.{decimals}f}"  # no minus before zero


def bars(
    values: Mapping[str, float],
    *,
    y_label: str,
    errors: Mapping[str, float] | None = None,
    title: str = "",
    reference: tuple[str, float] | None = None,
) -> Figure:
    """Draw one horizontal bar per entry with its value, errors as whiskers, and a dotted line at ``reference``."""
    figure, axes = new_figure()
    names = [fill(name, 36) for name in values]
    numbers = np.array([*values.values()], float)
    spread = np.array([(errors or {}).get(name, 0.0) for name in values], float)
    places = np.arange(len(names))[::-1]
    axes.barh(places, numbers, 0.62, color=COLOURS[0], alpha=0.85, zorder=2)
    if errors is not None:
        axes.errorbar(numbers, places, xerr=spread, fmt="none", ecolor=INK, capsize=3, zorder=3)
    low, high = min(0.0, float(np.min(numbers - spread))), max(0.0, float(np.max(numbers + spread)))
    texts = [_with_error(*pair) for pair in zip(numbers, spread, strict=True)]
    # Room for the texts behind the bars: the share of the axes' width that the longest one takes.
    wide = WIDTH - 0.6 - 0.08 * max(len(line) for name in names for line in name.split("\n"))
    reach = (high - low or 1.0) / (1 - min(0.02 + 0.085 * max(map(len, texts)) / wide, 0.6))
    for place, end, text in zip(places, np.maximum(numbers + spread, 0), texts, strict=True):
        axes.text(end + reach * 0.02, place, text, va="center", fontsize=SMALL, color=INK, zorder=4)
    axes.set_xlim(low - (0.02 * reach if low < 0 else 0), low + reach)
    axes.set_yticks(places, labels=names)
    handles = []
    if reference is not None:
        handles.append(axes.axvline(reference[1], color=INK, linestyle=":", linewidth=1.4, label=reference[0]))
    finalise_axes(figure, axes, title, wrapped(y_label, wide), "", handles or None)
    lines = sum(name.count("\n") for name in names)
    figure.set_figheight(1.5 + 0.42 * len(names) + 0.12 * lines + (0.3 if reference else 0) + title_height(axes))
    told = [*zip(values, texts, strict=True), *([(reference[0], f"{reference[1]:.3g}")] if reference else [])]
    return set_alt_text(figure, f"{title or y_label}. {'; '.join(f'{name}: {text}' for name, text in told)}.")


def guesses(
    question: str, guessed: Mapping[str, float], found: Mapping[str, float], *, unit: str, moved: bool
) -> Figure:
    """Draw each guessed and measured quantity in a row, with a line for the difference."""
    figure, axes = new_figure()
    names = list(guessed)
    places = np.arange(len(names))[::-1]
    a, b = (np.array([values[name] for name in names], float) for values in (guessed, found))
    axes.hlines(places, a, b, color=GREY, linewidth=1.5, zorder=2)
    whose = "your guess" if moved else "stated default guess"
    axes.plot(a, places, MARKERS[0], color=COLOURS[1], markersize=9, markerfacecolor="white", label=whose, zorder=3)
    axes.plot(b, places, MARKERS[1], color=COLOURS[0], markersize=8, label="measured", zorder=4)
    axes.set_yticks(places, labels=names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    finalise_axes(figure, axes, question, unit, "")
    figure.set_figheight(2.0 + 0.4 * len(names) + title_height(axes))
    said = "; ".join(f"{n}: {whose} {guessed[n]:.3g}, measured {found[n]:.3g}" for n in names)
    return set_alt_text(figure, f"{question.rstrip('.')}. {said}.")


def matrices(named: Mapping[str, np.ndarray], *, title: str = "", scale: str = "cosine") -> Figure:
    """Draw square matrices (N, N) side by side on one colour scale, whose lightness rises evenly."""
    from matplotlib.figure import Figure

    size = (0.6 + 2.4 * len(named), 3.1 if title else 2.8)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    grid = figure.subplots(1, len(named), squeeze=False)[0]
    low = min(float(matrix.min()) for matrix in named.values())
    high = max(float(matrix.max()) for matrix in named.values())
    for axes, (name, matrix) in zip(grid, named.items(), strict=True):
        drawn = axes.imshow(matrix, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(name, fontsize=SMALL, color=INK)
        axes.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=list(grid), label=scale, shrink=0.8)
    if title:
        figure.suptitle(title, fontsize=SMALL + 2, color=INK)
    off = {name: matrix[~np.eye(len(matrix), dtype=bool)] for name, matrix in named.items()}
    said = (f"{name}: {values.min():.2f} to {values.max():.2f} off the diagonal" for name, values in off.items())
    return set_alt_text(figure, f"{title or 'Matrices of ' + scale}. {'; '.join(said)}.")


def _keys(places: Mapping[str, int], sets: Sequence[str], chance: bool) -> list[Any]:
    """An entry for each method, and for each of several data sets."""
    from matplotlib.lines import Line2D

    single = len(sets) == 1
    keys = []
    for method, m in places.items():
        label = f"{method}, {sets[0]}" if single and sets[0] else method
        keys.append(Line2D([], [], linewidth=1.8, linestyle="-" if single else "", label=label, **style(m, "marker")))
    for d, name in enumerate([] if single else sets):
        look: dict[str, Any] = {"color": GREY, "marker": "o", "markerfacecolor": GREY if d == 0 else "white"}
        keys.append(Line2D([], [], linewidth=1.8, linestyle=DASHES[d % len(DASHES)], label=name, **look))
    if chance:
        keys.append(Line2D([], [], color=INK, linewidth=1, linestyle=":", label="chance"))
    return keys


def _tar(curve: Roc, far: float) -> float:
    """TAR of the last point of a ROC curve whose FAR does not exceed ``far``."""
    return float(curve.tar[np.searchsorted(curve.far, far + 1e-12, side="right") - 1])


def _apart(sizes: Sequence[int]) -> list[int]:
    """Leave out sizes whose label would touch the one before on a logarithmic axis."""
    kept: list[int] = []
    for size in sizes:
        if not kept or size / kept[-1] >= 1.15:
            kept.append(size)
    return kept

"""Lines, bars, matrices, and guesses beside results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    finalise_axes,
    new_figure,
    set_alt_text,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS_WITH_MARKERS = 25


def lines(
    x: Sequence[float] | np.ndarray | Mapping[str, Sequence[float]],
    series: Mapping[str, Sequence[float] | np.ndarray],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    log_y: bool = False,
) -> Figure:
    """Draw one line per entry of ``series`` over the positions ``x``; a mapping ``x`` gives each line its own."""
    figure, axes = new_figure()
    words = []
    for i, (name, values) in enumerate(series.items()):
        places = np.asarray(x[name] if isinstance(x, Mapping) else x, float)
        values = np.asarray(values, float)
        if len(places) != len(values):
            raise GdrdError(f"{name} has {len(values)} values at {len(places)} positions", "Give one value for each")
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
        if len(values) <= MOST_POINTS_WITH_MARKERS:
            style |= {"marker": MARKERS[i % len(MARKERS)], "markersize": 6}
        axes.plot(places, values, label=name, linewidth=1.8, **style)
        words.append(f"{name}: {values[0]:.3g} at {places[0]:g}, {values[-1]:.3g} at {places[-1]:g}")
    if log_y:
        axes.set_yscale("log")
    finalise_axes(figure, axes, title, x_label, fill(y_label, 40))
    return set_alt_text(figure, f"{title or y_label + ' against ' + x_label}. " + "; ".join(words) + ".")


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
    names = list(values)
    numbers = np.array([values[name] for name in names], float)
    spread = None if errors is None else np.array([errors.get(name, np.nan) for name in names], float)
    places = np.arange(len(names))[::-1]
    axes.barh(places, numbers, 0.62, color=COLOURS[0], alpha=0.85, zorder=2)
    if spread is not None:
        axes.errorbar(numbers, places, xerr=np.nan_to_num(spread), fmt="none", ecolor=INK, capsize=3, zorder=3)
    low, high = min(0.0, float(np.nanmin(numbers))), max(0.0, float(np.nanmax(numbers)))
    reach = (high - low) or 1.0
    for place, number, error in zip(places, numbers, np.zeros(len(names)) if spread is None else spread, strict=True):
        edge = max(number, 0) + np.nan_to_num(error)
        text = f"{number:.3g}" + (f" ± {error:.2g}" if spread is not None and np.isfinite(error) else "")
        axes.text(edge + reach * 0.02, place, text, va="center", fontsize=SMALL, color=INK, zorder=4)
    axes.set_xlim(low - (0.02 * reach if low < 0 else 0), high + reach * 0.3)
    axes.set_yticks(places, labels=names)
    handles = []
    if reference is not None:
        handles.append(axes.axvline(reference[1], color=INK, linestyle=":", linewidth=1.4, label=reference[0]))
    finalise_axes(figure, axes, title, fill(y_label, 52), "", handles or None)
    figure.set_figheight(1.5 + 0.42 * len(names) + (0.3 if reference else 0))
    said = "; ".join(f"{name}: {values[name]:.3g}" for name in names)
    said += f"; {reference[0]}: {reference[1]:.3g}" if reference else ""
    return set_alt_text(figure, f"{title or y_label}. {said}.")


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
    figure.set_figheight(2.0 + 0.4 * len(names))
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
        axes.set_xticks([])
        axes.set_yticks([])
    figure.colorbar(drawn, ax=list(grid), label=scale, shrink=0.8)
    if title:
        figure.suptitle(title, fontsize=SMALL + 2, color=INK)
    off = {name: matrix[~np.eye(len(matrix), dtype=bool)] for name, matrix in named.items()}
    said = "; ".join(
        f"{name}: {values.min():.2f} to {values.max():.2f} off the diagonal" for name, values in off.items()
    )
    return set_alt_text(figure, f"{title or 'Matrices of ' + scale}. {said}.")

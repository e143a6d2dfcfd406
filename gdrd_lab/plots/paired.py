"""Differences between runs that share a seed, with intervals, and their figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.plots.figures import COLOURS, INK, SMALL, finalise_axes, new_figure, set_alt_text, title_height

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Difference:
    """The mean difference of two rows over common seeds and its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_differences(runs: Mapping[str, Mapping[int, float]], reference: str) -> dict[str, Difference]:
    """Return each row's ``Difference`` from the row ``reference``; ``runs`` holds the score of each row and seed.

    Seeds of one row alone take no part; rows that share fewer than two seeds with the reference are left out.
    """
    from scipy.stats import t

    if reference not in runs:
        raise GdrdError(f"There is no row {reference!r}", f"Use one of {', '.join(runs)}")
    out = {}
    for name, values in runs.items():
        seeds = sorted(values.keys() & runs[reference].keys())
        if name != reference and len(seeds) > 1:
            change = np.array([values[seed] - runs[reference][seed] for seed in seeds])
            mean = float(change.mean())
            reach = float(t.ppf(0.975, len(seeds) - 1) * change.std(ddof=1) / np.sqrt(len(seeds)))
            out[name] = Difference(mean, mean - reach, mean + reach, len(seeds))
    return out


def paired_figure(found: Mapping[str, Difference], *, x_label: str, title: str = "") -> Figure:
    """Draw each row's mean difference and its interval; filled marks are rows whose interval leaves out zero."""
    figure, axes = new_figure()
    places = range(len(found))[::-1]
    for place, change in zip(places, found.values(), strict=True):
        axes.plot([change.low, change.high], [place, place], color=COLOURS[0], linewidth=2, zorder=2)
        face = COLOURS[0] if change.clear else "white"
        axes.plot(change.mean, place, "o", color=COLOURS[0], markersize=8, markerfacecolor=face, zorder=3)
    axes.axvline(0, color=INK, linestyle=":", linewidth=1.4, label="no difference")
    axes.set_yticks(list(places), labels=[fill(name, 34) for name in found])
    axes.tick_params(axis="y", labelsize=SMALL)
    finalise_axes(figure, axes, "", fill(x_label, 46), "")
    axes.set_title(fill(title, 40), fontsize=SMALL + 2, color=INK, loc="left")
    lines = sum(fill(name, 34).count("\n") + 1 for name in found)
    figure.set_figheight(1.5 + 0.16 * len(found) + 0.2 * lines + title_height(axes))
    told = "; ".join(f"{name}: {d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f})" for name, d in found.items())
    return set_alt_text(figure, f"{title or x_label}. Mean difference and 95 % interval. {told}.")

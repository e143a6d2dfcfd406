"""Differences between runs that share a seed, with intervals, and their figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.plots.charts import bars

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def paired_differences(runs: Mapping[str, Mapping[int, Any]], reference: str) -> dict[str, tuple[float, float]]:
    """Return each row's mean difference from the row ``reference`` over common seeds, and half its 95 % interval.

    The score of a run, by its seed, may be a list, of one score a fold of the pairs. The interval then covers seeds and
    pairs: the variances of both means are added, with the degrees of freedom of Welch and Satterthwaite.
    """
    from scipy.stats import t

    out = {}
    for name, values in runs.items():
        common = [seed for seed in values if seed in runs[reference]]
        if name != reference and len(common) > 1:
            change = np.array([np.atleast_1d(values[seed]) - runs[reference][seed] for seed in common])
            means = [mean for mean in (change.mean(1), change.mean(0)) if len(mean) > 1]  # of seeds, of folds
            spreads = [mean.var(ddof=1) / len(mean) for mean in means]
            parts = sum(spread**2 / (len(mean) - 1) for spread, mean in zip(spreads, means, strict=True))
            reach = t.ppf(0.975, sum(spreads) ** 2 / parts) * np.sqrt(sum(spreads)) if parts else 0.0
            out[name] = (float(change.mean()), float(reach))
    return out


def paired_figure(found: Mapping[str, tuple[float, float]], *, y_label: str, title: str = "") -> Figure:
    """Draw each row's mean difference as a bar and its interval as whiskers."""
    means, errors = ({name: pair[part] for name, pair in found.items()} for part in (0, 1))
    label, zero = f"{y_label}, 95 % interval", ("no difference", 0.0)
    return bars(means, errors=errors, y_label=label, title=title, reference=zero)

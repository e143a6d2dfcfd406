"""Differences between runs that share a seed, with intervals, and their figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.plots.charts import bars

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def paired_differences(runs: Mapping[str, Mapping[int, float]], reference: str) -> dict[str, tuple[float, float]]:
    """Return each row's mean difference from the row ``reference`` over common seeds, and half its 95 % interval."""
    from scipy.stats import t

    out = {}
    for name, values in runs.items():
        change = np.array([values[seed] - runs[reference][seed] for seed in values if seed in runs[reference]])
        if name != reference and len(change) > 1:
            reach = t.ppf(0.975, len(change) - 1) * change.std(ddof=1) / np.sqrt(len(change))
            out[name] = (float(change.mean()), float(reach))
    return out


def paired_figure(found: Mapping[str, tuple[float, float]], *, y_label: str, title: str = "") -> Figure:
    """Draw each row's mean difference as a bar and its interval as whiskers."""
    means, errors = ({name: pair[part] for name, pair in found.items()} for part in (0, 1))
    label, zero = f"{y_label}, 95 % interval", ("no difference", 0.0)
    return bars(means, errors=errors, y_label=label, title=title, reference=zero)

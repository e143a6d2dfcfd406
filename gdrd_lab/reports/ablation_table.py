"""The ablation's table: mean and standard deviation over the seeds of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gdrd_lab.evaluation.sweep import Score


@dataclass(frozen=True)
class Cell:
    """A metric over the seeds of one row: mean, standard deviation (NaN for one run) and the number of runs."""

    mean: float
    deviation: float
    runs: int

    def __str__(self) -> str:
        """In percent."""
        spread = "" if self.runs < 2 else f" ± {100 * self.deviation:.1f}"
        return f"{100 * self.mean:.1f}{spread}"


def aggregate(scores: Sequence[Score], metric: str, setting: str) -> dict[str, dict[int, Cell]]:
    """Return {row: {resolution: cell}} of one metric and setting, in the order of the scores."""
    values: dict[str, dict[int, list[float]]] = {}
    for score in scores:
        if score.metric == metric and score.setting == setting:
            values.setdefault(score.method, {}).setdefault(score.resolution, []).append(score.value)
    return {row: {size: _cell(found) for size, found in by_resolution.items()} for row, by_resolution in values.items()}


def _cell(values: Sequence[float]) -> Cell:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Cell(float(np.mean(values)), deviation, len(values))


def columns(scores: Sequence[Score], metric: str) -> dict[str, dict[str, str]]:
    """Return {row: {"setting, N px": "mean ± deviation"}} of one metric, in percent."""
    return {row: {name: str(cell) for name, cell in found.items()} for row, found in _cells(scores, metric).items()}


def means(scores: Sequence[Score], metric: str) -> dict[str, dict[str, float]]:
    """Return {row: {"setting, N px": mean}} of one metric."""
    return {row: {name: cell.mean for name, cell in found.items()} for row, found in _cells(scores, metric).items()}


def _cells(scores: Sequence[Score], metric: str) -> dict[str, dict[str, Cell]]:
    out: dict[str, dict[str, Cell]] = {}
    for setting in dict.fromkeys(score.setting for score in scores):
        for row, found in aggregate(scores, metric, setting).items():
            for size, cell in found.items():
                out.setdefault(row, {})[f"{setting}, {size} px"] = cell
    return out

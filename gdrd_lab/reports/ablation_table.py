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


def columns(scores: Sequence[Score], metric: str) -> dict[str, dict[str, Cell]]:
    """Return {row: {"setting, N px": cell}} of one metric, setting by setting."""
    settings = list(dict.fromkeys(score.setting for score in scores))
    values: dict[str, dict[str, list[float]]] = {}
    for score in sorted(scores, key=lambda score: settings.index(score.setting)):
        if score.metric == metric:
            row = values.setdefault(score.method, {})
            row.setdefault(f"{score.setting}, {score.resolution} px", []).append(score.value)
    return {row: {name: _cell(found) for name, found in cells.items()} for row, cells in values.items()}


def _cell(values: Sequence[float]) -> Cell:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Cell(float(np.mean(values)), deviation, len(values))

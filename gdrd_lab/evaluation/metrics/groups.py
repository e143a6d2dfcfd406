"""Error rates of groups of people at one common threshold."""

from dataclasses import dataclass

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import Array, require_finite_scores


@dataclass(frozen=True)
class Rate:
    """A share of ``count`` pairs with its 95 percent interval (Wilson, JASA 1927); NaN where there are no pairs."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class GroupErrors:
    """False match rate (impostor pairs accepted) and false non-match rate (genuine pairs rejected) of one group."""

    group: int
    false_match: Rate
    false_non_match: Rate


def pair_groups(groups: Array, first: Array, second: Array) -> Array:
    """Return the group of each pair whose faces share one: (P,), -1 for mixed pairs and unknown groups (-1)."""
    a, b = np.asarray(groups)[first], np.asarray(groups)[second]
    return np.where(a == b, a, -1)


def group_errors(scores: Array, genuine: Array, groups: Array, threshold: float) -> list[GroupErrors]:
    """Measure each group's errors at one common threshold; ``groups`` (P,) is -1 for pairs that are left out."""
    scores, genuine, groups = np.asarray(scores), np.asarray(genuine, bool), np.asarray(groups)
    if not len(scores) == len(genuine) == len(groups):
        raise GdrdError(
            f"{len(scores)} scores, {len(genuine)} kinds, {len(groups)} groups", "Give one of each per pair"
        )
    require_finite_scores(scores)
    present = np.unique(groups[groups >= 0])
    if not len(present):
        raise GdrdError("No pair has a group", "Give groups of faces, and pairs within them")
    accepted = scores >= threshold
    return [
        GroupErrors(int(g), _rate(accepted[(groups == g) & ~genuine]), _rate(~accepted[(groups == g) & genuine]))
        for g in present
    ]


def _rate(wrong: Array) -> Rate:
    from scipy.stats import binomtest

    if not len(wrong):
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    interval = binomtest(int(wrong.sum()), len(wrong)).proportion_ci(method="wilson")
    return Rate(float(wrong.mean()), float(interval.low), float(interval.high), len(wrong))

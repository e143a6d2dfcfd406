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


def group_rates(
    accepted: Array, groups: Array, samples: int = 200, seed: int = 0
) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
    """Return (false match rate, standard error) and (false non-match rate, standard error) of each group.

    Args:
        accepted: (N, N) bool: whether probe i is accepted as photograph j. Each probe shows the person of its own
            photograph, and different photographs are taken for different people.
        groups: (N,) the group of each; of a group's false matches both photographs are in it.

    Standard errors are by bootstrap over faces. A group with fewer than two faces is left out.
    """
    random, out = np.random.default_rng(seed), {}
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        if (n := len(rows)) < 2:
            continue
        matched = accepted[np.ix_(rows, rows)].astype(np.float32)
        rejected = 1 - np.diag(matched)
        np.fill_diagonal(matched, 0)
        copies = np.vstack([np.ones(n), random.multinomial(n, np.full(n, 1 / n), samples)]).astype(np.float32)
        pairs = copies.sum(1) ** 2 - (copies**2).sum(1)  # a face drawn twice is not compared with itself
        rates = ((copies @ matched) * copies).sum(1) / np.maximum(pairs, 1), copies @ rejected / n
        false_match, false_non_match = ((float(rate[0]), float(rate[1:].std(ddof=1))) for rate in rates)
        out[str(group)] = false_match, false_non_match
    return out


def _rate(wrong: Array) -> Rate:
    from scipy.stats import binomtest

    if not len(wrong):
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    interval = binomtest(int(wrong.sum()), len(wrong)).proportion_ci(method="wilson")
    return Rate(float(wrong.mean()), float(interval.low), float(interval.high), len(wrong))

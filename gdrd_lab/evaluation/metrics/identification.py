"""Closed-set identification: which of the enrolled people is this probe?"""

from __future__ import annotations

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.retrieval import scores_in_chunks

Array = np.ndarray


def ranks(probes: Array, probe_labels: Array, gallery: Array, gallery_labels: Array, chunk: int = 1024) -> Array:
    """Rank of the right identity for each probe, 1 being best.

    An identity's score is the best score of its enrolled faces. Ties count against the recogniser (rank = number of
    identities that score at least as much), so that constant embeddings come last and not first.

    Args:
        probes: (P, d) embeddings.
        probe_labels: (P,) identities, each of them enrolled.
        gallery: (G, d) embeddings.
        gallery_labels: (G,) identities.

    Returns:
        (P,) int64, 1 to the number of identities enrolled.

    Example:
        >>> ranks(np.eye(2), np.array([7, 7]), np.eye(2), np.array([7, 8])).tolist()
        [1, 2]
    """
    return ranks_and_scores(probes, probe_labels, gallery, gallery_labels, chunk)[0]


def ranks_and_scores(
    probes: Array, probe_labels: Array, gallery: Array, gallery_labels: Array, chunk: int = 1024
) -> tuple[Array, Array]:
    """Return ``ranks`` and the score (P,) of each probe's own identity; the arguments are those of ``ranks``."""
    probe_labels, gallery_labels = np.asarray(probe_labels), np.asarray(gallery_labels)
    if not len(probe_labels):
        raise GdrdError("There is no probe to identify", "Give at least one identity with two faces")
    order = np.argsort(gallery_labels, kind="stable")
    names, starts = np.unique(gallery_labels[order], return_index=True)
    unknown = ~np.isin(probe_labels, names)
    if unknown.any():
        raise GdrdError(
            f"{int(unknown.sum())} probes show people who are not enrolled (the first: {probe_labels[unknown][0]})",
            "Closed-set identification needs at least one enrolled face of each; enrol them or drop these probes",
        )
    target = np.searchsorted(names, probe_labels)
    found, own = np.zeros(len(target), np.int64), np.zeros(len(target))
    for rows, scores in scores_in_chunks(probes, np.asarray(gallery)[order], chunk):
        best = np.maximum.reduceat(scores, starts, axis=1)
        right = np.take_along_axis(best, target[rows, None], axis=1)
        found[rows], own[rows] = (best >= right).sum(axis=1), right[:, 0]
    return found, own


def rank_k(ranks: Array, k: int = 1) -> float:
    """Share of the probes whose right identity is among the ``k`` best."""
    return float(np.mean(np.asarray(ranks) <= k))


def cmc(ranks: Array, highest: int) -> Array:
    """Cumulative match characteristic: rank-k accuracy (highest,) for k = 1 ... ``highest``."""
    found = np.bincount(np.minimum(ranks, highest + 1), minlength=highest + 2)[1 : highest + 1]
    return np.cumsum(found) / len(ranks)


def clustered_error(values: Array, groups: Array) -> float:
    """Standard error of the mean of ``values`` (N,) when values of one group (a person's faces) are correlated.

    sqrt( sum_g ( sum_{i in g} (x_i - mean) )^2 ) / N

    Source: Liang and Zeger, Longitudinal data analysis using generalized linear models (Biometrika 1986), the
    sandwich estimator of a mean.
    """
    values = np.asarray(values, np.float64)
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(codes, weights=values - values.mean())
    return float(np.sqrt(np.sum(sums**2)) / len(values))

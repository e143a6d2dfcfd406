"""Closed-set identification: which of the enrolled people is this probe?"""

from __future__ import annotations

import numpy as np

from gdrd_lab.errors import GdrdError

Array = np.ndarray


def ranks(probes: Array, probe_labels: Array, gallery: Array, gallery_labels: Array, chunk: int = 1024) -> Array:
    """Rank of the right identity for each probe, 1 being best.

    An identity's score is the best score of its enrolled faces. Ties count against the recogniser (rank = number of
    identities that score at least as much), so that constant embeddings come last and not first.

    Args:
        probes: (P, d) unit embeddings.
        probe_labels: (P,) identities, each of them enrolled.
        gallery: (G, d) unit embeddings.
        gallery_labels: (G,) identities.
        chunk: probes scored at a time; memory is chunk x G.

    Returns:
        (P,) int64, 1 to the number of identities enrolled.

    Raises:
        GdrdError: a probe's identity is not enrolled, or there is no probe.
    """
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
    enrolled = np.asarray(gallery)[order]
    out = np.zeros(len(probe_labels), np.int64)
    for start in range(0, len(out), chunk):
        rows = slice(start, start + chunk)
        scores = np.maximum.reduceat(np.asarray(probes)[rows] @ enrolled.T, starts, axis=1)
        right = np.take_along_axis(scores, target[rows, None], axis=1)
        out[rows] = (scores >= right).sum(axis=1)
    return out


def rank_k(ranks: Array, k: int = 1) -> float:
    """Share of the probes whose right identity is among the ``k`` best."""
    return float(np.mean(np.asarray(ranks) <= k))


def cmc(ranks: Array, highest: int) -> Array:
    """Cumulative match characteristic: rank-k accuracy (highest,) for k = 1 ... ``highest``."""
    found = np.bincount(np.minimum(ranks, highest + 1), minlength=highest + 2)[1 : highest + 1]
    return np.cumsum(found) / len(ranks)


def clustered_error(values: Array, groups: Array) -> float:
    """Standard error of the mean of ``values`` (N,) when values of one group (a person's faces) hang together.

    sqrt( sum_g ( sum_{i in g} (x_i - mean) )^2 ) / N

    Source: Liang and Zeger, Longitudinal data analysis using generalized linear models (Biometrika 1986), the
    sandwich estimator of a mean.
    """
    values = np.asarray(values, np.float64)
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(codes, weights=values - values.mean())
    return float(np.sqrt(np.sum(sums**2)) / len(values))

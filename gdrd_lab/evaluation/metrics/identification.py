"""Identification: which of the enrolled people is this probe? In an open set some probes show other people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.retrieval import Array, scores_in_chunks


@dataclass(frozen=True)
class IdentificationResult:
    """The rank (P,) of the right identity for each probe, the probes' labels, and how many identities are enrolled."""

    ranks: Array
    labels: Array
    enrolled: int

    def rank_k(self, k: int = 1) -> float:
        """Share of probes whose identity is among the ``k`` best."""
        return float(np.mean(self.ranks <= k))

    def cmc(self, highest: int = 20) -> Array:
        """Cumulative match characteristic: rank-k accuracy for k = 1 ... ``highest``, or the number of identities."""
        return np.array([self.rank_k(k + 1) for k in range(min(highest, self.enrolled))])


def ranks(probes: Array, probe_labels: Array, gallery: Array, gallery_labels: Array, chunk: int = 1024) -> Array:
    """Return the rank from 1, int64 (P,), of the right identity of each probe (P, d) in a gallery (G, d) of embeddings.

    An identity's score is the best score of its enrolled faces. Ties count against the recogniser (rank = number of
    identities that score at least as much), so that constant embeddings come last and not first.
    """
    return ranks_and_scores(probes, probe_labels, gallery, gallery_labels, chunk)[0]


def ranks_and_scores(
    probes: Array, probe_labels: Array, gallery: Array, gallery_labels: Array, chunk: int = 1024
) -> tuple[Array, Array]:
    """Return ``ranks`` and the score (P,) of each probe's own identity."""
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


def tpir_at_fpir(
    mated: Array,
    mated_labels: Array,
    non_mated: Array,
    gallery: Array,
    gallery_labels: Array,
    fpirs: Sequence[float] = (0.3, 0.2, 0.1, 0.01),
    rank: int = 20,
) -> Array:
    """Return the TPIR at each FPIR, (len(fpirs),) in [0, 1], of embeddings (P, d), (U, d) and a gallery (G, d).

    FPIR(t) = share of non-mated probes for which some gallery face scores t or more
    TPIR(t) = share of mated probes whose own identity scores t or more and is among the ``rank`` best identities

    The threshold t is the lowest with FPIR(t) at or under the one asked for; QMUL-SurvFace reports ``rank`` 20.
    Source: Cheng, Zhu and Gong, Surveillance Face Recognition Challenge (arXiv 1804.09691), section 3.
    """
    return identified(mated, mated_labels, non_mated, gallery, gallery_labels, fpirs, rank).mean(axis=1)


def identified(
    mated: Array,
    mated_labels: Array,
    non_mated: Array,
    gallery: Array,
    gallery_labels: Array,
    fpirs: Sequence[float],
    rank: int,
) -> Array:
    """Return which mated probes are identified at each FPIR, bool (len(fpirs), P); arguments as ``tpir_at_fpir``."""
    if not len(non_mated):
        raise GdrdError("Open-set identification needs non-mated probes", "Give probes of people who are not enrolled")
    found, own = ranks_and_scores(mated, mated_labels, gallery, gallery_labels)
    best = [scores.max(axis=1) for _, scores in scores_in_chunks(non_mated, gallery)]
    highest = np.sort(np.concatenate(best))[::-1]
    out = []
    for fpir in fpirs:
        allowed = int(np.floor(fpir * len(highest) + 1e-9))
        # Just above the (allowed + 1)-th highest non-mated score; below everything where all may pass.
        threshold = -np.inf if allowed >= len(highest) else np.nextafter(highest[allowed], np.inf)
        out.append((found <= rank) & (own >= threshold))
    return np.array(out)


def clustered_error(values: Array, groups: Array) -> float:
    """Standard error of the mean of ``values`` (N,) when values of one group (a person's faces) are correlated.

    sqrt( sum_g ( sum_{i in g} (x_i - mean) )^2 ) / N   (the sandwich estimator: Liang and Zeger, Biometrika 1986)
    """
    values = np.asarray(values, np.float64)
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(codes, weights=values - values.mean())
    return float(np.sqrt(np.sum(sums**2)) / len(values))

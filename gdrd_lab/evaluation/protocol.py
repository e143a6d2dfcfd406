"""Protocols: which faces of a set are compared with which.

Two settings matter at very low resolution. In the *same-resolution* setting both faces are degraded, like two
surveillance images. In the *sharp-gallery* setting the enrolled face has its native resolution and only the probe is
degraded, like a surveillance image that is searched among passport photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.datasets.embed import comparable
from gdrd_lab.datasets.pairs import Enrolment
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics import identification, verification
from gdrd_lab.evaluation.metrics.verification import AccuracyResult, Roc
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.datasets.pairs import Pairs

Array = np.ndarray

PAIRS_AT_ONCE = 1 << 18  # of 128 numbers: 256 MB; IJB-C has 15 million pairs
# The degradation that changes nothing.
SHARP = Degradation(resolution=None)


@dataclass(frozen=True)
class VerificationResult:
    """Results of verification; ``scores`` and ``genuine`` are (P,), for figures."""

    accuracy: AccuracyResult
    auc: float
    eer: float
    fars: tuple[float, ...]
    tar_at_far: Array
    scores: Array
    genuine: Array

    @property
    def roc(self) -> Roc:
        """The ROC curve of all pairs."""
        return verification.roc(self.scores, self.genuine)


@dataclass(frozen=True)
class IdentificationResult:
    """The rank of the right identity for each probe, the probes' labels, and how many identities are enrolled."""

    ranks: Array
    labels: Array
    enrolled: int

    def rank_k(self, k: int) -> float:
        """Share of probes whose identity is among the ``k`` best."""
        return identification.rank_k(self.ranks, k)

    def cmc(self, highest: int = 20) -> Array:
        """Rank-k accuracy for k = 1 ... ``highest``, or up to the number of identities."""
        return identification.cmc(self.ranks, min(highest, self.enrolled))


def pair_scores(first: Array, second: Array, pairs: Pairs) -> Array:
    """Return the cosine similarity (P,) of each pair; ``first`` and ``second`` (N, d) are embeddings of all faces."""
    a, b = comparable(first, second)
    parts = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    scores = [np.einsum("pd,pd->p", a[pairs.first[p]], b[pairs.second[p]], dtype=np.float64) for p in parts]
    return np.concatenate(scores) if scores else np.zeros(0)


def verify_embeddings(
    probe: Array, gallery: Array, pairs: Pairs, *, fars: Sequence[float] = (0.01, 0.001), both_ways: bool = False
) -> VerificationResult:
    """Verify pairs: the embedding of each pair's first face is a row of ``gallery``, of its second a row of ``probe``.

    Args:
        probe: (N, d) embeddings of the faces as shown.
        gallery: (N, d) embeddings of the same faces as enrolled; ``probe`` again for the same-resolution setting.
        both_ways: also score each pair with its faces exchanged; the 2P comparisons are evaluated together.
    """
    scores, genuine, fold = pair_scores(gallery, probe, pairs), pairs.genuine, pairs.fold
    if both_ways:
        scores = np.concatenate([scores, pair_scores(probe, gallery, pairs)])
        genuine, fold = np.tile(genuine, 2), np.tile(fold, 2)
    return VerificationResult(
        accuracy=verification.lfw_accuracy(scores, genuine, fold),
        auc=verification.auc(scores, genuine),
        eer=verification.eer(scores, genuine),
        fars=tuple(fars),
        tar_at_far=verification.tar_at_far(scores, genuine, fars),
        scores=scores,
        genuine=genuine,
    )


def identify_embeddings(probe: Array, gallery: Array, labels: Array, enrolment: Enrolment) -> IdentificationResult:
    """Identify probes, rows of ``probe`` (N, d), among the enrolled faces, rows of ``gallery`` (N, d)."""
    shown, enrolled = labels[enrolment.probes], labels[enrolment.gallery]
    ranks = identification.ranks(probe[enrolment.probes], shown, gallery[enrolment.gallery], enrolled)
    return IdentificationResult(ranks, shown, len(np.unique(enrolled)))


def check_pairs(dataset: FaceDataset, pairs: Pairs) -> None:
    """Raise GdrdError when there are no pairs, or some point outside the face set."""
    if not len(pairs.first):
        raise GdrdError("There are no pairs", "Give at least one genuine and one impostor pair in two folds")
    used = np.concatenate([pairs.first, pairs.second])
    if used.min() < 0 or used.max() >= len(dataset):
        raise GdrdError(
            f"Pairs point to face {int(used.max())} of {len(dataset)} in {dataset.name}",
            "Give pairs made for this face set",
        )

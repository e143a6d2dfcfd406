"""Protocols: which faces of a set are compared with which.

In the *same-resolution* setting both faces are degraded, like two surveillance images. In the *sharp-gallery* setting
only the probe is, like a surveillance image that is searched among passport photographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.embed import comparable
from gdrd_lab.datasets.pairs import Enrolment, Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics import verification
from gdrd_lab.evaluation.metrics.identification import IdentificationResult, ranks
from gdrd_lab.evaluation.metrics.verification import AccuracyResult, Array, Roc
from gdrd_lab.transforms.degradation import Degradation

PAIRS_AT_ONCE = 1 << 18  # of 128 numbers: 256 MB; IJB-C has 15 million pairs
SHARP = Degradation(resolution=None)  # changes nothing


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


def pair_scores(first: Array, second: Array, pairs: Pairs) -> Array:
    """Return the cosine similarity (P,) of each pair; ``first`` and ``second`` (N, d) are embeddings of all faces."""
    a, b = comparable(first, second)
    parts = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    scores = [np.einsum("pd,pd->p", a[pairs.first[p]], b[pairs.second[p]], dtype=np.float64) for p in parts]
    return np.concatenate(scores) if scores else np.zeros(0)


def verify_embeddings(
    probe: Array, gallery: Array, pairs: Pairs, *, fars: Sequence[float] = (0.01, 0.001), both_ways: bool = False
) -> VerificationResult:
    """Verify pairs: the first face's embedding is a row of ``gallery`` (N, d), the second's of ``probe`` (N, d).

    ``both_ways`` also scores each pair with its faces exchanged; the 2P comparisons are evaluated together.
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
    found = ranks(probe[enrolment.probes], shown, gallery[enrolment.gallery], enrolled)
    return IdentificationResult(found, shown, len(np.unique(enrolled)))


def check_pairs(dataset: FaceDataset, pairs: Pairs) -> None:
    """Raise GdrdError when there are no pairs, or some point outside the face set."""
    if not len(pairs.first):
        raise GdrdError("There are no pairs", "Give at least one genuine and one impostor pair in two folds")
    used = np.concatenate([pairs.first, pairs.second])
    if used.min() < 0 or used.max() >= len(dataset):
        what = f"Pairs point to face {int(used.max())} of {len(dataset)} in {dataset.name}"
        raise GdrdError(what, "Give pairs made for this face set")

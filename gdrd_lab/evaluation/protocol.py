"""Protocols: what is compared with what, for a recogniser on a face set.

Two settings matter at very low resolution. In the *same-resolution* setting both faces are degraded, as two
surveillance images are. In the *sharp-gallery* setting an enrolled face is sharp and only the probe is degraded, as
when a surveillance image is searched among passport photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.datasets.embed import EmbedOptions, embed_all, require_finite
from gdrd_lab.datasets.gallery import Enrolment, enrol
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics import identification, retrieval, verification
from gdrd_lab.evaluation.metrics.retrieval import RetrievalResult
from gdrd_lab.evaluation.metrics.verification import AccuracyResult, Roc
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.datasets.pairs import Pairs
    from gdrd_lab.models.recogniser import Recogniser

Array = np.ndarray

# The degradation that leaves a face as it is.
SHARP = Degradation(resolution=None)


@dataclass(frozen=True)
class VerificationResult:
    """What verification measured; ``scores`` and ``genuine`` are (P,) and serve figures."""

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
    """Cosine similarity (P,) of each pair, ``first`` and ``second`` (N, d) holding the embeddings of all faces."""
    a, b = (require_finite(table, "the recogniser") for table in (first, second))
    a, b = a[pairs.first], b[pairs.second]
    return np.einsum("pd,pd->p", a, b, dtype=np.float64)


def verify_embeddings(
    probe: Array, gallery: Array, pairs: Pairs, *, fars: Sequence[float] = (0.01, 0.001), both_ways: bool = False
) -> VerificationResult:
    """Verify pairs of embedded faces: the first of each pair is taken from ``gallery``, the second from ``probe``.

    Args:
        probe: (N, d) unit embeddings of the faces as shown.
        gallery: (N, d) unit embeddings of the same faces as enrolled; ``probe`` again for the same-resolution setting.
        pairs: indices, which are genuine, and folds.
        fars: false accept rates to report a TAR for.
        both_ways: score each pair a second time with the parts exchanged; the 2P comparisons are judged together.
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
    """Identify embedded faces: the enrolled are rows of ``gallery``, the probes rows of ``probe`` (both (N, d))."""
    shown, enrolled = labels[enrolment.probes], labels[enrolment.gallery]
    ranks = identification.ranks(probe[enrolment.probes], shown, gallery[enrolment.gallery], enrolled)
    return IdentificationResult(ranks, shown, len(np.unique(enrolled)))


def embed_both(
    recogniser: Recogniser,
    dataset: FaceDataset,
    degradation: Degradation,
    gallery: Degradation | None = None,
    options: EmbedOptions = EmbedOptions(),
) -> tuple[Array, Array]:
    """Embed the faces as probes and as gallery; ``gallery`` None, or equal to ``degradation``, embeds them once."""
    probe = embed_all(recogniser, dataset, degradation, options)
    if gallery is None or gallery == degradation:
        return probe, probe
    return probe, embed_all(recogniser, dataset, gallery, options)


def verify(
    recogniser: Recogniser,
    dataset: FaceDataset,
    pairs: Pairs,
    degradation: Degradation,
    gallery: Degradation | None = None,
    options: EmbedOptions = EmbedOptions(),
    *,
    fars: Sequence[float] = (0.01, 0.001),
    both_ways: bool = False,
) -> VerificationResult:
    """Verify the pairs of a face set.

    Args:
        recogniser: the network.
        dataset: N faces.
        pairs: see ``verify_embeddings``.
        degradation: of the probes (each pair's second face).
        gallery: of the enrolled faces (each pair's first face): None as the probes, SHARP for a sharp gallery.
        options: how the faces are embedded.
        fars: false accept rates to report a TAR for.
        both_ways: also compare with the parts exchanged.

    Raises:
        GdrdError: no genuine or no impostor pairs, a single fold, or pairs that point outside the set.
    """
    check_pairs(dataset, pairs)
    probe, stored = embed_both(recogniser, dataset, degradation, gallery, options)
    return verify_embeddings(probe, stored, pairs, fars=fars, both_ways=both_ways)


def identify(
    recogniser: Recogniser,
    dataset: FaceDataset,
    degradation: Degradation,
    gallery: Degradation | None = None,
    options: EmbedOptions = EmbedOptions(),
    *,
    enrolment: Enrolment | None = None,
) -> IdentificationResult:
    """Identify every probe among the enrolled; ``enrolment`` None enrols one face of each identity drawn by
    ``options.seed``.

    The other arguments are those of ``verify``.

    Raises:
        GdrdError: an identity has a single face (see ``datasets.gallery.enrol``) or a probe's identity is not enrolled.
    """
    enrolment = enrolment or enrol(dataset.labels, seed=options.seed)
    probe, stored = embed_both(recogniser, dataset, degradation, gallery, options)
    return identify_embeddings(probe, stored, dataset.labels, enrolment)


def retrieve(
    recogniser: Recogniser,
    dataset: FaceDataset,
    degradation: Degradation,
    gallery: Degradation | None = None,
    options: EmbedOptions = EmbedOptions(),
) -> RetrievalResult:
    """Search every face that has another of its identity among all other faces. Arguments are those of ``verify``.

    Raises:
        GdrdError: no identity has two faces, or all faces show one person.
    """
    probe, stored = embed_both(recogniser, dataset, degradation, gallery, options)
    return retrieval.retrieve(probe, stored, dataset.labels)


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

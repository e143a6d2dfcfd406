"""Open-set identification: some probes show people who are not enrolled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.identification import ranks_and_scores
from gdrd_lab.evaluation.metrics.retrieval import scores_in_chunks

Array = np.ndarray


def tpir_at_fpir(
    mated: Array,
    mated_labels: Array,
    non_mated: Array,
    gallery: Array,
    gallery_labels: Array,
    fpirs: Sequence[float] = (0.3, 0.2, 0.1, 0.01),
    rank: int = 20,
    chunk: int = 1024,
) -> Array:
    """Open-set identification: TPIR at each FPIR, (len(fpirs),), in [0, 1].

    FPIR(t) = share of non-mated probes for which some gallery face scores t or more
    TPIR(t) = share of mated probes whose own identity scores t or more and is among the ``rank`` best identities

    The threshold t is the lowest with FPIR(t) at or under the one asked for. An identity's score is its best face's.

    Args:
        mated: (P, d) embeddings of probes whose identity is enrolled.
        mated_labels: (P,) identities.
        non_mated: (U, d) embeddings of probes whose identity is not enrolled.
        gallery: (G, d) embeddings.
        gallery_labels: (G,) identities.
        rank: R; QMUL-SurvFace reports 20.

    Source: Cheng, Zhu and Gong, Surveillance Face Recognition Challenge (arXiv 1804.09691), section 3.
    """
    if not len(non_mated):
        raise GdrdError("Open-set identification needs non-mated probes", "Give probes of people who are not enrolled")
    found, own = ranks_and_scores(mated, mated_labels, gallery, gallery_labels, chunk)
    highest = np.sort(
        np.concatenate([scores.max(axis=1) for _, scores in scores_in_chunks(non_mated, gallery, chunk)])
    )[::-1]
    out = []
    for fpir in fpirs:
        allowed = int(np.floor(fpir * len(highest) + 1e-9))
        # Just above the (allowed + 1)-th highest non-mated score; below everything where all may pass.
        threshold = -np.inf if allowed >= len(highest) else np.nextafter(highest[allowed], np.inf)
        out.append(float(np.mean((found <= rank) & (own >= threshold))))
    return np.array(out)

"""Searching a gallery for probes: average precision, and open-set identification where some probes are strangers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gdrd_lab.errors import GdrdError

Array = np.ndarray


def average_precisions(
    probes: Array, probe_labels: Array, gallery: Array, gallery_labels: Array, chunk: int = 256
) -> Array:
    """Average precision (P,) of each probe's search of the gallery; its mean is TinyFace's mAP.

    AP = 1/R sum_{r relevant} (relevant faces up to r's rank) / (r's rank), ties against the recogniser.

    Args:
        probes: (P, d) unit embeddings.
        probe_labels: (P,) identities, each with a face in the gallery.
        gallery: (G, d) unit embeddings.
        gallery_labels: (G,) identities.
        chunk: probes scored at a time; memory is chunk x G.

    Raises:
        GdrdError: a probe has no face in the gallery.
    """
    probe_labels, gallery_labels = np.asarray(probe_labels), np.asarray(gallery_labels)
    missing = ~np.isin(probe_labels, gallery_labels)
    if missing.any() or not len(probe_labels):
        raise GdrdError(
            f"{int(missing.sum())} of {len(probe_labels)} probes have no face in the gallery", "Enrol each of them"
        )
    out = np.zeros(len(probe_labels))
    for start in range(0, len(out), chunk):
        scores = np.asarray(probes)[start : start + chunk] @ np.asarray(gallery).T
        for place, row in enumerate(scores, start):
            same = gallery_labels == probe_labels[place]
            relevant, others = np.sort(row[same])[::-1], np.sort(row[~same])
            before = len(others) - np.searchsorted(others, relevant, side="left")
            found = np.arange(1, len(relevant) + 1)
            out[place] = np.mean(found / (found + before))
    return out


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

    FPIR(t) = share of strangers for whom some gallery face scores t or more
    TPIR(t) = share of mated probes whose own identity scores t or more and is among the ``rank`` best identities

    The threshold t is the lowest with FPIR(t) at or under the one asked for. An identity's score is its best face's.

    Args:
        mated: (P, d) unit embeddings of probes whose identity is enrolled.
        mated_labels: (P,) identities.
        non_mated: (U, d) unit embeddings of probes of people who are not.
        gallery: (G, d) unit embeddings.
        gallery_labels: (G,) identities.
        fpirs: false positive identification rates.
        rank: R; QMUL-SurvFace reports 20.
        chunk: probes scored at a time.

    Raises:
        GdrdError: there are no strangers, or a mated probe is not enrolled.

    Source: Cheng, Zhu and Gong, Surveillance Face Recognition Challenge (arXiv 1804.09691), section 3.
    """
    from gdrd_lab.evaluation.metrics.identification import ranks

    if not len(non_mated):
        raise GdrdError("Open-set identification needs probes of strangers", "Give unmated probes")
    found = ranks(mated, mated_labels, gallery, gallery_labels) <= rank
    gallery_labels, mated_labels = np.asarray(gallery_labels), np.asarray(mated_labels)
    own = np.zeros(len(found))
    for start in range(0, len(own), chunk):
        scores = np.asarray(mated)[start : start + chunk] @ np.asarray(gallery).T
        same = mated_labels[start : start + chunk, None] == gallery_labels
        own[start : start + chunk] = np.where(same, scores, -np.inf).max(1)
    highest = np.concatenate(
        [(part @ np.asarray(gallery).T).max(1) for part in np.array_split(non_mated, -(-len(non_mated) // chunk))]
    )
    out = []
    for fpir in fpirs:
        allowed = int(np.floor(fpir * len(highest) + 1e-9))
        # Just above the (allowed + 1)-th highest stranger; below everything where all may pass.
        threshold = -np.inf if allowed >= len(highest) else np.nextafter(np.sort(highest)[::-1][allowed], np.inf)
        out.append(float(np.mean(found & (own >= threshold))))
    return np.array(out)

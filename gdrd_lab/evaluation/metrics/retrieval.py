"""Retrieval: put all other faces in order of likeness; faces of the same person should come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gdrd_lab.errors import GdrdError

Array = np.ndarray


@dataclass(frozen=True)
class RetrievalResult:
    """Per-query values: average precision (Q,), rank of the first relevant face (Q,), and the query's index (Q,)."""

    average_precision: Array
    first_rank: Array
    queries: Array

    @property
    def mean_average_precision(self) -> float:
        """Mean average precision over the queries, in [0, 1]."""
        return float(self.average_precision.mean())

    def recall(self, k: int) -> float:
        """Recall@k: share of the queries with at least one relevant face among the ``k`` first."""
        return float(np.mean(self.first_rank <= k))


def retrieve(
    queries: Array, database: Array, labels: Array, *, indices: Sequence[int] | Array | None = None, chunk: int = 256
) -> RetrievalResult:
    """Search each face among all the others; a result is relevant when it shows the same identity.

    AP = 1/R sum_{r relevant} (relevant faces up to r's rank) / (r's rank)

    The face itself is left out of its own result, whatever its resolution in the database. Faces without identity
    (label -1) are in the database but are no queries, and neither are identities with a single face. Ties count
    against the recogniser: an irrelevant face precedes a relevant one of the same score.

    Args:
        queries: (N, d) unit embeddings of the faces as shown (low resolution).
        database: (N, d) unit embeddings of the same faces as stored; the same array for one resolution.
        labels: (N,) identities.
        indices: faces used as queries; None takes all that have a relevant face.
        chunk: queries scored at a time; memory is chunk x N.

    Raises:
        GdrdError: no query has a relevant face, or there is only one identity.
    """
    labels = np.asarray(labels)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    answerable = (counts[codes] > 1) & (labels >= 0)
    chosen = np.flatnonzero(answerable) if indices is None else np.asarray(indices)
    if not len(chosen) or not answerable[chosen].all():
        raise GdrdError(
            "An identity with one image cannot be searched for, or no face has an identity",
            "Give identities with two faces or more",
        )
    if len(counts) < 2:
        raise GdrdError("All faces show one person, so every search succeeds", "Add faces of a second person")
    precision, first = np.zeros(len(chosen)), np.zeros(len(chosen), np.int64)
    for start in range(0, len(chosen), chunk):
        rows = chosen[start : start + chunk]
        scores = np.asarray(queries)[rows] @ np.asarray(database).T
        for i, (row, query) in enumerate(zip(scores, rows, strict=True), start):
            same = labels == labels[query]
            others = np.sort(row[~same])
            same[query] = False
            relevant = np.sort(row[same])[::-1]
            # Irrelevant faces that score at least as much stand before the relevant one.
            before = len(others) - np.searchsorted(others, relevant, side="left")
            place = np.arange(1, len(relevant) + 1)
            rank = place + before
            precision[i], first[i] = np.mean(place / rank), rank[0]
    return RetrievalResult(precision, first, chosen)

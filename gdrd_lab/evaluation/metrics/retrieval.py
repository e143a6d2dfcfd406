"""Retrieval: order all other faces by similarity; faces of the same person should come first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gdrd_lab.datasets.embed import comparable
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


def scores_in_chunks(queries: Array, database: Array, chunk: int = 1024) -> Iterator[tuple[slice, Array]]:
    """Yield the cosines (c, N) of ``chunk`` rows of ``queries`` (Q, d) with ``database`` (N, d), and which rows."""
    queries, database = comparable(queries, database)
    for start in range(0, len(queries), chunk):
        rows = slice(start, start + chunk)
        yield rows, queries[rows] @ database.T


def search(
    queries: Array, query_labels: Array, database: Array, labels: Array, own: Array | None = None, chunk: int = 256
) -> RetrievalResult:
    """Search a database (N, d) for each query (Q, d); a result is relevant when it shows the query's identity.

    AP = 1/R sum_{r relevant} (relevant faces up to r's rank) / (r's rank)

    Ties count against the recogniser: an irrelevant face precedes a relevant one of the same score. ``own`` (Q,) is the
    index of each query's own face in the database, which is left out of its result; None where it has none.
    """
    query_labels, labels = np.asarray(query_labels), np.asarray(labels)
    missing = ~np.isin(query_labels, labels)
    if missing.any() or not len(query_labels):
        what = f"{int(missing.sum())} of {len(query_labels)} probes have no face in the gallery"
        raise GdrdError(what, "Enrol each of them")
    precision, first = np.zeros(len(query_labels)), np.zeros(len(query_labels), np.int64)
    for rows, scores in scores_in_chunks(queries, database, chunk):
        for place, row in enumerate(scores, rows.start):
            same = labels == query_labels[place]
            others = np.sort(row[~same])
            if own is not None:
                same[own[place]] = False
            relevant = np.sort(row[same])[::-1]
            # Irrelevant faces that score at least as much precede the relevant one.
            before = len(others) - np.searchsorted(others, relevant, side="left")
            found = np.arange(1, len(relevant) + 1)
            rank = found + before
            precision[place], first[place] = np.mean(found / rank), rank[0]
    return RetrievalResult(precision, first, np.arange(len(query_labels)) if own is None else own)


def retrieve(
    queries: Array, database: Array, labels: Array, *, indices: Sequence[int] | Array | None = None, chunk: int = 256
) -> RetrievalResult:
    """Search each face of ``queries`` (N, d) among all the others of ``database`` (N, d), see ``search``.

    The face itself is left out of its own result, whatever its resolution in the database. Faces without identity
    (label -1) are in the database but are not queries, and neither are identities with a single face. ``indices``
    chooses the queries; None takes all that have a relevant face.
    """
    labels = np.asarray(labels)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    answerable = (counts[codes] > 1) & (labels >= 0)
    chosen = np.flatnonzero(answerable) if indices is None else np.asarray(indices)
    if not len(chosen) or not answerable[chosen].all():
        what = "An identity with one image cannot be searched for, or no face has an identity"
        raise GdrdError(what, "Give identities with two faces or more")
    if len(counts) < 2:
        raise GdrdError("All faces show one person, so every search succeeds", "Add faces of a second person")
    return search(np.asarray(queries)[chosen], labels[chosen], database, labels, chosen, chunk)

"""Centred kernel alignment: the similarity of two representations of the same faces, of any widths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gdrd_lab.errors import GdrdError


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return the similarity in [0, 1] of two representations of N faces, invariant to rotation and scale of either.

    CKA = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F), with the columns of X and Y centred

    This estimate is biased: with few faces and wide features it is high even for unrelated representations. Compare it
    with a baseline, such as one representation with its faces shuffled.

    Args:
        first: X, (N, p).
        second: Y, (N, q), the same faces in the same order.

    Source: Kornblith et al. (arXiv 1905.00414), section 3.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 8))
        >>> round(linear_cka(x, -2 * x), 6)
        1.0
    """
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or len(first) < 2:
        raise GdrdError(f"Representations {first.shape} and {second.shape}", "Give (N, p) and (N, q) of N >= 2 faces")
    x, y = (np.asarray(a, np.float64) - np.mean(a, axis=0, dtype=np.float64) for a in (first, second))
    # N x N matrices, because features can be far wider than the number of faces.
    k, m = x @ x.T, y @ y.T
    scale = np.linalg.norm(k) * np.linalg.norm(m)
    if not 0 < scale < np.inf:
        raise GdrdError("A representation is not finite, or the same for all faces", "Give finite features that vary")
    return float((k * m).sum() / scale)


def cka_matrix(rows: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """``linear_cka`` of every entry of ``rows`` with every entry of ``columns``: (len(rows), len(columns))."""
    return np.array([[linear_cka(a, b) for b in columns.values()] for a in rows.values()])

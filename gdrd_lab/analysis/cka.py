"""Centred kernel alignment: how alike two representations of the same faces are, whatever their widths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gdrd_lab.errors import GdrdError


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Similarity of two representations of N faces in [0, 1]; turning or scaling either as a whole changes nothing.

    CKA = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F), with the columns of X and Y centred

    The biased estimate: with few faces and wide features it is high even for unrelated ones, so compare it with a
    baseline, such as one representation with its faces shuffled.

    Args:
        first: X, (N, p).
        second: Y, (N, q), the same faces in the same order.

    Source: Kornblith et al. (arXiv 1905.00414), section 3.
    """
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or len(first) < 2:
        raise GdrdError(f"Representations {first.shape} and {second.shape}", "Give (N, p) and (N, q) of N >= 2 faces")
    x, y = (np.asarray(a, np.float64) - np.mean(a, axis=0, dtype=np.float64) for a in (first, second))
    # Through N x N matrices: features may be far wider than there are faces.
    k, m = x @ x.T, y @ y.T
    scale = np.linalg.norm(k) * np.linalg.norm(m)
    if scale == 0:
        raise GdrdError("A representation is the same for all faces", "Give features that vary")
    return float((k * m).sum() / scale)


def cka_matrix(rows: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """``linear_cka`` of every entry of ``rows`` with every entry of ``columns``: (len(rows), len(columns))."""
    return np.array([[linear_cka(a, b) for b in columns.values()] for a in rows.values()])

"""Centred kernel alignment: the similarity of two representations of the same faces, of any widths."""

import numpy as np

from gdrd_lab.errors import GdrdError


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return the similarity in [0, 1] of two representations (N, p), (N, q) of N faces, however rotated and scaled.

    CKA = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F), with the columns of X and Y centred

    The estimate is biased: with few faces and wide features it is high even for unrelated representations. Compare it
    with a baseline, such as one representation with its faces shuffled. Source: Kornblith et al. (arXiv 1905.00414),
    section 3.
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

"""How far can a probe be trusted: a quality score for one face, and the errors that remain as the worst are refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.datasets.embed import embed_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import threshold_at_far
from gdrd_lab.models.recogniser import Recogniser

Array = np.ndarray


def probe_quality(recogniser: Recogniser, faces: Tensor) -> Array:
    """Return how little each face's embedding changes if the crop is mirrored or moved: (N,), at most 1.

    q(x) = mean of cos(e(x_i), e(x_j)) over pairs of copies of x: as it is, mirrored, and moved by 1/16 of its width to
    four sides. A recogniser that sees a face clearly maps the copies to one place.

    Args:
        faces: (N, 3, r, r), RGB in [0, 1].

    Source: SER-FIQ, Terhoerst et al. (arXiv 2003.09373), with copies of the input instead of dropout.
    """
    step = 1 / 8  # in affine_grid's coordinates, which are 2 wide
    rows = []
    for mirror, x, y in ((1, 0, 0), (-1, 0, 0), (1, step, 0), (1, -step, 0), (1, 0, step), (1, 0, -step)):
        theta = torch.tensor([[mirror, 0.0, x], [0.0, 1.0, y]]).to(faces).expand(len(faces), 2, 3)
        grid = F.affine_grid(theta, list(faces.shape), align_corners=False)
        moved = F.grid_sample(faces, grid, mode="bicubic", padding_mode="border", align_corners=False)
        rows.append(embed_faces(recogniser, moved.clamp(0, 1)))
    copies = len(rows)
    length = np.square(np.sum(rows, axis=0)).sum(1)  # sum over all pairs, each twice, and `copies` ones
    return (length - copies) / (copies * (copies - 1))


def error_versus_discard(
    scores: Array, genuine: Array, quality: Array, far: float = 0.01, shares: Sequence[float] = (0, 0.1, 0.2, 0.3, 0.5)
) -> Array:
    """Return the false non-match rate (len(shares),) at one threshold as the pairs of lowest quality are discarded.

    The threshold is that of ``far`` on all pairs; of each share the genuine pairs of lowest quality are left out.

    Args:
        scores: (P,).
        genuine: (P,) bool.
        quality: (P,) quality of each pair, the lower one of its two faces.

    Source: Grother and Tabassi, Performance of biometric quality measures (IEEE TPAMI 2007).
    """
    if not all(0 <= share < 1 for share in shares) or len(quality) != len(scores):
        raise GdrdError("Shares of pairs to discard lie from 0 to below 1, with one quality a pair", "Correct them")
    genuine = np.asarray(genuine, bool)
    rejected = np.asarray(scores)[genuine] < threshold_at_far(scores, genuine, far)
    ordered = rejected[np.argsort(np.asarray(quality)[genuine], kind="stable")]
    return np.array([ordered[int(share * len(ordered)) :].mean() for share in shares])

"""Bicubic resizing of batches of faces."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def downscale(faces: Tensor, size: int) -> Tensor:
    """Reduce faces (N, 3, H, W) in [0, 1] to (N, 3, size, size): bicubic with antialias, clamped to [0, 1]."""
    if faces.shape[-2:] == (size, size):
        return faces
    return F.interpolate(faces, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def resize(faces: Tensor, size: int) -> Tensor:
    """Resize faces (N, 3, H, W) to (N, 3, size, size) by bicubic interpolation, kept in [0, 1]."""
    if faces.shape[-1] > size or faces.shape[-2:] == (size, size):
        return downscale(faces, size)
    return F.interpolate(faces, (size, size), mode="bicubic", align_corners=False).clamp(0, 1)

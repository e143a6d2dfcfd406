"""Bicubic resizing of batches of faces, and their luma."""

from torch import Tensor
from torch.nn import functional as F

LOWEST, HIGHEST = 4, 112  # resolutions that faces are reduced to, in pixels


def downscale(faces: Tensor, resolution: int) -> Tensor:
    """Reduce faces (N, 3, H, W) in [0, 1] to ``resolution``: bicubic with antialias, clamped to [0, 1].

    Example:
        >>> import torch
        >>> downscale(torch.rand(2, 3, 112, 112), 16).shape
        torch.Size([2, 3, 16, 16])
    """
    return _interpolate(faces, resolution, antialias=True)


def resize(faces: Tensor, resolution: int) -> Tensor:
    """Resize faces (N, 3, H, W) in [0, 1] to ``resolution``: bicubic, antialiased if it shrinks, clamped to [0, 1].

    Example:
        >>> import torch
        >>> resize(torch.rand(2, 3, 16, 16), 112).shape
        torch.Size([2, 3, 112, 112])
    """
    return _interpolate(faces, resolution, antialias=faces.shape[-1] > resolution)


def luma(faces: Tensor) -> Tensor:
    """Return the brightness (N, 1, H, W) of RGB faces (N, 3, H, W): 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return (faces * faces.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _interpolate(faces: Tensor, resolution: int, antialias: bool) -> Tensor:
    size = (resolution, resolution)
    if faces.shape[-2:] == size:
        return faces
    return F.interpolate(faces, size, mode="bicubic", antialias=antialias, align_corners=False).clamp(0, 1)

"""Lens, alignment and sampling of the camera model: blur kernels, misalignment, resize kernels."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

KERNEL_RADIUS = 13  # pixels of a 112 px face; three standard deviations of the widest blur in use
# Of the five ArcFace landmarks, in pixels of a 112 px face: their mean, and the square root of the sum of their squared
# distances from it (``alignment.template``).
LANDMARK_CENTRE, LANDMARK_SPREAD = (56.0262, 71.9008), 51.9812


def blur_kernels(sigma: Tensor, anisotropy: Tensor, motion: Tensor, angle: Tensor) -> Tensor:
    """Return point spread functions (N, K, K) that sum to 1: an elliptic Gaussian moved along a line.

    The standard deviations are sigma along ``angle`` and sigma (1 - anisotropy) across it; the line of length
    ``motion`` lies along the angle. All (N,), in pixels. Strengths of 0 leave a single point.
    """
    grid = torch.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1, dtype=sigma.dtype, device=sigma.device)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = grid * cos + grid[:, None] * sin, grid[:, None] * cos - grid * sin
    # Points on the line lie closer together than the Gaussian is wide, so that their sum is smooth.
    points = (torch.arange(25, dtype=sigma.dtype, device=sigma.device) + 0.5) / 25 - 0.5
    offsets = along[:, None] - (points * motion[:, None])[:, :, None, None]
    least = (motion / 25).clamp_min(0.1)
    long = torch.maximum(sigma, least)[:, None, None] ** 2
    short = torch.maximum(sigma * (1 - anisotropy), least)[:, None, None] ** 2
    kernel = torch.exp(-(offsets**2) / (2 * long[:, None])).sum(1) * torch.exp(-(across**2) / (2 * short))
    return kernel / kernel.sum((1, 2), keepdim=True)


def convolve(faces: Tensor, kernels: Tensor) -> Tensor:
    """Convolve each face (N, 3, S, S) with its own kernel (N, K, K); edges are reflected."""
    radius = min(kernels.shape[-1] // 2, faces.shape[-1] - 1)
    crop = kernels.shape[-1] // 2 - radius
    kernels = kernels[:, crop : kernels.shape[-1] - crop, crop : kernels.shape[-1] - crop]
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    padded = F.pad(faces, (radius,) * 4, mode="reflect").transpose(0, 1)
    return F.conv2d(padded, kernels[:, None], groups=len(faces)).transpose(0, 1).contiguous()


def misalign(faces: Tensor, jitter: Tensor, errors: Tensor) -> Tensor:
    """Warp each face as an aligner does whose five landmarks have independent errors.

    Landmark errors of standard deviation j change the least-squares similarity z -> a (z - m) + m + b about the
    landmarks' mean m by b ~ N(0, j^2 / 5) and a - 1 ~ N(0, j^2 / sum |z - m|^2), for each of their two parts.

    Args:
        jitter: j (N,) in pixels of a 112 px face.
        errors: (N, 4) unit Gaussian: both parts of b, both parts of a.
    """
    move = jitter[:, None] * errors[:, :2] / 5**0.5 / 56  # affine_grid's coordinates are 2 wide
    real, imaginary = 1 + jitter * errors[:, 2] / LANDMARK_SPREAD, jitter * errors[:, 3] / LANDMARK_SPREAD
    turn = torch.stack([torch.stack([real, -imaginary], 1), torch.stack([imaginary, real], 1)], 1)
    centre = (torch.tensor(LANDMARK_CENTRE).to(faces) + 0.5) / 56 - 1
    theta = torch.cat([turn, (move + centre - turn @ centre)[:, :, None]], 2)
    grid = F.affine_grid(theta, list(faces.shape), align_corners=False)
    return F.grid_sample(faces, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _interpolate(mode: str, antialias: bool = False) -> Callable[[Tensor, int], Tensor]:
    return lambda faces, size: F.interpolate(faces, (size, size), mode=mode, antialias=antialias)


def _lanczos(faces: Tensor, size: int) -> Tensor:
    """Lanczos with three lobes, separable; source: Turkowski, Filters for common resampling tasks (1990)."""
    before = faces.shape[-1]
    scale = max(1.0, before / size)
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) * before / size - 0.5
    x = (torch.arange(before, dtype=torch.float64) - centre[:, None]) / scale
    weights = torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), torch.zeros_like(x))
    weights = (weights / weights.sum(1, keepdim=True)).to(faces)
    return weights @ faces @ weights.T


RESIZE: dict[str, Callable[[Tensor, int], Tensor]] = {
    "area": _interpolate("area"),
    "bilinear": _interpolate("bilinear", True),
    "bicubic": _interpolate("bicubic", True),
    "lanczos": _lanczos,
    "nearest": _interpolate("nearest-exact"),
}


def sample(faces: Tensor, size: int, detour: Tensor, kernel: Tensor, kernels: tuple[str, ...]) -> Tensor:
    """Reduce each face to ``size`` px with a kernel drawn for it, some by way of a smaller picture (down-up-down).

    Args:
        detour: (N,) share of the way down to size / 2 that is gone and undone first, 0 to 1; 0 has no detour.
        kernel: (N, 2) uniform numbers that choose the kernels of the last and the first reduction.
    """
    out = faces.new_empty(len(faces), 3, size, size)
    last, first = (kernel * len(kernels)).long().clamp_max(len(kernels) - 1).T.tolist()
    before = faces.shape[-1]
    between = (before - detour * (before - max(4, size // 2))).round().long().tolist()
    for index in range(len(faces)):
        face = faces[index : index + 1]
        if between[index] < before:
            face = RESIZE["bilinear"](RESIZE[kernels[first[index]]](face, between[index]), before)
        out[index] = (face if size == before else RESIZE[kernels[last[index]]](face, size))[0].clamp(0, 1)
    return out

"""Light and what stands in front of a face: ramps, directional light with shadows, exposure, tone curves, occlusion."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

# Regions of an ArcFace-aligned face in relative coordinates (left, top, right, bottom), and the tone of what covers it.
OCCLUDERS = {
    "block": ((0.0, 0.0, 1.0, 1.0), 0.5),
    "mask": ((0.12, 0.60, 0.88, 1.0), 0.85),
    "sunglasses": ((0.12, 0.36, 0.88, 0.56), 0.05),
}


def column(values: Tensor) -> Tensor:
    """Return (N,) as (N, 1, 1, 1)."""
    return values[:, None, None, None]


def expose(faces: Tensor, ramp: Tensor, angle: Tensor, stops: Tensor, gamma: Tensor) -> Tensor:
    """Light from one side, exposure and tone curve: ((1 + ramp d) 2^stops x)^(2^gamma), kept in [0, 1].

    d rises from -1 to 1 across the face along ``angle``; ramp, angle (radians), stops and gamma are (N,).
    """
    y, x = (torch.linspace(-1, 1, size, device=faces.device) for size in faces.shape[-2:])
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    light = 1 + ramp[:, None, None] * ((x * cos + y[:, None] * sin) / (cos.abs() + sin.abs()))
    bright = (faces * (light * 2 ** stops[:, None, None])[:, None]).clamp(0, 1)
    return torch.where(column(gamma == 0), bright, bright ** column(2**gamma))


def shade(faces: Tensor, strength: Tensor, direction: Tensor) -> Tensor:
    """Hard light on a face's shape: x (1 - s + s max(0, n . l)), kept in [0, 1].

    n are the normals of an average face (an ellipsoid with a nose), l the unit direction of the light, and n . l is
    divided by its mean, so that the face keeps its brightness as a camera with automatic exposure keeps it.

    Args:
        strength: s (N,), 0 to 1; at 1 what is turned away from the light is black.
        direction: (N, 2), azimuth and elevation of the light in radians; 0 is the camera.
    """
    azimuth, elevation = direction[:, 0], direction[:, 1]
    light = torch.stack([azimuth.sin() * elevation.cos(), -elevation.sin(), azimuth.cos() * elevation.cos()], 1)
    shading = torch.einsum("nc,chw->nhw", light, _normals(faces.shape[-1]).to(faces)).clamp_min(0)
    shading = shading / shading.mean((1, 2), keepdim=True).clamp_min(0.15)
    return (faces * (1 - column(strength) + column(strength) * shading[:, None])).clamp(0, 1)


@lru_cache(maxsize=8)
def _normals(size: int) -> Tensor:
    """Return unit normals (3, size, size) of an average aligned face: x right, y down, z to the camera."""
    at = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(at, at, indexing="ij")
    skull = 0.9 * (1 - (x / 1.05) ** 2 - ((y - 0.1) / 1.25) ** 2).clamp_min(0.02).sqrt()
    nose = 0.28 * torch.exp(-((x / 0.14) ** 2) - ((y - 0.12) / 0.3) ** 2)
    eyes = sum(torch.exp(-(((x - side) / 0.2) ** 2) - ((y + 0.08) / 0.13) ** 2) for side in (-0.32, 0.32))
    down, right = torch.gradient(skull + nose - 0.09 * eyes, spacing=2 / size)
    normals = torch.stack([-right, -down, torch.ones_like(x)])
    return normals / normals.norm(dim=0)


def cover(faces: Tensor, share: Tensor, draw: Tensor, occluders: Sequence[str], place: Tensor) -> Tensor:
    """Cover each face by one of ``occluders``, chosen by ``draw`` (N,) in [0, 1).

    A block is a grey square of ``share`` (N,) of the face's area at ``place`` (N, 2). A mask covers its region from
    below, sunglasses from the middle; ``share`` is the share of that region.
    """
    at = (torch.arange(faces.shape[-1], device=faces.device) + 0.5) / faces.shape[-1]
    boxes, tones = [], []
    for value, number, centre in zip(share.tolist(), draw.tolist(), place.tolist(), strict=True):
        name = occluders[min(int(number * len(occluders)), len(occluders) - 1)]
        (left, top, right, bottom), tone = OCCLUDERS[name]
        if name == "block":
            half = math.sqrt(value) / 2
            x, y = (half + c * (1 - 2 * half) for c in centre)
            left, top, right, bottom = x - half, y - half, x + half, y + half
        elif name == "mask":
            top = bottom - value * (bottom - top)
        else:
            middle, half = (top + bottom) / 2, value * (bottom - top) / 2
            top, bottom = middle - half, middle + half
        boxes.append((left, top, right, bottom))
        tones.append(tone)
    box = torch.tensor(boxes, dtype=faces.dtype, device=faces.device)
    rows = (at > box[:, 1:2]) & (at <= box[:, 3:4])
    columns = (at > box[:, 0:1]) & (at <= box[:, 2:3])
    covered = rows[:, None, :, None] & columns[:, None, None, :] & column(share > 0)
    return torch.where(covered, column(torch.tensor(tones).to(faces)), faces)

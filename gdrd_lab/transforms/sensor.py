"""Sensor and file of the camera model: noise, interlaced rows, JPEG."""

import io

import numpy as np
import torch
from torch import Tensor

from gdrd_lab.transforms.light import column


def sensor_noise(faces: Tensor, shot: Tensor, read: Tensor, noise: Tensor, grey: Tensor) -> Tensor:
    """Add noise of variance shot x + read^2 to each pixel x, kept in [0, 1].

    Args:
        shot: (N,) signal-dependent part.
        read: (N,) standard deviation at black.
        noise: (N, 3, r, r) unit Gaussian.
        grey: (N,) bool: the channels share the first channel's noise.

    Source: Foi et al., Practical Poissonian-Gaussian noise modeling (IEEE TIP 2008).
    """
    noise = torch.where(column(grey), noise[:, :1], noise)
    return (faces + (column(shot) * faces.clamp_min(0) + column(read) ** 2).sqrt() * noise).clamp(0, 1)


def interlace(faces: Tensor, shift: Tensor) -> Tensor:
    """Move every other row sideways by ``shift`` (N,) pixels, as the two fields of a moving face are."""
    moved = torch.roll(faces, 1, dims=-1)
    moved[..., 0] = faces[..., 0]
    odd = (torch.arange(faces.shape[-2], device=faces.device) % 2 == 1)[:, None]
    return torch.where(odd, torch.lerp(faces, moved, column(shift).expand_as(faces)), faces)


def jpeg(faces: Tensor, quality: int) -> Tensor:
    """Compress and decode each face as JPEG at ``quality`` (1 to 95). Not differentiable."""
    from PIL import Image

    decoded = []
    for face in (faces.detach().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(face).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file)))
    stacked = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2)
    return stacked.to(faces.device, faces.dtype) / 255


def compress(faces: Tensor, strength: Tensor) -> Tensor:
    """Compress each face as JPEG of quality 100 - strength (N,); strengths under 1 leave a face as it is."""
    parts = zip(faces.split(1), strength.tolist(), strict=True)
    return torch.cat([face if value < 1 else jpeg(face, max(1, round(100 - value))) for face, value in parts])

"""What a poor camera does to a face: composable, seeded degradations from sharp to very low resolution.

The order follows the light: illumination on the face, something in front of it, optical blur, the sensor's few
pixels, the sensor's noise, and the file's JPEG compression. Every random choice comes from a seed per face, so a face
degrades the same way whatever batch it is in.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.transforms.resize import downscale

LOWEST, HIGHEST = 4, 112


def blur(faces: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with standard deviation ``sigma`` in pixels of the faces given; edges are reflected."""
    if sigma <= 0:
        return faces
    radius = min(math.ceil(3 * sigma), faces.shape[-1] - 1)
    x = torch.arange(-radius, radius + 1, dtype=faces.dtype, device=faces.device)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(faces.shape[1], 1, 1, -1)
    padded = F.pad(faces, (radius, radius, radius, radius), mode="reflect")
    rows = F.conv2d(padded, kernel, groups=faces.shape[1])
    return F.conv2d(rows, kernel.transpose(-1, -2), groups=faces.shape[1])


def illuminate(faces: Tensor, amount: float, directions: Tensor) -> Tensor:
    """Uneven light: multiply by 1 + amount * ramp, the ramp rising from -1 to 1 across the face, then clamp to [0, 1].

    Args:
        faces: (N, 3, H, W) in [0, 1].
        amount: -1 to 1; the strength of the ramp (0 leaves the face alone; negative turns the light around).
        directions: (N,) angle of the light in radians, one per face.
    """
    if amount == 0:
        return faces
    height, width = faces.shape[-2:]
    y = torch.linspace(-1, 1, height, device=faces.device)[:, None]
    x = torch.linspace(-1, 1, width, device=faces.device)[None, :]
    cos, sin = directions.cos()[:, None, None], directions.sin()[:, None, None]
    ramp = (x * cos + y * sin) / (cos.abs() + sin.abs())
    return (faces * (1 + amount * ramp[:, None])).clamp(0, 1)


def occlude(faces: Tensor, share: float, centres: Tensor) -> Tensor:
    """Cover a grey square of ``share`` of the face's area at relative ``centres`` (N, 2) in [0, 1] (x, y)."""
    if share <= 0:
        return faces
    height, width = faces.shape[-2:]
    half = math.sqrt(share) / 2
    # Centres are moved inwards so that the whole square lies on the face and covers the share it says.
    centre = half + centres * (1 - 2 * half)
    y = (torch.arange(height, device=faces.device) + 0.5) / height
    x = (torch.arange(width, device=faces.device) + 0.5) / width
    rows = (y[None] - centre[:, 1:2]).abs() <= half
    columns = (x[None] - centre[:, 0:1]).abs() <= half
    covered = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(covered, torch.full_like(faces, 0.5), faces)


def add_noise(faces: Tensor, sigma: float, unit_noise: Tensor) -> Tensor:
    """Sensor noise: faces + sigma * unit_noise, clamped to [0, 1]; ``sigma`` is in units of the full range."""
    return faces if sigma <= 0 else (faces + sigma * unit_noise).clamp(0, 1)


def jpeg(faces: Tensor, quality: int) -> Tensor:
    """Compress each face as JPEG at ``quality`` (1 to 95) and decode it again. Not differentiable."""
    from PIL import Image

    decoded = []
    for face in (faces.detach().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(face).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file)))
    stacked = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2)
    return stacked.to(faces.device, faces.dtype) / 255


@dataclass(frozen=True)
class Degradation:
    """One reproducible way to degrade aligned faces.

    Args:
        resolution: side in pixels of the result, 4 to 112; None keeps the resolution.
        blur: standard deviation of the optical blur, in pixels of a 112 px face, 0 to 16.
        noise: standard deviation of the sensor noise at the final resolution, 0 to 1 of the full range.
        jpeg: JPEG quality 1 to 95, or None for no compression.
        illumination: strength of a light ramp from a random direction, -1 to 1.
        occlusion: share of the face covered by a grey square at a random place, 0 to 0.9.

    Raises:
        GdrdError: a value is outside its range.
    """

    resolution: int | None = 16
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None
    illumination: float = 0.0
    occlusion: float = 0.0

    def __post_init__(self) -> None:
        """Check every range once, so that a wrong slider or flag is named."""
        ranges: dict[str, tuple[float | None, float, float]] = {
            "resolution": (self.resolution, LOWEST, HIGHEST),
            "blur": (self.blur, 0, 16),
            "noise": (self.noise, 0, 1),
            "jpeg": (self.jpeg, 1, 95),
            "illumination": (self.illumination, -1, 1),
            "occlusion": (self.occlusion, 0, 0.9),
        }
        for name, (value, low, high) in ranges.items():
            if value is not None and not low <= value <= high:
                raise GdrdError(f"{name}={value} is out of range", f"Choose {name} between {low} and {high}")

    def __call__(self, faces: Tensor, seeds: Sequence[int] | Tensor) -> Tensor:
        """Degrade faces.

        Args:
            faces: (N, 3, H, W), RGB in [0, 1].
            seeds: N integers, one per face; a face and its seed give the same result in any batch.

        Returns:
            (N, 3, r, r) in [0, 1] with r = resolution, or the size given when resolution is None.
        """
        if len(seeds) != len(faces):
            raise GdrdError(f"{len(seeds)} seeds for {len(faces)} faces", "Give one seed per face")
        size = self.resolution or faces.shape[-1]
        if self.illumination or self.occlusion or self.noise > 0:
            place, noise = _draw([int(s) for s in seeds], size, faces)
            faces = illuminate(faces, self.illumination, place[:, 0] * 2 * math.pi)
            faces = occlude(faces, self.occlusion, place[:, 1:])
        faces = blur(faces, self.blur * faces.shape[-1] / 112)
        faces = downscale(faces, size)
        if self.noise > 0:
            faces = add_noise(faces, self.noise, noise)
        return faces if self.jpeg is None else jpeg(faces, self.jpeg)

    def describe(self) -> str:
        """Say the degradation in a few words, for tables and titles."""
        words = [f"{self.resolution} px" if self.resolution else "native"]
        words += [
            f"{name} {value:g}"
            for name, value in asdict(self).items()
            if name != "resolution" and value not in (None, 0)
        ]
        return ", ".join(words)


def _draw(seeds: list[int], size: int, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Draw, per face, three uniform numbers (direction, x, y) and unit noise (3, size, size) from its own seed."""
    place, noise = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed % 2**63)
        place.append(torch.rand(3, generator=generator))
        noise.append(torch.randn(3, size, size, generator=generator))
    return torch.stack(place).to(faces), torch.stack(noise).to(faces)

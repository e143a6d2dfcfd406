"""Composable, seeded degradations of faces, from high to very low resolution.

The order is that of image formation: illumination, occlusion, optical blur, sampling, sensor noise, JPEG compression.
Each face has its own seed, so its degradation does not depend on the batch.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import check_ranges
from gdrd_lab.transforms.camera import preset
from gdrd_lab.transforms.light import expose
from gdrd_lab.transforms.resize import HIGHEST, LOWEST, downscale
from gdrd_lab.transforms.sensor import jpeg


def blur(faces: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with standard deviation ``sigma`` in pixels of these faces; edges are reflected."""
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
    """Uneven light: multiply by 1 + amount * ramp, then clamp to [0, 1]; ``amount`` is -1 to 1.

    The ramp rises from -1 to 1 along ``directions`` (N,), in radians.
    """
    if amount == 0:
        return faces
    none = torch.zeros_like(directions)
    return expose(faces, none + amount, directions, none, none)


def occlude(faces: Tensor, share: float, centres: Tensor) -> Tensor:
    """Cover a grey square of ``share`` of the face's area at relative ``centres`` (N, 2) in [0, 1] (x, y)."""
    if share <= 0:
        return faces
    height, width = faces.shape[-2:]
    half = math.sqrt(share) / 2
    # Centres are moved inwards, so that the whole square lies on the face.
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


@dataclass(frozen=True)
class Degradation:
    """A reproducible degradation of aligned faces.

    Args:
        resolution: height and width of the result in pixels, 4 to 112; None keeps the resolution.
        blur: standard deviation of the optical blur, in pixels of a 112 px face, 0 to 16.
        noise: standard deviation of the sensor noise at the final resolution, 0 to 1 of the full range.
        jpeg: JPEG quality 1 to 95, or None for no compression.
        illumination: strength of a light ramp from a random direction, -1 to 1.
        occlusion: share of the face covered by a grey square at a random place, 0 to 0.9.
        camera: preset that takes the small picture, before noise and JPEG: "clean" (bicubic), "webcam", "surveillance",
            or "training" (see ``transforms.camera``).

    Raises:
        GdrdError: a value is outside its range.

    Example:
        >>> Degradation(16, noise=0.05)(torch.rand(2, 3, 112, 112), seeds=[0, 1]).shape
        torch.Size([2, 3, 16, 16])
        >>> Degradation(16, jpeg=60).describe()
        '16 px, jpeg 60'
        >>> Degradation(16, camera="webcam").describe()
        '16 px, webcam camera'
    """

    resolution: int | None = 16
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None
    illumination: float = 0.0
    occlusion: float = 0.0
    camera: str = "clean"

    def __post_init__(self) -> None:
        check_ranges(
            self,
            resolution=(LOWEST, HIGHEST),
            blur=(0.0, 16.0),
            noise=(0.0, 1.0),
            jpeg=(1, 95),
            illumination=(-1.0, 1.0),
            occlusion=(0.0, 0.9),
        )
        preset(self.camera)

    def __call__(self, faces: Tensor, seeds: Sequence[int] | Tensor) -> Tensor:
        """Degrade faces.

        Args:
            faces: (N, 3, H, W), RGB in [0, 1].
            seeds: N integers, one per face; a face and its seed give the same result in any batch.

        Returns:
            (N, 3, r, r) in [0, 1] with r = resolution, or the resolution of ``faces`` if it is None.

        Raises:
            GdrdError: the number of seeds is not N.
        """
        if len(seeds) != len(faces):
            raise GdrdError(f"{len(seeds)} seeds for {len(faces)} faces", "Give one seed per face")
        resolution = faces.shape[-1] if self.resolution is None else self.resolution
        if self.illumination or self.occlusion or self.noise > 0:
            place, noise = _draw([int(s) for s in seeds], resolution, faces)
            faces = illuminate(faces, self.illumination, place[:, 0] * 2 * math.pi)
            faces = occlude(faces, self.occlusion, place[:, 1:])
        faces = blur(faces, self.blur * faces.shape[-1] / 112)
        clean = self.camera == "clean"
        faces = downscale(faces, resolution) if clean else preset(self.camera, resolution)(faces, seeds)
        if self.noise > 0:
            faces = add_noise(faces, self.noise, noise)
        return faces if self.jpeg is None else jpeg(faces, self.jpeg)

    def describe(self) -> str:
        """Return a short text for tables and titles."""
        values = asdict(self)
        resolution, camera = values.pop("resolution"), values.pop("camera")
        changes = [] if camera == "clean" else [f"{camera} camera"]
        changes += [f"{name} {value:g}" for name, value in values.items() if value]
        return ", ".join(["native" if resolution is None else f"{resolution} px", *changes])


def _draw(seeds: list[int], resolution: int, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Draw three uniform numbers (direction, x, y) and unit noise (3, resolution, resolution) for each seed."""
    place, noise = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed % 2**63)
        place.append(torch.rand(3, generator=generator))
        noise.append(torch.randn(3, resolution, resolution, generator=generator))
    return torch.stack(place).to(faces), torch.stack(noise).to(faces)

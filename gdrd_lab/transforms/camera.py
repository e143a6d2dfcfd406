"""What a camera does to a face: light, occlusion, optics, compression, misalignment, sampling, noise and interlacing.

The effects follow the light: illumination and exposure, something in front of the face, the lens and motion, the
compression of the photograph, the error of the alignment, the sensor's few pixels, its noise, interlaced rows, and the
compression of the small image. Each strength is drawn per face from the face's own seed.

Source: Zhang et al., Designing a Practical Degradation Model (BSRGAN, arXiv 2103.14006); Wang et al., Real-ESRGAN
(arXiv 2107.10833).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import check_ranges
from gdrd_lab.transforms.light import OCCLUDERS, column, cover, expose, shade
from gdrd_lab.transforms.optics import RESIZE, blur_kernels, convolve, misalign, sample
from gdrd_lab.transforms.resize import HIGHEST, LOWEST, downscale, luma
from gdrd_lab.transforms.sensor import compress, interlace, sensor_noise

# Largest strength of each effect, in the order of their random numbers.
HIGHEST_STRENGTH = {
    "illumination": 1.0, "shadow": 1.0, "exposure": 4.0, "gamma": 2.0, "occlusion": 0.9, "blur": 8.0,
    "anisotropy": 0.95, "motion": 24.0, "photo_jpeg": 99.0, "jitter": 12.0, "detour": 0.9, "shot_noise": 0.5,
    "read_noise": 0.5, "interlace": 1.0, "jpeg": 99.0, "grey": 1.0,
}  # fmt: skip
SIGNED = ("exposure", "gamma")


@dataclass(frozen=True)
class Strength:
    """The strength of one effect: uniform in [low, high] with ``probability``, otherwise 0.

    Args:
        low: lowest strength.
        high: highest strength.
        probability: of the effect, 0 to 1.
    """

    low: float = 0.0
    high: float = 0.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_ranges(self, probability=(0.0, 1.0), low=(-99.0, self.high))

    def __call__(self, uniform: Tensor) -> Tensor:
        """Return strengths (N,) from uniform numbers (N, 2)."""
        value = self.low + (self.high - self.low) * uniform[:, 0]
        return torch.where(uniform[:, 1] < self.probability, value, torch.zeros_like(value))

    @property
    def off(self) -> bool:
        """Whether the effect never takes place."""
        return self.probability == 0 or (self.low == 0 and self.high == 0)


OFF = Strength()


@dataclass(frozen=True)
class Camera:
    """A distribution of cameras; each face is seen by one of them.

    Args:
        resolution: resolution of the result in pixels, 4 to 112; None keeps that of the face.
        illumination: contrast of a light ramp from a random direction, 0 to 1.
        shadow: hard light on the shape of an average face from a random direction, 0 to 1.
        exposure: change of exposure in stops, -4 to 4.
        gamma: log2 of the exponent of the tone curve, -2 to 2.
        occlusion: share of the face (block) or of its region (mask, sunglasses) that is covered, 0 to 0.9.
        blur: standard deviation of the Gaussian blur in pixels of a 112 px face, 0 to 8.
        anisotropy: 0 for round blur, towards 1 for blur along one random direction.
        motion: length of the motion blur in pixels of a 112 px face, 0 to 24.
        photo_jpeg: 100 minus the JPEG quality of the photograph before the crop, 0 (none) to 99.
        jitter: standard deviation of the landmarks' error in pixels of a 112 px face, 0 to 12.
        detour: down-up-down: how far towards half the result's resolution the face is reduced first, 0 to 0.9.
        shot_noise: a in the variance a x + b^2 of a pixel x, 0 to 0.5.
        read_noise: b, standard deviation of the noise of a black pixel, 0 to 0.5.
        interlace: shift of every other row in pixels of the result, 0 to 1.
        jpeg: 100 minus the JPEG quality of the small image, 0 (none) to 99.
        grey: loss of colour, 0 to 1 (a black-and-white camera).
        grey_noise: probability that the three channels share one noise, 0 to 1.
        occluders: what may cover the face: "block", "mask", "sunglasses".
        untouched: share of faces that are reduced by bicubic interpolation and are otherwise left as they are, 0 to 1.
        kernels: interpolation of the sensor: "area", "bilinear", "bicubic", "lanczos", "nearest".

    Raises:
        GdrdError: a value is outside its range.

    Example:
        >>> import torch
        >>> Camera(16, read_noise=Strength(0.0, 0.05))(torch.rand(2, 3, 112, 112), seeds=[0, 1]).shape
        torch.Size([2, 3, 16, 16])
    """

    resolution: int | None = 16
    illumination: Strength = OFF
    shadow: Strength = OFF
    exposure: Strength = OFF
    gamma: Strength = OFF
    occlusion: Strength = OFF
    blur: Strength = OFF
    anisotropy: Strength = OFF
    motion: Strength = OFF
    photo_jpeg: Strength = OFF
    jitter: Strength = OFF
    detour: Strength = OFF
    shot_noise: Strength = OFF
    read_noise: Strength = OFF
    interlace: Strength = OFF
    jpeg: Strength = OFF
    grey: Strength = OFF
    grey_noise: float = 0.0
    untouched: float = 0.0
    occluders: tuple[str, ...] = tuple(OCCLUDERS)
    kernels: tuple[str, ...] = ("bicubic",)

    def __post_init__(self) -> None:
        check_ranges(self, resolution=(LOWEST, HIGHEST), grey_noise=(0.0, 1.0), untouched=(0.0, 1.0))
        for name, highest in HIGHEST_STRENGTH.items():
            strength, lowest = getattr(self, name), -highest if name in SIGNED else 0.0
            if not lowest <= strength.low <= strength.high <= highest:
                raise GdrdError(f"{name}={strength} is out of range", f"Choose {name} between {lowest} and {highest}")
        for name, known in (("occluders", OCCLUDERS), ("kernels", RESIZE)):
            if not getattr(self, name) or not set(getattr(self, name)) <= set(known):
                raise GdrdError(f"{name}={getattr(self, name)} is unknown", f"Use some of {', '.join(known)}")

    def __call__(self, faces: Tensor, seeds: Sequence[int] | Tensor) -> Tensor:
        """Take a picture of each face (N, 3, S, S), RGB in [0, 1]: (N, 3, r, r) in [0, 1].

        Args:
            seeds: N integers, one per face; a face and its seed give the same result in any batch.
        """
        if len(seeds) != len(faces):
            raise GdrdError(f"{len(seeds)} seeds for {len(faces)} faces", "Give one seed per face")
        size = self.resolution or faces.shape[-1]
        uniform, rest, errors, noise = _draw([int(seed) for seed in seeds], size, faces)
        strength = {name: getattr(self, name)(uniform[:, i]) for i, name in enumerate(HIGHEST_STRENGTH)}
        plain = downscale(faces, size) if self.untouched else faces
        angle, scale = rest[:, 0] * 2 * math.pi, faces.shape[-1] / 112
        if self._has("grey"):
            faces = torch.lerp(faces, luma(faces).expand_as(faces), column(strength["grey"]).expand_as(faces))
        if self._has("shadow"):
            direction = (rest[:, 1:3] - 0.5) * faces.new_tensor([200.0, 100.0]) * math.pi / 180
            faces = shade(faces, strength["shadow"], direction)
        if self._has("illumination", "exposure", "gamma"):
            faces = expose(faces, strength["illumination"], angle, strength["exposure"], strength["gamma"])
        if self._has("occlusion"):
            faces = cover(faces, strength["occlusion"], rest[:, 3], self.occluders, rest[:, 4:6])
        if self._has("blur", "motion"):
            lengths = strength["blur"] * scale, strength["anisotropy"], strength["motion"] * scale
            faces = convolve(faces, blur_kernels(*lengths, angle))
        if self._has("photo_jpeg"):
            faces = compress(faces, strength["photo_jpeg"])
        if self._has("jitter"):
            faces = misalign(faces, strength["jitter"], errors)
        faces = sample(faces, size, strength["detour"], rest[:, 6:8], self.kernels)
        if self._has("shot_noise", "read_noise"):
            grey_noise = rest[:, 8] < self.grey_noise
            faces = sensor_noise(faces, strength["shot_noise"], strength["read_noise"], noise, grey_noise)
        if self._has("interlace"):
            faces = interlace(faces, strength["interlace"])
        if self._has("jpeg"):
            faces = compress(faces, strength["jpeg"])
        return torch.where(column(rest[:, 9] < self.untouched), plain, faces) if self.untouched else faces

    def _has(self, *names: str) -> bool:
        return not all(getattr(self, name).off for name in names)


def _draw(seeds: list[int], size: int, faces: Tensor) -> tuple[Tensor, ...]:
    """Draw by each seed: uniform (N, effects, 2) and (N, 10), unit normal (N, 4) and (N, 3, size, size)."""
    effects, rows = len(HIGHEST_STRENGTH), []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed % 2**63)
        uniform = torch.rand(2 * effects + 10, generator=generator)
        normal = torch.randn(4 + 3 * size * size, generator=generator)
        pairs, rest = uniform[: 2 * effects].reshape(effects, 2), uniform[2 * effects :]
        rows.append((pairs, rest, normal[:4], normal[4:].reshape(3, size, size)))
    return tuple(torch.stack(part).to(faces) for part in zip(*rows, strict=True))


def clean(resolution: int | None = 16) -> Camera:
    """Return the camera of the paper's setting: bicubic reduction and nothing else."""
    return Camera(resolution)


def webcam(resolution: int | None = 16) -> Camera:
    """Return a webcam indoors: uneven light, a soft lens, some noise, moderate compression."""
    return Camera(
        resolution, illumination=Strength(0.0, 0.4), exposure=Strength(-0.7, 0.5), gamma=Strength(-0.2, 0.3),
        blur=Strength(0.5, 2.0), motion=Strength(0.0, 6.0, 0.3), photo_jpeg=Strength(15, 45), jitter=Strength(0.0, 1.5),
        kernels=("area", "bilinear", "bicubic"), shot_noise=Strength(0.0, 0.002), read_noise=Strength(0.0, 0.02),
    )  # fmt: skip


def surveillance(resolution: int | None = 16) -> Camera:
    """Return a surveillance camera: hard light, blur, strong noise, interlacing, compression of the small face."""
    return Camera(
        resolution, illumination=Strength(0.0, 0.7), shadow=Strength(0.0, 0.6, 0.4), exposure=Strength(-0.8, 0.5),
        gamma=Strength(-0.4, 0.4), blur=Strength(1.0, 3.5), anisotropy=Strength(0.0, 0.6, 0.5),
        motion=Strength(0.0, 10.0, 0.5), jitter=Strength(0.0, 3.0), kernels=("area", "bilinear", "bicubic", "nearest"),
        detour=Strength(0.0, 0.6, 0.5), shot_noise=Strength(0.0, 0.006), read_noise=Strength(0.0, 0.04),
        grey=Strength(1.0, 1.0, 0.3), grey_noise=0.4, interlace=Strength(0.0, 1.0, 0.3), jpeg=Strength(20, 75, 0.8),
    )  # fmt: skip


def training(resolution: int | None = 16) -> Camera:
    """Return the random camera of training: each effect sometimes, from nothing to beyond ``surveillance``."""
    return Camera(
        resolution, illumination=Strength(0.0, 0.95, 0.35), exposure=Strength(-1.5, 0.8, 0.3),
        gamma=Strength(-0.6, 0.6, 0.3), occlusion=Strength(0.0, 0.45, 0.2), blur=Strength(0.0, 4.5, 0.4),
        anisotropy=Strength(0.0, 0.8, 0.5), motion=Strength(0.0, 12.0, 0.2), photo_jpeg=Strength(10, 80, 0.1),
        jitter=Strength(0.0, 4.0, 0.4),
        kernels=("area", "bilinear", "bicubic", "bicubic", "bicubic", "lanczos", "nearest"),
        detour=Strength(0.0, 0.6, 0.15), shot_noise=Strength(0.0, 0.02, 0.3), read_noise=Strength(0.0, 0.12, 0.3),
        grey_noise=0.4, interlace=Strength(0.0, 1.0, 0.1), jpeg=Strength(10, 85, 0.3), untouched=0.3,
    )  # fmt: skip


def scene() -> Camera:
    """Return what the teacher sees as well in training: faces without colour, hard light, other tone curves."""
    return Camera(
        None, shadow=Strength(0.0, 1.0, 0.3), exposure=Strength(-1.0, 0.7, 0.2), gamma=Strength(-0.5, 0.5, 0.2),
        grey=Strength(1.0, 1.0, 0.25),
    )  # fmt: skip


PRESETS = {maker.__name__: maker for maker in (clean, webcam, surveillance, training)}


def preset(name: str, resolution: int | None = 16) -> Camera:
    """Return the camera "clean", "webcam", "surveillance" or "training"."""
    if name not in PRESETS:
        raise GdrdError(f"There is no camera {name!r}", f"Use {', '.join(PRESETS)}")
    return PRESETS[name](resolution)


def single(effect: str, strength: float, resolution: int | None = 16) -> Camera:
    """Return a camera with one effect at a fixed strength, for tables and pictures of severities."""
    changes: dict[str, Any] = {effect: Strength(strength, strength)}
    return replace(Camera(resolution), **changes)

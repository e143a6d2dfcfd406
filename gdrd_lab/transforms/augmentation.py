"""Random augmentation of high-resolution faces before they are degraded: mirror, shift, rotation, scale, colour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.io.config import check_ranges


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of a high-resolution face before it is degraded.

    Args:
        flip: mirror half of the faces.
        shift: largest shift along each axis, in pixels of a 112 px face, 0 to 56.
        scale: largest relative change of scale, 0 to 0.9.
        rotate: largest rotation in degrees, 0 to 180.
        colour: largest relative change of contrast, 0 to 1; brightness and each channel change by up to half of it.
    """

    flip: bool = True
    shift: float = 3.0
    scale: float = 0.05
    rotate: float = 5.0
    colour: float = 0.2

    def __post_init__(self) -> None:
        check_ranges(self, shift=(0.0, 56.0), scale=(0.0, 0.9), rotate=(0.0, 180.0), colour=(0.0, 1.0))


def augment(
    faces: Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    rows: Sequence[int] | np.ndarray | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """Mirror, shift, rotate, scale and recolour each of the faces (N, 3, S, S) in [0, 1] at random.

    ``rows`` are the places of the faces within a whole batch of ``batch_size``; None: they are the whole batch.
    """
    count, size = batch_size or len(faces), faces.shape[-1]

    def uniform(largest: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * largest

    angle, zoom = uniform(config.rotate * math.pi / 180), 1 + uniform(config.scale)
    move = torch.stack([uniform(config.shift), uniform(config.shift)], 1) * 2 / 112
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0) if config.flip else torch.ones(count)
    gain, offset = 1 + uniform(config.colour), uniform(config.colour / 2)
    tint = 1 + (torch.rand(count, 3, generator=generator) * 2 - 1) * config.colour / 2
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = mirror * angle.cos() * zoom, -angle.sin() * zoom
    theta[:, 1, 0], theta[:, 1, 1] = mirror * angle.sin() * zoom, angle.cos() * zoom
    theta[:, :, 2] = move
    tint = gain[:, None] * tint
    if rows is not None:
        chosen = torch.as_tensor(np.asarray(rows), dtype=torch.int64)
        theta, tint, offset = theta[chosen], tint[chosen], offset[chosen]
    theta, tint, offset = theta.to(faces), tint.to(faces), offset.to(faces)
    grid = F.affine_grid(theta, [len(faces), 3, size, size], align_corners=False)
    moved = F.grid_sample(faces, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    recoloured = (moved - 0.5) * tint[:, :, None, None] + 0.5 + offset[:, None, None, None]
    return recoloured.clamp(0, 1)

"""Random changes to the sharp face before it is degraded: mirror, shift, rotation, scale and colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class AugmentConfig:
    """Changes to the sharp face before it is degraded: mirror, similarity jitter in pixels of a 112 px face, colour."""

    flip: bool = True
    shift: float = 3.0
    scale: float = 0.05
    rotate: float = 5.0
    colour: float = 0.2


def augment(
    faces: Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    rows: Sequence[int] | np.ndarray | None = None,
    whole: int | None = None,
) -> Tensor:
    """Mirror, move, turn, resize and recolour faces (N, 3, S, S) in [0, 1], each at random.

    Args:
        faces: the faces, or some rows of a batch.
        config: what may change and how much.
        generator: draws for the whole batch.
        rows: which rows of the batch the faces are; all if None.
        whole: size of that batch; N if None.
    """
    count, size = whole or len(faces), faces.shape[-1]

    def spread(width: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * width

    angle, zoom = spread(config.rotate * math.pi / 180), 1 + spread(config.scale)
    move = torch.stack([spread(config.shift), spread(config.shift)], 1) * 2 / 112
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0) if config.flip else torch.ones(count)
    gain, offset = 1 + spread(config.colour), spread(config.colour / 2)
    tint = 1 + (torch.rand(count, 3, generator=generator) * 2 - 1) * config.colour / 2
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = mirror * angle.cos() * zoom, -angle.sin() * zoom
    theta[:, 1, 0], theta[:, 1, 1] = mirror * angle.sin() * zoom, angle.cos() * zoom
    theta[:, :, 2] = move
    tint = gain[:, None] * tint
    if rows is not None:
        chosen = torch.as_tensor(np.asarray(rows), dtype=torch.int64)
        theta, tint, offset = theta[chosen], tint[chosen], offset[chosen]
    grid = F.affine_grid(theta, [len(faces), 3, size, size], align_corners=False)
    moved = F.grid_sample(faces, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    recoloured = (moved - 0.5) * tint[:, :, None, None] + 0.5 + offset[:, None, None, None]
    return recoloured.clamp(0, 1)

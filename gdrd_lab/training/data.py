"""Batches as a pure function of the step: the same faces, augmentation and resolution whenever and wherever it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from gdrd_lab.degradation import downscale
from gdrd_lab.faces.faceset import to_tensor
from gdrd_lab.training.config import AugmentConfig

if TYPE_CHECKING:
    from gdrd_lab.faces.faceset import FaceSet


def step_generator(seed: int, step: int, purpose: int = 0) -> torch.Generator:
    """Return a generator that depends on nothing but the run's seed, the step and what it is for."""
    mixed = np.random.SeedSequence([seed, step, purpose]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 31 | int(mixed[1]))


def step_indices(faces: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Return the indices of the faces of one step: consecutive slices of a fresh permutation every epoch."""
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    out = np.empty(batch_size, np.int64)
    for epoch in np.unique(positions // faces):
        order = np.random.default_rng([seed, int(epoch)]).permutation(faces)
        chosen = positions // faces == epoch
        out[chosen] = order[positions[chosen] % faces]
    return out


def augment(faces: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Mirror, move, turn, resize and recolour faces (N, 3, S, S) in [0, 1], each at random."""
    count, size = len(faces), faces.shape[-1]

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
    grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
    moved = F.grid_sample(faces, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    recoloured = (moved - 0.5) * (gain[:, None] * tint)[:, :, None, None] + 0.5 + offset[:, None, None, None]
    return recoloured.clamp(0, 1)


@dataclass(frozen=True)
class Batch:
    """One step's faces.

    Args:
        sharp: (N, 3, S, S) in [0, 1], augmented.
        low: (N, 3, r, r), the same degraded to the step's resolution r.
        labels: (N,) int64, -1 where no identity is known.
        indices: (N,) int64 into the face set.
        step: the optimiser step, counted over all micro-batches.
    """

    sharp: Tensor
    low: Tensor
    labels: Tensor
    indices: Tensor
    step: int

    def part(self, rows: slice) -> Batch:
        """Return the batch's rows, for one device and micro-batch."""
        return Batch(self.sharp[rows], self.low[rows], self.labels[rows], self.indices[rows], self.step)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        tensors = (self.sharp, self.low, self.labels, self.indices)
        sharp, low, labels, indices = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return Batch(sharp, low, labels, indices, self.step)


class StepBatches(Dataset):
    """Dataset whose item ``step`` is that step's whole Batch."""

    def __init__(
        self,
        faces: FaceSet,
        batch_size: int,
        resolutions: Sequence[int],
        augmentation: AugmentConfig,
        seed: int,
        steps: int,
    ) -> None:
        self.faces, self.batch_size, self.resolutions = faces, batch_size, tuple(resolutions)
        self.augmentation, self.seed, self.steps = augmentation, seed, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        indices = step_indices(len(self.faces), self.batch_size, self.seed, step)
        generator = step_generator(self.seed, step)
        sharp = augment(to_tensor([self.faces[int(i)] for i in indices]), self.augmentation, generator)
        resolution = self.resolutions[int(torch.randint(len(self.resolutions), (), generator=generator))]
        labels = torch.from_numpy(self.faces.labels[indices])
        return Batch(sharp, downscale(sharp, resolution), labels, torch.from_numpy(indices), step)

    def iterate(self, start: int, workers: int) -> Iterator[Batch]:
        """Yield the batches from step ``start`` on, decoded ahead by ``workers`` processes."""
        loader = DataLoader(self, batch_size=None, sampler=range(start, self.steps), num_workers=workers)
        yield from loader

"""Batches as a pure function of the step: the same faces, augmentation and resolution whenever and wherever it runs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from gdrd_lab.datasets.base import FaceDataset, stack, to_tensor
from gdrd_lab.errors import GdrdError
from gdrd_lab.transforms.augmentation import AugmentConfig, augment
from gdrd_lab.transforms.camera import Camera
from gdrd_lab.transforms.resize import downscale

# Purposes of the seeds of cameras and of what a teacher sees, beyond those of ``step_noise``.
CAMERAS, SEEN = 10**6, 10**6 + 1


def _mixed(seed: int, step: int, purpose: int, count: int) -> np.ndarray:
    return np.random.SeedSequence([seed, step, purpose]).generate_state(count)


def step_generator(seed: int, step: int, purpose: int = 0) -> torch.Generator:
    """Return a generator that depends only on the run's seed, the step and its purpose."""
    high, low = _mixed(seed, step, purpose, 2).tolist()
    return torch.Generator().manual_seed(high << 31 | low)


def step_indices(faces: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Return the indices of the faces of one step: consecutive slices of a new permutation in every epoch."""
    epochs, places = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), faces)
    return np.concatenate([_epoch_order(faces, seed, int(e))[places[epochs == e]] for e in np.unique(epochs)])


@lru_cache(maxsize=2)  # A batch can span two epochs; a permutation of 10 million faces takes half a second.
def _epoch_order(faces: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(faces)


def step_noise(seed: int, step: int, rows: Sequence[int], shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return a uniform number in [0, 1) (N,) and unit noise (N, *shape), which depend only on seed, step and row."""
    generators = [step_generator(seed, step, 1 + int(row)) for row in rows]
    numbers = torch.stack([torch.rand((), generator=generator) for generator in generators])
    return numbers, torch.stack([torch.randn(shape, generator=generator) for generator in generators])


@dataclass(frozen=True)
class Batch:
    """One step's faces, or the part of them that one process takes at once."""

    hr: Tensor  # (N, 3, S, S) in [0, 1], augmented
    lr: Tensor  # (N, 3, r, r), the same degraded to the step's resolution r
    labels: Tensor  # (N,) int64, -1 where the identity is unknown
    indices: Tensor  # (N,) int64 into the face set
    step: int  # the optimiser step, counted over all micro-batches
    rows: Tensor  # (N,) int64, places of the faces within the step's whole batch
    # Labelled faces per face here, divided by the same in the whole batch (1 where that is 0). A mean over the labelled
    # faces times this, averaged over equal parts of a batch, is the whole batch's mean.
    labelled_share: float = 1.0

    def part(self, rows: slice) -> "Batch":
        """Return some rows of the batch, for one micro-batch."""
        part = self._map(lambda tensor: tensor[rows])
        here, there = (float((batch.labels >= 0).float().mean()) for batch in (part, self))
        return replace(part, labelled_share=self.labelled_share * (here / there if there else 1.0))

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Return the batch in pinned memory, from which copies to a GPU run asynchronously."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        tensors = {name: function(getattr(self, name)) for name in ("hr", "lr", "labels", "indices", "rows")}
        return replace(self, **tensors)  # type: ignore[arg-type]


@dataclass(eq=False)
class StepBatches:
    """The batches of a training; item ``step`` is the whole Batch of that step."""

    faces: FaceDataset
    batch_size: int
    resolutions: Sequence[int]
    augmentation: AugmentConfig
    seed: int
    steps: int
    scene: Camera | None = None
    camera: Camera | None = None

    def __getitem__(self, step: int) -> Batch:
        return self.part(step, np.arange(self.batch_size))

    def part(self, step: int, rows: np.ndarray) -> Batch:
        """Return some rows of a step's batch; only their faces are read."""
        return self._seen(step, rows, to_tensor(self._stored(step, rows)))

    def _stored(self, step: int, rows: np.ndarray) -> Tensor:
        indices = step_indices(len(self.faces), self.batch_size, self.seed, step)[rows]
        return stack([self.faces[int(index)] for index in indices])

    def _seen(self, step: int, rows: np.ndarray, faces: Tensor) -> Batch:
        """Augment and degrade the faces of some rows, on the device where they are."""
        everyone = step_indices(len(self.faces), self.batch_size, self.seed, step)
        indices, generator = everyone[rows], step_generator(self.seed, step)
        hr = augment(faces, self.augmentation, generator, rows, self.batch_size)
        resolution = self.resolutions[int(torch.randint(len(self.resolutions), (), generator=generator))]
        if self.scene is not None or self.camera is not None:
            seeds = _mixed(self.seed, step, CAMERAS, 2 * self.batch_size).astype(np.int64)
        if self.scene is not None:
            hr = self.scene(hr, seeds[rows])
        if self.camera is None:
            lr = downscale(hr, resolution)
        else:
            lr = replace(self.camera, resolution=resolution)(hr, seeds[self.batch_size + rows])
        labels, known = self.faces.labels[indices], float((self.faces.labels[everyone] >= 0).mean())
        share = float((labels >= 0).mean()) / known if known else 1.0
        tensor = torch.from_numpy
        return Batch(hr, lr, tensor(labels), tensor(indices), step, tensor(rows), share)

    def iterate(
        self, start: int, workers: int, rows: np.ndarray | None = None, device: torch.device | None = None
    ) -> Iterator[Batch]:
        """Yield the batches, or some ``rows`` of each, from step ``start`` on; ``workers`` processes decode ahead.

        A GPU as ``device`` augments the faces itself, unless there are cameras, which are made for CPUs.
        """
        wanted = np.arange(self.batch_size) if rows is None else np.asarray(rows, np.int64)
        where = "cpu" if device is None else device.type
        later = where != "cpu" and self.scene is None and self.camera is None
        loader: DataLoader[Any] = DataLoader(
            range(start, self.steps),  # type: ignore[arg-type]
            batch_size=None,
            collate_fn=partial(self._item, self._stored if later else self.part, rows=wanted),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=where == "cuda",
        )
        for step, item in enumerate(loader, start):
            if isinstance(item, GdrdError):
                raise item
            yield self._seen(step, wanted, to_tensor(item.to(device, non_blocking=True))) if later else item

    @staticmethod
    def _item(read: Callable[[int, np.ndarray], Any], step: int, rows: np.ndarray) -> Any:
        try:
            return read(step, rows)
        except GdrdError as error:
            return error  # DataLoader would make a traceback of many lines of it

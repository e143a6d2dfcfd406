"""Our training loop against a plain PyTorch loop on the same model, batches and optimiser."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.experiments.benchmark.measure import Clock, Row, rows
from gdrd_lab.models.registry import load_model
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.checkpoint import weight_average
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch, StepBatches
from gdrd_lab.training.stages.head import HeadStage
from gdrd_lab.training.trainer import run


class ReadyBatches(StepBatches):
    """Batches made beforehand, so that reading faces is not measured."""

    def iterate(self, start: int, workers: int, rows: np.ndarray | None = None, pin: bool = False) -> Iterator[Batch]:
        """Yield them."""
        yield from self.ready[start:]

    def prepare(self, steps: int) -> None:
        """Make the batches of the first ``steps``."""
        self.ready = [self[step % 4] for step in range(steps)]


def training_rows(batch_size: int, steps: int, repeats: int, clock: Clock = time.perf_counter) -> list[Row]:
    """Milliseconds of a step: a plain loop, the same with torch's EMA, ours with EMA, ours through torch.compile.

    The last needs a C++ compiler and is left out without one. A step is forward, backward, clipping and AdamW; the
    time to compile is in no median step.

    The shipped student, all of it trained, under L_rcd and L_kd. Ours also writes losses.csv and TensorBoard, watches
    for SIGTERM and checks that losses are finite. Checkpoints are not in the step.
    """
    faces = synthetic_faces(identities=30)
    data = ReadyBatches(faces, batch_size, (16,), recipes.smoke().head.augment, seed=0, steps=steps)
    data.prepare(steps)
    cases: dict[str, Callable[[], float]] = {
        "plain loop": lambda: _plain(data, steps, False, clock),
        "plain loop with EMA": lambda: _plain(data, steps, True, clock),
        "ours": lambda: _ours(data, steps, batch_size, False, clock),
    }
    if shutil.which(os.environ.get("CXX", "g++")):  # what torch.compile builds with on a CPU
        cases["ours, compiled"] = lambda: _ours(data, steps, batch_size, True, clock)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, case in cases.items():
            value = case()
            if turn:
                seconds[name].append(value)
    return rows("training step", seconds, "ms")


def _stage(faces: int) -> HeadStage:
    shipped = load_model("student")
    assert isinstance(shipped, Student)
    student = Student(shipped.config)
    torch.manual_seed(0)
    targets = torch.nn.functional.normalize(torch.randn(faces, student.embedding_size), dim=1)
    config = replace(recipes.cpu().head, freeze_backbone=False, weight_cls=0.0)
    return HeadStage(config, student, targets, 0, seed=0)


def _plain(data: ReadyBatches, steps: int, ema: bool, clock: Clock) -> float:
    stage = _stage(len(data.faces))
    stage.train()
    optimizer = torch.optim.AdamW(stage.parameters(), lr=1e-4)
    average = weight_average(stage.trained, 0.999) if ema else None
    times = []
    for batch in data.iterate(0, 0):
        total = torch.stack(list(stage(batch).values())).sum()
        total.backward()
        torch.nn.utils.clip_grad_norm_(stage.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if average is not None:
            average.update_parameters(stage.trained)
        times.append(clock())
    return float(np.median(np.diff(times)))


def _ours(data: ReadyBatches, steps: int, batch_size: int, compiled: bool, clock: Clock) -> float:
    config = LoopConfig(steps, batch_size, 1e-4, checkpoint_every=10**9, checkpoint_minutes=0, compile=compiled)
    with TemporaryDirectory() as folder:
        times: list[float] = []

        class Noted(ReadyBatches):
            def iterate(self, *_: object, **__: object) -> Iterator[Batch]:
                for batch in data.ready:
                    times.append(clock())  # asked for when the step before is over
                    yield batch

        noted = Noted(data.faces, batch_size, (16,), data.augmentation, seed=0, steps=steps)
        run(_stage(len(data.faces)), noted, config, Path(folder), {}, progress=False)
    return float(np.median(np.diff(times)))

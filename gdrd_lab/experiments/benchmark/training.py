"""The cost of training: L_rcd against its naive form, our loop against a plain one, teachers' features kept or not."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.experiments.benchmark.measure import Clock, Row, fixed, memory_rows, rows, side_by_side
from gdrd_lab.losses.relational import RelationalContrastiveLoss
from gdrd_lab.models.diffusion.features import generative_features
from gdrd_lab.models.diffusion.pipeline import load_generative
from gdrd_lab.models.registry import load_model, shipped_generative
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.checkpoint import weight_average
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch, StepBatches
from gdrd_lab.training.stages.head import HeadStage
from gdrd_lab.training.trainer import run
from gdrd_lab.transforms.resize import downscale

LIMIT_MB = 4000


def naive_loss(loss: RelationalContrastiveLoss, student: Tensor, teacher: Tensor) -> Tensor:
    """Return the value of ``loss`` as its formula stands: with a tensor batch^2 x (batch + K) x d."""
    student, teacher = F.normalize(student, dim=1), F.normalize(teacher.detach(), dim=1)
    count = len(student)
    others = student if loss.queue is None else torch.cat([student, loss.queue.contents()[0].to(student)])
    total = len(others)
    first = teacher[:, None, None, :].expand(count, count, total, -1)  # e_i^t
    second = others[None, None].expand(count, count, total, -1)  # e_k^s
    relations = loss.cross_relations(first, second)  # (N, N, N + K, r)
    reference = loss.teacher_relations(teacher[:, None], teacher[None])[:, :, None]  # (N, N, 1, r)
    logits = (reference * relations).sum(-1) / loss.temperature
    i, j, k = (torch.arange(size) for size in (count, count, total))
    pair = i[:, None] != j
    negative = pair[:, :, None] & (k != j[:, None]) & (k != i[:, None, None])
    own = torch.diagonal(logits[:, :, :count], dim1=1, dim2=2)
    positive = (F.softplus(-own) * pair).sum()
    return (positive + (F.softplus(logits) * negative).sum()) / (count * (count - 1))


def relational_rows(shapes: tuple[tuple[int, int, int], ...], repeats: int, clock: Clock) -> list[Row]:
    """Measure loss and gradient of both for each (batch, negatives, embedding size), the naive one up to LIMIT_MB."""
    out = []
    for batch, queue, size in shapes:
        name = f"batch {batch}, queue {queue}, d {size}"
        cases = {f"ours, {name}": prepare(batch, queue, size, False)}
        # Differences, hidden layer, its ReLU and the relations, each batch^2 x (batch + K) x d floats, and gradients.
        if 6 * 4 * batch**2 * (batch + queue) * size / 1e6 < LIMIT_MB:
            cases[f"naive, {name}"] = prepare(batch, queue, size, True)
        out += rows("relational", side_by_side(cases, repeats, clock), "ms")
        calls = {f"{case} memory": (prepare, batch, queue, size, case.startswith("naive")) for case in cases}
        out += memory_rows("relational", calls)
    return out


def prepare(batch: int, queue: int, size: int, naive: bool) -> Callable[[], Tensor]:
    """Return a call that computes the loss and its gradients."""
    torch.manual_seed(0)
    loss = RelationalContrastiveLoss(size, hidden_size=size, relation_size=size, queue_size=queue).eval()
    if loss.queue is not None:
        filled = F.normalize(torch.randn(queue, size), dim=1)
        loss.queue.push(filled, filled)
    student, teacher = torch.randn(batch, size, requires_grad=True), torch.randn(batch, size)

    def call() -> Tensor:
        student.grad = None
        loss.zero_grad()
        value = naive_loss(loss, student, teacher) if naive else loss(student, teacher)
        value.backward()
        return value.detach()

    return call


class ReadyBatches(StepBatches):
    """Batches made beforehand, so that reading faces is not measured; it notes when each is asked for."""

    def prepare(self, steps: int, clock: Clock) -> None:
        """Make the batches of the first ``steps``."""
        self.ready, self.clock = [self[step % 4] for step in range(steps)], clock

    def iterate(self, start: int, workers: int, rows: Any = None, device: Any = None) -> Iterator[Batch]:
        """Yield them."""
        self.times: list[float] = []
        for batch in self.ready[start:]:
            self.times.append(self.clock())  # the step before is over
            yield batch


def training_rows(batch_size: int, steps: int, repeats: int, clock: Clock) -> list[Row]:
    """Milliseconds of a step: a plain loop, the same with torch's EMA, ours with EMA, ours through torch.compile.

    A step is forward, backward, clipping and AdamW of the whole shipped student under L_rcd and L_kd, without
    checkpoints and, in the median, without compilation. Ours also writes losses.csv and TensorBoard, watches for
    SIGTERM and checks that losses are finite. The compiled case needs a C++ compiler and is left out without one.
    """
    faces = synthetic_faces(identities=30)
    data = ReadyBatches(faces, batch_size, (16,), recipes.smoke().head.augment, seed=0, steps=steps)
    data.prepare(steps, clock)
    config = LoopConfig(steps, batch_size, 1e-4, checkpoint_every=10**9, checkpoint_minutes=0)
    cases: dict[str, Callable[[], None]] = {
        "plain loop": lambda: _plain(data, False),
        "plain loop with EMA": lambda: _plain(data, True),
        "ours": lambda: _ours(data, config),
    }
    if shutil.which(os.environ.get("CXX", "g++")):  # what torch.compile builds with on a CPU
        cases["ours, compiled"] = lambda: _ours(data, replace(config, compile=True))
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats + 1):
        for name, case in cases.items():
            case()
            seconds[name].append(float(np.median(np.diff(data.times))))
    return rows("training step", {name: own[1:] for name, own in seconds.items()}, "ms")  # the first round warms up


def _stage(faces: int) -> HeadStage:
    shipped = load_model("student")
    assert isinstance(shipped, Student)
    student = Student(shipped.config)
    torch.manual_seed(0)
    targets = F.normalize(torch.randn(faces, student.embedding_size), dim=1)
    config = replace(recipes.cpu().head, freeze_backbone=False, weight_cls=0.0)
    return HeadStage(config, student, targets, 0, seed=0)


def _plain(data: ReadyBatches, ema: bool) -> None:
    stage = _stage(len(data.faces))
    stage.train()
    optimizer = torch.optim.AdamW(stage.parameters(), lr=1e-4)
    average = weight_average(stage.trained, 0.999) if ema else None
    for batch in data.iterate(0, 0):
        total = torch.stack(list(stage(batch).values())).sum()
        total.backward()
        torch.nn.utils.clip_grad_norm_(stage.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if average is not None:
            average.update_parameters(stage.trained)


def _ours(data: ReadyBatches, config: LoopConfig) -> None:
    with TemporaryDirectory() as folder:
        run(_stage(len(data.faces)), data, config, Path(folder), {}, progress=False)


def target_rows(faces: int, repeats: int, clock: Clock) -> list[Row]:
    """Milliseconds and bytes a face of both teachers' features, computed without gradients or read as float16.

    Read are random rows of a file, as training does, from the system's cache of files: a disk can only be slower.
    """
    held = synthetic_faces(identities=-(-faces // 5), size=112)
    pixels = to_tensor([held[index] for index in range(faces)])
    sface, generative = load_model("sface"), load_generative(shipped_generative())
    lr = downscale(pixels, 16)
    compute: dict[str, Callable[[], Tensor]] = {
        "SFace's embedding": lambda: sface.embed(pixels),
        "generative features, mid_block": lambda: generative_features(generative, lr, block="mid_block"),
    }
    out = []
    for name, call in compute.items():
        with TemporaryDirectory() as folder, torch.inference_mode():
            kept = call().half().numpy()
            path = Path(folder) / "features"
            np.repeat(kept, max(1, 4096 // faces), 0).tofile(path)
            stored = np.memmap(path, np.float16, "r").reshape(-1, *kept.shape[1:])
            chosen = np.random.default_rng(0).integers(0, len(stored), faces)

            def read(stored: Any = stored, chosen: np.ndarray = chosen) -> Tensor:
                return torch.from_numpy(stored[chosen]).float()

            seconds = side_by_side({f"{name}, computed": call, f"{name}, read": read}, repeats, clock)
        out += rows("teacher features", seconds, "ms a face", lambda s: s * 1e3 / faces)
        out.append(fixed("teacher features", f"{name}, kept", kept[0].nbytes, "bytes a face"))
    return out

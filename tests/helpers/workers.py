"""What tests run in processes of their own: a tiny training, and pieces of one, alone or as several over gloo.

The processes are forked from a server that has imported torch already, so that starting or killing one is cheap.
"""

import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from gdrd_lab import distributed
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.relational import RelationalContrastiveLoss
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch, StepBatches
from gdrd_lab.training.preemption import Preempted
from gdrd_lab.training.run import exclusive
from gdrd_lab.training.stages.head import HeadStage
from gdrd_lab.training.trainer import run

LINUX = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
SHAPE = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)
context = multiprocessing.get_context("forkserver")
# Not this module: before Python 3.13 the server does not know the folder of the tests.
context.set_forkserver_preload(["gdrd_lab.training.pipeline", "torch.utils.tensorboard"])


def start(function: Callable[..., None], *arguments: object) -> BaseProcess:
    """Run a function of this module in a new process."""
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def start_several(count: int, function: Callable[..., None], *arguments: object) -> None:
    """Run a function in ``count`` processes that find each other as those of torchrun do, and wait for them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [start(_as_rank, rank, count, port, function, *arguments) for rank in range(count)]
    for process in started:
        process.join(60)
        if process.exitcode is None:
            process.kill()
    assert [process.exitcode for process in started] == [0] * count


def _as_rank(rank: int, count: int, port: int, function: Callable[..., None], *arguments: object) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")
    distributed.init_process_group()
    function(*arguments)
    distributed.destroy_process_group()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, at most a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def hold(folder: Path) -> None:
    """Hold a run's folder until the process is killed."""
    with exclusive(folder):
        (folder / "held").write_text("")
        time.sleep(60)


def share_lock(folder: Path) -> None:
    """Hold a run's folder together with the other processes of the run, twice."""
    for _ in range(2):
        with exclusive(folder):
            assert distributed.all_equal(1)


def raise_error() -> None:
    """Fail as a worker does that meets a damaged face."""
    raise GdrdError("Face 3 is damaged", "Replace it")


def noise_faces() -> ArrayFaces:
    """Twenty faces of noise, most of them labelled."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3] + [-1] * 8)
    return ArrayFaces(pixels, labels, [f"face{i}" for i in range(20)], "noise")


class SlowHead(HeadStage):
    """The head's stage, each step a little slower, so that a process can be killed in any part of one."""

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        time.sleep(0.01)
        return super().forward(batch)


def train(folder: Path, steps: int = 6, slow: bool = False, **changes: object) -> None:
    """Train backbone and head with every loss: synchronised BatchNorm, queue, unlabelled faces; save the weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = replace(recipes.smoke().head, freeze_backbone=False, queue=12, weight_rcd=1.0, weight_cls=1.0)
    targets = torch.nn.functional.normalize(torch.randn(20, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    stage = (SlowHead if slow else HeadStage)(config, Student(SHAPE), targets, 4, seed=0)
    loop = replace(LoopConfig(steps, 8, 1e-3, checkpoint_every=5, ema=0.9), **changes)  # type: ignore[arg-type]
    data = StepBatches(noise_faces(), 8, (8, 16), config.augment, seed=0, steps=steps)
    run(stage, data, loop, folder, {"seed": 0}, progress=False)
    if distributed.rank() == 0:
        torch.save(stage.trained.state_dict(), folder / "final.pt")


def train_until_told(folder: Path, steps: int) -> None:
    """Train slowly, ending with status 143 when SIGTERM comes."""
    try:
        train(folder, steps, slow=True, checkpoint_every=10**6, checkpoint_minutes=0.0)
    except Preempted as stopped:
        (folder / "message").write_text(str(stopped))
        raise


def embeddings(count: int, seed: int) -> torch.Tensor:
    """Random embeddings (count, 8)."""
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def relational_gradients(folder: Path, anchors: int | None) -> None:
    """L_rcd on this process's share of 12 faces, twice with a queue; the mean over processes and gradients to a file.

    The embeddings come from a shared matrix, whose gradient is averaged as DistributedDataParallel would.
    """
    torch.manual_seed(0)
    loss = RelationalContrastiveLoss(8, hidden_size=6, relation_size=5, queue_size=7, anchors=anchors, chunk=2)
    matrix = torch.nn.Parameter(embeddings(8, 3))
    labels = torch.tensor([0, 1, 2, 0, 1, -1, 3, 3, -1, 4, 2, 0])
    share = slice(*(12 * place // distributed.world_size() for place in (distributed.rank(), distributed.rank() + 1)))
    values = []
    for turn in range(2):
        value = loss(embeddings(12, turn)[share] @ matrix, embeddings(12, 10 + turn)[share], labels[share])
        value.backward()
        values.append(distributed.all_reduce_sum(value.detach()) / distributed.world_size())
    learnt = [matrix, *loss.parameters()]
    gradients = [distributed.all_reduce_sum(p.grad) / distributed.world_size() for p in learnt if p.grad is not None]
    if distributed.rank() == 0:
        assert loss.queue is not None
        torch.save([*values, *gradients, loss.queue.student, loss.queue.labels], folder / "gradients.pt")

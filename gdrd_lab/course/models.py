"""The networks of the lessons: trained in a minute or two, interrupted, and kept in the cache folder."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gdrd_lab import __version__
from gdrd_lab.datasets.base import FaceDataset, Subset
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.io.cache import fingerprint
from gdrd_lab.io.paths import cache_folder
from gdrd_lab.machine import keep_freed_memory
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, load_generative
from gdrd_lab.models.registry import shipped_generative
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import pipeline
from gdrd_lab.training.config import BackboneConfig, GenerativeConfig, HeadConfig, LoopConfig, Recipe


def set_up(seed: int = 0) -> None:
    """Prepare this process for a lesson: seed PyTorch, and let the C library keep freed memory, which is faster."""
    torch.manual_seed(seed)
    keep_freed_memory()


def lesson_recipe(generative_steps: int = 200, backbone_steps: int = 80, head_steps: int = 120) -> Recipe:
    """Return a recipe with a UNet and a student that are small enough to learn something in a minute on 2 cores."""

    def loop(steps: int, batch_size: int, learning_rate: float) -> LoopConfig:
        return LoopConfig(steps, batch_size, learning_rate, ema=0.95, checkpoint_every=1_000_000)

    return Recipe(
        generative=GenerativeConfig(loop(generative_steps, 16, 1e-3), channels=(32, 48, 64), resolutions=(16,)),
        backbone=BackboneConfig(loop(backbone_steps, 32, 2e-3), (16,), timestep=999, noise=False),
        head=HeadConfig(loop(head_steps, 32, 2e-3), resolutions=(16,)),
        student=StudentConfig(backbone_channels=(32, 64), backbone_blocks=(1, 2), head_channels=96, head_blocks=1),
    )


def train_generative(
    recipe: Recipe, faces: FaceDataset, *, progress: bool = False
) -> tuple[SuperResolutionPipeline, Path]:
    """Return the lesson's generative teacher and its run's folder; it is trained once and kept."""
    # The other two stages do not change it.
    whole = replace(recipe, backbone=lesson_recipe().backbone, head=lesson_recipe().head)
    out = run_folder("generative", whole, faces)
    _once(out, "generative", lambda: pipeline.train_generative(whole, faces, out, progress))
    return load_generative(out / "generative"), out


def train_backbone(
    recipe: Recipe, faces: FaceDataset, generative: Path | None = None, *, progress: bool = False
) -> tuple[Student, Path]:
    """Return a student after stage 1 and its run's folder; it is trained once and kept. None: the shipped teacher."""
    teacher = generative or shipped_generative()
    out = run_folder("backbone", recipe, faces, teacher)
    _once(out, "backbone", lambda: pipeline.train_backbone(recipe, faces, out, teacher, progress))
    return Student.load(out / "backbone"), out


def run_folder(part: str, recipe: Recipe, faces: FaceDataset, teacher: Path | None = None) -> Path:
    """Return the folder that keeps what a recipe made of these faces and of the weights in the folder ``teacher``."""
    key = fingerprint(__version__, recipe, dataset_fingerprint(faces), teacher)
    return cache_folder() / "course" / f"{part}-{key}"


def losses(out: Path, stage: str) -> dict[str, np.ndarray]:
    """Return losses.csv: step, seconds, and each loss (steps,) without its weight."""
    table = np.genfromtxt(out / "checkpoints" / stage / "losses.csv", delimiter=",", names=True)
    return {name: np.atleast_1d(table[name]).astype(np.float64) for name in table.dtype.names or ()}


def running_mean(values: np.ndarray, width: int = 10) -> np.ndarray:
    """Return the mean of each value and up to ``width`` - 1 values before it: same length."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - width, 0)
    return (sums[end] - sums[start]) / (end - start)


class Interruption(Exception):
    """Stands for whatever ends a training run early."""


class InterruptedFaces(Subset):
    """The same faces as ``faces`` until ``reads`` of them have been read; then each read raises ``Interruption``."""

    def __init__(self, faces: FaceDataset, reads: int) -> None:
        super().__init__(faces, np.arange(len(faces)))
        self.left = reads

    def __getitem__(self, index: int) -> np.ndarray:
        if self.left <= 0:
            raise Interruption("the run was interrupted")
        self.left -= 1
        return super().__getitem__(index)


def _once(out: Path, product: str, train: Callable[[], object]) -> None:
    """Train unless the product is there; an interrupted run starts again from the first step."""
    if not (out / product).is_dir():
        shutil.rmtree(out, ignore_errors=True)
        train()

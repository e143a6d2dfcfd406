"""The networks of the lessons: trained here in a minute or two and kept, or the shipped ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab import __version__
from gdrd_lab.io.config import to_dict
from gdrd_lab.io.paths import cache_folder
from gdrd_lab.models.registry import shipped_generative
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.training.config import BackboneConfig, GenerativeConfig, HeadConfig, LoopConfig, Recipe

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
    from gdrd_lab.models.student.model import Student


def lesson_recipe(generative_steps: int = 200, backbone_steps: int = 80, head_steps: int = 120) -> Recipe:
    """Return a recipe for a lesson: a UNet and a student small enough to learn something in a minute on 2 cores."""

    def loop(steps: int, batch_size: int, learning_rate: float) -> LoopConfig:
        return LoopConfig(steps, batch_size, learning_rate, ema=0.95, checkpoint_every=1_000_000)

    return Recipe(
        generative=GenerativeConfig(loop(generative_steps, 16, 1e-3), channels=(32, 48, 64), resolutions=(16,)),
        backbone=BackboneConfig(loop(backbone_steps, 32, 2e-3), resolutions=(16,)),
        head=HeadConfig(loop(head_steps, 32, 2e-3), resolutions=(16,)),
        student=StudentConfig(backbone_channels=(32, 64), backbone_blocks=(1, 2), head_channels=96, head_blocks=1),
    )


def run_folder(recipe: Recipe, faces: FaceDataset, part: str) -> Path:
    """Return the folder that keeps what a recipe made of these faces: below $GDRD_CACHE, or ~/.cache/gdrd_lab."""
    told = json.dumps(
        [__version__, part, to_dict(recipe), faces.name, len(faces), list(faces.keys)[-1:]], sort_keys=True
    )
    return cache_folder() / "course" / f"{part}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def generative_teacher(
    recipe: Recipe, faces: FaceDataset, *, progress: bool = True
) -> tuple[SuperResolutionPipeline, Path]:
    """Train the lesson's generative teacher, or take the one kept from last time; return it and its run's folder."""
    from gdrd_lab.models.diffusion.pipeline import load_generative
    from gdrd_lab.training.pipeline import train_generative

    whole = replace(recipe, backbone=lesson_recipe().backbone, head=lesson_recipe().head)
    out = run_folder(whole, faces, "generative")
    _once(out, out / "generative", lambda: train_generative(whole, faces, out, progress))
    return load_generative(out / "generative"), out


def stage_one(
    recipe: Recipe, faces: FaceDataset, generative: Path | None = None, *, progress: bool = True
) -> tuple[Student, Path]:
    """Train the lesson's backbone on a generative teacher's features (the shipped one's by default), or take it."""
    from gdrd_lab.models.student.model import Student
    from gdrd_lab.training.pipeline import train_backbone

    out = run_folder(recipe, faces, "backbone")
    teacher = generative or shipped_generative()
    _once(out, out / "backbone", lambda: train_backbone(recipe, faces, out, teacher, progress))
    return Student.load(out / "backbone"), out


def losses(out: Path, stage: str) -> dict[str, np.ndarray]:
    """Return the columns of a stage's losses.csv: step, seconds, and each loss, float64 (steps,)."""
    table = np.genfromtxt(out / "checkpoints" / stage / "losses.csv", delimiter=",", names=True)
    return {name: np.atleast_1d(table[name]).astype(np.float64) for name in table.dtype.names or ()}


def smooth(values: np.ndarray, width: int = 10) -> np.ndarray:
    """Return the running mean of the last ``width`` values, fewer at the start: same length."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - width, 0)
    return (sums[end] - sums[start]) / (end - start)


def _once(out: Path, product: Path, train: Callable[[], object]) -> None:
    """Train unless the product is there; a run that was cut off starts over rather than half-way."""
    if not product.is_dir():
        shutil.rmtree(out, ignore_errors=True)
        train()

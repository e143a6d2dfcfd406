"""The student that stage 2 starts from: stage 1's, a given one of the same or a larger shape, or a pruned teacher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.recogniser import Recogniser, frozen
from gdrd_lab.models.sface import SFace
from gdrd_lab.models.student.config import SeparableConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.student.pruning import Parent, init_from, stems
from gdrd_lab.training.data import StepBatches
from gdrd_lab.training.run import Run
from gdrd_lab.training.stages.stem import StemStage


def continued(run: Run, parent: Student, source: Path) -> Student:
    """Return ``parent`` itself if it has the recipe's shape, or else the recipe's student pruned from it."""
    shape = run.recipe.student
    if parent.config == shape:
        return parent
    if isinstance(shape, SeparableConfig) and isinstance(parent.config, SeparableConfig):
        student, teacher = _new(run), Parent(parent)
        count = init_from(student, teacher, _measured(run))
        if not len(stems(student, teacher, count)[0]):
            return student
    raise GdrdError(f"{source} has another shape than the recipe's student", "Use the recipe that it was trained with")


def pruned_from_teacher(run: Run, teacher: Recogniser, **inputs: str | None) -> Student:
    """Prune a separable student from SFace or ``sface_from`` an assistant; the other layers learn to reproduce it."""
    if not isinstance(run.recipe.student, SeparableConfig):
        raise GdrdError("Only a separable student can be pruned from SFace", "Give the recipe a SeparableConfig")
    if not isinstance(teacher, SFace):
        raise GdrdError(f"Students are pruned from SFace, not from {teacher.name}", "Set init_from_teacher=false")
    torch.manual_seed(run.recipe.seed)
    student = _new(run)
    count = init_from(student, teacher, _measured(run))
    stem, target = stems(student, teacher, count)
    stage = StemStage(student, stem, teacher, target)
    if len(stem) and stage.fits():
        run.train(stage, {}, **inputs)
    return student


def _new(run: Run) -> Student:
    return frozen(Student(run.recipe.student)).requires_grad_(True)


def _measured(run: Run) -> Iterator[Tensor]:
    """Low-resolution faces on which the inputs of layers are measured."""
    stem, seed = run.recipe.stem, run.recipe.seed
    batches = StepBatches(run.faces, stem.loop.batch_size, stem.resolutions, stem.augment, seed, stem.measured)
    return (batch.lr for batch in batches.iterate(0, 0))

"""The student that stage 2 starts from; layers of a pruned one that were not initialised learn SFace's before it."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.recogniser import Recogniser, frozen
from gdrd_lab.models.sface import SFace, preprocess
from gdrd_lab.models.student.config import SeparableConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.student.pruning import Parent, init_from, stems
from gdrd_lab.training.data import Batch, StepBatches
from gdrd_lab.training.run import Run
from gdrd_lab.training.stages.base import Stage


class StemStage(Stage):
    """L = mean over channels of E (f - t)^2 / Var(t), f and t of ``stem`` and the layers of SFace that it replaces."""

    def __init__(self, student: Student, stem: nn.Sequential, sface: SFace, target: nn.Sequential) -> None:
        super().__init__("stem", {"stem": stem}, frozen=[target])
        self._resolutions = student.input_size, sface.input_size

    @torch.no_grad()
    def fits(self) -> bool:
        """Return whether stem and target return maps of the same shape."""
        networks = self.trained["stem"].eval(), self.frozen[0]
        pairs = zip(networks, self._resolutions, strict=True)
        ours, theirs = (network(torch.zeros(1, 3, size, size)).shape for network, size in pairs)
        return bool(ours == theirs)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return {"stem": loss}; predicting the channels' means gives 1."""
        with torch.no_grad():
            target = self.frozen[0](preprocess(batch.lr, self._resolutions[1])).float()
        found = self.trained["stem"](preprocess(batch.lr, self._resolutions[0])).float()
        error = (found - target).square().mean((0, 2, 3))
        return {"stem": (error / target.var((0, 2, 3)).clamp_min(1e-4)).mean()}


def continued(run: Run, parent: Student, source: Path) -> Student:
    """Return ``parent`` itself if it has the recipe's shape, or else the recipe's student pruned from it."""
    shape = run.recipe.student
    if parent.config == shape:
        return parent
    if isinstance(shape, SeparableConfig) and isinstance(parent.config, SeparableConfig):
        student, stem, _ = _pruned(run, Parent(parent))
        if not len(stem):
            return student
    raise GdrdError(f"{source} has another shape than the recipe's student", "Use the recipe that it was trained with")


def pruned_from_teacher(run: Run, teacher: Recogniser, **inputs: str | None) -> Student:
    """Prune a separable student from SFace or ``sface_from`` an assistant; the other layers learn to reproduce it."""
    if not isinstance(run.recipe.student, SeparableConfig):
        raise GdrdError("Only a separable student can be pruned from SFace", "Give the recipe a SeparableConfig")
    if not isinstance(teacher, SFace):
        raise GdrdError(f"Students are pruned from SFace, not from {teacher.name}", "Set init_from_teacher=false")
    student, stem, target = _pruned(run, teacher)
    stage = StemStage(student, stem, teacher, target)
    if len(stem) and stage.fits():
        run.train(stage, {}, **inputs)
    return student


def _pruned(run: Run, teacher: SFace) -> tuple[Student, nn.Sequential, nn.Sequential]:
    """Return the recipe's student, pruned, its first units that were not initialised, and the teacher's there."""
    torch.manual_seed(run.recipe.seed)
    student = frozen(Student(run.recipe.student)).requires_grad_(True)
    stem, seed = run.recipe.stem, run.recipe.seed
    batches = StepBatches(run.faces, stem.loop.batch_size, stem.resolutions, stem.augment, seed, stem.measured)
    count = init_from(student, teacher, (batch.lr for batch in batches.iterate(0, 0)))
    return student, *stems(student, teacher, count)

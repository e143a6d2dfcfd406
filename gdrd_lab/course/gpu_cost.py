"""What a training run costs on GPUs, by arithmetic that is shown line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gdrd_lab.experiments.benchmark.cost import multiply_adds
from gdrd_lab.models.diffusion.pipeline import build_unet
from gdrd_lab.models.student.model import Student
from gdrd_lab.training.config import Recipe


@dataclass(frozen=True)
class Machine:
    """What one GPU does and costs; every value is the reader's to set.

    Args:
        peak: floating-point operations per second at the precision used, from its data sheet.
        utilisation: the share of the peak that training reaches; measure it, 0.2 to 0.5 is common.
        price: per GPU and hour, in any currency.
    """

    peak: float = 312e12
    utilisation: float = 0.3
    price: float = 2.0


@dataclass(frozen=True)
class StageCost:
    """One stage: multiply-adds per face of what learns and of what only runs, and the faces it sees (steps x batch)."""

    name: str
    trained: int
    frozen: int
    faces: int

    @property
    def operations(self) -> float:
        """Floating-point operations: 2 per multiply-add; forward and backward cost three forward passes.

        FLOP = faces * 2 * (3 * trained + frozen)
        """
        return self.faces * 2.0 * (3 * self.trained + self.frozen)

    def hours(self, machine: Machine) -> float:
        """GPU hours = FLOP / (peak * utilisation) / 3600."""
        return self.operations / (machine.peak * machine.utilisation) / 3600

    def arithmetic(self, machine: Machine) -> str:
        """Say the computation in one line."""
        hours, trained, frozen = self.hours(machine), self.trained / 1e6, self.frozen / 1e6
        return (
            f"{self.name}: {self.faces:,} faces x 2 x (3 x {trained:,.0f} M + {frozen:,.0f} M) = "
            f"{self.operations:.2e} FLOP; / ({machine.peak:.3g} x {machine.utilisation:g}) / 3600 = "
            f"{hours:,.1f} GPU hours; x {machine.price:g} = {hours * machine.price:,.0f}"
        )


def costs(recipe: Recipe, resolution: int = 16) -> list[StageCost]:
    """Count the three stages of a recipe; the discriminative teacher's one pass over the sharp faces is left out.

    Args:
        recipe: the run.
        resolution: side of the student's input.
    """
    config = recipe.generative
    side, depth = config.size // config.unshuffle, 6 * config.unshuffle**2
    # On the meta device shapes run through the network without any numbers: a large UNet takes no time and no memory.
    with torch.device("meta"):
        unet = build_unet(config.size, config.channels, config.layers, config.unshuffle)
        generative = multiply_adds(unet, (depth, side, side), 0)
    student = Student(recipe.student)
    backbone = multiply_adds(student.backbone, resolution)
    head = multiply_adds(student.head, (student.backbone.channels, student.backbone.grid, student.backbone.grid))

    def faces(stage: str) -> int:
        loop = getattr(recipe, stage).loop
        return int(loop.steps * loop.batch_size)

    tuned = 0 if recipe.head.freeze_backbone else backbone
    return [
        StageCost("generative teacher", generative, 0, faces("generative")),
        # Features stop at the middle block, so a whole pass of the teacher is an upper bound.
        StageCost("stage 1, backbone", backbone, generative, faces("backbone")),
        StageCost("stage 2, head", head + tuned, backbone - tuned, faces("head")),
    ]


def total_hours(stages: Sequence[StageCost], machine: Machine) -> float:
    """GPU hours of all stages."""
    return sum(stage.hours(machine) for stage in stages)

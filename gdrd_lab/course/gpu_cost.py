"""The GPU hours of a training run, by arithmetic that is shown line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gdrd_lab.experiments.benchmark.cost import multiply_adds
from gdrd_lab.models.diffusion.pipeline import build_unet
from gdrd_lab.models.student.model import Student
from gdrd_lab.training.config import Recipe


@dataclass(frozen=True)
class Gpu:
    """The speed and price of one GPU."""

    peak: float = 312e12  # floating-point operations per second at the precision used, from its data sheet
    utilisation: float = 0.3  # share of the peak that training reaches; measure it, 0.2 to 0.5 is common
    price: float = 2.0  # per GPU and hour, in any currency


@dataclass(frozen=True)
class StageCost:
    """The cost of one stage."""

    name: str
    trained: int  # multiply-adds per face of the layers that are trained
    frozen: int  # multiply-adds per face of the layers that only run forwards
    faces: int  # steps times batch size

    @property
    def operations(self) -> float:
        """FLOP = faces * 2 * (3 * trained + frozen): 2 per multiply-add; forward and backward cost three passes."""
        return self.faces * 2.0 * (3 * self.trained + self.frozen)

    def hours(self, gpu: Gpu) -> float:
        """GPU hours = FLOP / (peak * utilisation) / 3600."""
        return self.operations / (gpu.peak * gpu.utilisation) / 3600

    def arithmetic(self, gpu: Gpu) -> str:
        """Write the computation in one line."""
        hours, trained, frozen = self.hours(gpu), self.trained / 1e6, self.frozen / 1e6
        return (
            f"{self.name}: {self.faces:,} faces x 2 x (3 x {trained:,.0f} M + {frozen:,.0f} M) = "
            f"{self.operations:.2e} FLOP; / ({gpu.peak:.3g} x {gpu.utilisation:g}) / 3600 = "
            f"{hours:,.1f} GPU hours; x {gpu.price:g} = {hours * gpu.price:,.0f}"
        )


def stage_costs(recipe: Recipe, resolution: int = 16) -> list[StageCost]:
    """Count the three stages of a recipe for a student's input of ``resolution`` pixels.

    The discriminative teacher's one pass over the HR faces is left out.
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
    tuned = 0 if recipe.head.freeze_backbone else backbone
    faces = [loop.steps * loop.batch_size for loop in (config.loop, recipe.backbone.loop, recipe.head.loop)]
    return [
        StageCost("generative teacher", generative, 0, faces[0]),
        # Features stop at the middle block, so a whole pass of the teacher is an upper bound.
        StageCost("stage 1, backbone", backbone, generative, faces[1]),
        StageCost("stage 2, head", head + tuned, backbone - tuned, faces[2]),
    ]


def total_hours(stages: Sequence[StageCost], gpu: Gpu) -> float:
    """GPU hours of all stages."""
    return sum(stage.hours(gpu) for stage in stages)

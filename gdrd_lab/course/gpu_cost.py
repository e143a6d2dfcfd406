"""The GPU hours of a training run, by arithmetic that is shown line by line."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from gdrd_lab.experiments.benchmark.cost import multiply_adds
from gdrd_lab.models.diffusion.features import block_features
from gdrd_lab.models.diffusion.pipeline import build_unet
from gdrd_lab.models.student.model import Student
from gdrd_lab.training.config import Recipe


@dataclass(frozen=True)
class Gpu:
    """The speed and price of one GPU."""

    peak: float = 312e12  # floating-point operations per second in bf16, from its data sheet: an A100
    utilisation: float = 0.35  # share of the peak that training reaches; measure it, 0.2 to 0.5 is common
    price: float = 1.5  # per GPU and hour, in any currency
    full_peak: float = 19.5e12  # the same in float32, in which L_rcd is computed
    full_utilisation: float = 0.2


@dataclass(frozen=True)
class StageCost:
    """The cost of one stage."""

    name: str
    trained: int  # multiply-adds per face of the layers that are trained
    frozen: int  # multiply-adds per face of the layers that only run forwards
    faces: int  # steps times batch size
    full_precision: bool = False  # float32 instead of bf16

    @property
    def operations(self) -> float:
        """FLOP = faces * 2 * (3 * trained + frozen): 2 per multiply-add; forward and backward cost three passes."""
        return self.faces * 2.0 * (3 * self.trained + self.frozen)

    def hours(self, gpu: Gpu) -> float:
        """GPU hours = FLOP / (peak * utilisation) / 3600."""
        return self.operations / self.speed(gpu) / 3600

    def speed(self, gpu: Gpu) -> float:
        """FLOP per second = peak * utilisation, at this stage's precision."""
        return gpu.full_peak * gpu.full_utilisation if self.full_precision else gpu.peak * gpu.utilisation

    def arithmetic(self, gpu: Gpu) -> str:
        """Write the computation in one line."""
        hours, trained, frozen = self.hours(gpu), self.trained / 1e6, self.frozen / 1e6
        return (
            f"{self.name}: {self.faces:,} faces x 2 x (3 x {trained:,.0f} M + {frozen:,.0f} M) = "
            f"{self.operations:.2e} FLOP; / {self.speed(gpu):.3g} / 3600 = "
            f"{hours:,.1f} GPU hours; x {gpu.price:g} = {hours * gpu.price:,.0f}"
        )


def stage_costs(recipe: Recipe, resolution: int = 16) -> list[StageCost]:
    """Count the three stages of a recipe for a student's input of ``resolution`` pixels, and L_rcd by itself.

    The discriminative teacher's one pass over the HR faces is left out.
    """
    config = recipe.generative
    side, depth = config.size // config.unshuffle, 6 * config.unshuffle**2
    # On the meta device shapes run through the network without any numbers: a large UNet takes no time and no memory.
    with torch.device("meta"):
        unet = build_unet(config.size, config.channels, config.layers, config.unshuffle)
        to_middle = torch.nn.Sequential(unet)  # whose forward pass ends at the middle block, which stage 1 reads
        to_middle.forward = partial(block_features, unet)  # type: ignore[method-assign]
        generative, encoder = (multiply_adds(part, (depth, side, side), 0) for part in (unet, to_middle))
    student = Student(recipe.student)
    backbone = multiply_adds(student.backbone, resolution)
    head = multiply_adds(student.head, (student.backbone.channels, student.backbone.grid, student.backbone.grid))
    tuned = 0 if recipe.head.freeze_backbone else backbone
    faces = [loop.steps * loop.batch_size for loop in (config.loop, recipe.backbone.loop, recipe.head.loop)]
    # L_rcd of a batch N with a queue K: relations of N anchors to N + K faces, and the products of each with N others.
    batch, size, relation = recipe.head.loop.batch_size, student.embedding_size, recipe.head.relation_size
    rcd = (batch + recipe.head.queue) * (size * relation + batch * relation) if recipe.head.weight_rcd else 0
    return [
        StageCost("generative teacher", generative, 0, faces[0]),
        StageCost("stage 1, backbone", backbone, encoder, faces[1]),
        StageCost("stage 2, networks", head + tuned, backbone - tuned, faces[2]),
        # The backward pass computes the forward pass again, which saves memory: four passes.
        StageCost("stage 2, L_rcd", rcd, rcd, faces[2], full_precision=True),
    ]


def total_hours(stages: Sequence[StageCost], gpu: Gpu) -> float:
    """GPU hours of all stages."""
    return sum(stage.hours(gpu) for stage in stages)

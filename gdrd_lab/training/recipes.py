"""Recipes: named configurations of a whole run, recipes read from JSON files, and changes of single settings.

Example:
    >>> override(cpu(), ["head.loop.steps=3", "seed=1"]).head.loop.steps
    3
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import from_dict, to_dict
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.training.config import BackboneConfig, GenerativeConfig, HeadConfig, LoopConfig, Recipe
from gdrd_lab.transforms.augmentation import AugmentConfig
from gdrd_lab.transforms.camera import scene, training


def smoke() -> Recipe:
    """Return the smallest run through all stages: under 2 minutes on 2 cores; its scores mean nothing."""
    loop = LoopConfig(steps=12, batch_size=16, learning_rate=5e-4, ema=0.9, checkpoint_every=6)
    return Recipe(
        generative=GenerativeConfig(loop=loop, channels=(32, 48, 64), resolutions=(8, 16)),
        backbone=BackboneConfig(loop=loop, resolutions=(8, 16)),
        head=HeadConfig(loop=loop, queue=32, resolutions=(8, 16)),
        student=StudentConfig(backbone_channels=(16, 32), backbone_blocks=(1, 1), head_channels=32, head_blocks=1),
    )


def cpu() -> Recipe:
    """Return a run of some hours on 2 CPU cores."""
    # Not bf16, which few CPUs compute in hardware (CLUSTER.md has the times).
    loop = LoopConfig(steps=4_000, batch_size=64, learning_rate=2e-3, weight_decay=0.05)
    first = LoopConfig(steps=10_000, batch_size=48, learning_rate=4e-4)
    sizes = (8, 8, 10, 12, 14, 16, 16, 16, 20, 24, 32)
    return Recipe(
        generative=GenerativeConfig(first, weight_identity=2.0, weight_align=2.0, assistant_targets=True),
        # At the noise level at which the identity losses train the teacher.
        backbone=BackboneConfig(loop, sizes, timestep=999, noise=False),
        head=HeadConfig(replace(loop, steps=10_000, batch_size=128), sizes),
        student=StudentConfig(backbone_channels=(64, 128, 256), backbone_blocks=(2, 2, 2), head_channels=384),
    )


def best() -> Recipe:
    """Return the best recipe here: a student pruned from the assistant and trained on its embeddings; no stage 1."""
    loop = LoopConfig(steps=4_400, batch_size=64, learning_rate=5e-4, weight_decay=0.05, checkpoint_every=250)
    head = HeadConfig(
        loop, resolutions=(8, 8, 10, 12, 14, 16, 16, 16, 20, 24, 32, 48, 64),
        scene=replace(scene(), untouched=0.6), camera=replace(training(), untouched=0.6),
        augment=AugmentConfig(shift=4.0, scale=0.08, rotate=8.0), freeze_backbone=False, freeze_bn_stats=True,
        weight_rcd=0.0, weight_kd=2.0, weight_assistant=10.0, weight_cls=0.0,
    )  # fmt: skip
    return replace(cpu(), head=head, student=SeparableConfig(), init_from_teacher=True)


def assistant() -> Recipe:
    """Return the recipe of a student of SFace's size for low resolutions, to be a second teacher."""
    start = best()
    loop = replace(start.head.loop, steps=3_000, batch_size=32, learning_rate=3e-4)
    weights = {"weight_kd": 10.0, "weight_crd_memory": 1.0, "weight_assistant": 0.0}
    head = replace(start.head, loop=loop, scene=scene(), camera=training(), function_matching=True, **weights)  # type: ignore[arg-type]
    return replace(start, head=head, student=SeparableConfig.whole())


def paper() -> Recipe:
    """Return a run for GPUs: 112 px generative teacher, wider student, 16 px faces, a memory queue."""
    loop = LoopConfig(steps=100_000, batch_size=512, learning_rate=1e-3, precision="bf16", ema=0.9999, workers=8)
    loop = replace(loop, checkpoint_every=2_000)
    generative = replace(loop, steps=400_000, batch_size=256, learning_rate=1e-4)
    return Recipe(
        generative=GenerativeConfig(generative, size=112, channels=(128, 256, 384, 512), layers=2, unshuffle=2),
        backbone=BackboneConfig(loop, resolutions=(16,)),
        head=HeadConfig(replace(loop, steps=200_000), resolutions=(16,), queue=16_384),
        student=StudentConfig(backbone_channels=(128, 256), backbone_blocks=(3, 4), head_channels=512, head_blocks=3),
    )


def load_recipe(name: str) -> Recipe:
    """Return the recipe called "smoke", "cpu", "best", "assistant" or "paper", or the one in a JSON file."""
    for recipe in (smoke, cpu, best, assistant, paper):
        if name == recipe.__name__:
            return recipe()
    try:
        values = json.loads(Path(name).read_text())
    except (OSError, ValueError) as error:
        known = "smoke, cpu, best, assistant, paper or a JSON file of a recipe"
        raise GdrdError(f"{name!r} is not a recipe ({error})", f"Use {known}") from error
    if not isinstance(values, dict):
        raise GdrdError(f"{name} does not hold a recipe", "Write one with `json.dump(to_dict(recipes.cpu()), file)`")
    return from_dict(Recipe, values)


def override(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Return the recipe with settings changed, each as "name.name=value" with a JSON value."""
    values = to_dict(recipe)
    for change in changes:
        path, separator, text = change.partition("=")
        *groups, last = path.split(".")
        place = values
        for group in groups:
            place = place.get(group) if isinstance(place, dict) else None  # type: ignore[assignment]
        if not separator or not isinstance(place, dict) or last not in place:
            raise GdrdError(f"{change!r} sets nothing", "Write it as head.loop.steps=2000")
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    return from_dict(Recipe, values)

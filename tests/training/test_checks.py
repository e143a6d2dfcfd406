"""Settings and faces that cannot work are refused in one line before the first step of the first stage."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.experiments.ablation import AblationConfig
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.training import pipeline, recipes
from gdrd_lab.training.checks import check_run
from gdrd_lab.training.recipes import override

STAGES = ["generative", "backbone", "head"]


class Teacher:
    name, embedding_size = "flat", 128

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        raise AssertionError("nothing is trained")


def faces(count: int = 16, people: int = 4, size: int = 64, low: int = 0, high: int = 256) -> ArrayFaces:
    pixels = np.random.default_rng(0).integers(low, high, (count, size, size, 3), np.uint8)
    return ArrayFaces(pixels, np.arange(count) % people if people else None, name="drawn")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("head.loop.batch_size=1", "batch_size=1 is out of range"),
        ("head.loop.steps=0", "steps=0"),
        ("head.loop.steps=-1", "steps=-1"),
        ("head.loop.learning_rate=0", "learning_rate=0"),
        ("head.loop.learning_rate=NaN", "learning_rate=nan"),
        ("head.loop.learning_rate=-0.1", "learning_rate=-0.1"),
        ("head.loop.weight_decay=-1", "weight_decay"),
        ("head.loop.weight_decay=Infinity", "weight_decay=inf"),
        ("head.loop.accumulate=0", "accumulate=0"),
        ("head.loop.precision=fp8", "precision=fp8 is unknown"),
        ("head.loop.ema=1.0", "ema=1.0"),
        ("head.loop.clip=0", "clip=0"),
        ("head.loop.checkpoint_every=0", "checkpoint_every=0"),
        ("head.loop.checkpoint_minutes=-1", "checkpoint_minutes"),
        ("head.loop.keep=0", "keep=0"),
        ("head.loop.workers=-1", "workers=-1"),
        ("backbone.resolutions=[]", "resolutions is empty"),
        ("backbone.resolutions=[0]", "resolutions"),
        ("backbone.resolutions=[16.5]", "resolutions"),
        ("backbone.timestep=1000", "timestep=1000"),
        ("backbone.augment.colour=NaN", "colour=nan"),
        ("generative.size=65", "size=65 is not a multiple of 16"),
        ("generative.channels=[]", "multiples of 16"),
        ("generative.channels=[30]", "multiples of 16"),
        ("generative.layers=0", "layers=0"),
        ("generative.min_snr=-1", "min_snr"),
        ("head.weight_kd=-1", "weight_kd=-1"),
        ("head.weight_rcd=NaN", "weight_rcd=nan"),
        ("head.temperature=0", "temperature=0"),
        ("head.queue=-1", "queue=-1"),
        ("head.relation_size=0", "relation_size=0"),
        ("head.freeze_blocks=-1", "freeze_blocks=-1"),
        ("head.resolutions=16", "HeadConfig.resolutions is 16, which is not a list"),
        ("stem.measured=0", "measured=0"),
        ("seed=-1", "seed=-1"),
        ("student.backbone_channels=[]", "0 backbone channels"),
        ("student.head_blocks=0", "head_blocks=0"),
    ],
)
def test_a_setting_out_of_range_is_named(setting: str, says: str) -> None:
    with pytest.raises(GdrdError) as caught:
        override(recipes.smoke(), [setting])
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", ["stem=[1]", "backbone_blocks=[]", "head_blocks=[]", "backbone_blocks=[1]"])
def test_a_separable_shape_that_is_incomplete_is_named(setting: str) -> None:
    with pytest.raises(GdrdError) as caught:
        override(recipes.best(), [f"student.{setting}"])
    assert "\n" not in str(caught.value)


def test_a_head_without_a_loss_and_rkd_of_two_faces_are_refused() -> None:
    with pytest.raises(GdrdError, match="All weights of the head's losses are 0"):
        override(recipes.smoke(), ["head.weight_kd=0", "head.weight_rcd=0", "head.weight_cls=0"])
    with pytest.raises(GdrdError, match="RKD compares three faces"):
        override(recipes.smoke(), ["head.weight_rkd=1", "head.loop.accumulate=8"])


@pytest.mark.parametrize(
    ("settings", "data", "says"),
    [
        ([], faces(0), "no faces"),
        ([], faces(3), "3 faces, fewer than a batch of generative, 16"),
        ([], faces(16, 1), "drawn has 1"),
        (["head.weight_kd=0", "head.weight_rcd=0"], faces(16, 0), "drawn has 0"),
        (["head.resolutions=[200]"], faces(), "head.resolutions holds 200 px, and the faces have 64 px"),
        ([], faces(low=0, high=1), "single colour"),
        (["head.loop.precision=fp16"], faces(), "fp16 needs a GPU"),
        (["head.loop.tracker=wandb"], faces(), "wandb is not installed. Set tracker to one of tensorboard"),
        (["head.loop.tracker=tensorbord"], faces(), "tensorbord is unknown"),
        (["head.loop.accumulate=3"], faces(), "batch of 16 cannot be split into 3 parts"),
        (["head.loop.accumulate=16"], faces(), "micro-batch of one face"),
        (["backbone.block=up_blocks.0"], faces(), "up_blocks.0 is unknown. Use one of down_blocks.0, "),
        (["head.freeze_blocks=2"], faces(), "no 2 first blocks to freeze"),
        (["student.embedding_size=64"], faces(), "embeddings have size 64, those of flat 128"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_stage(
    settings: list[str], data: ArrayFaces, says: str, tmp_path: Path
) -> None:
    if "fp16" in says and torch.accelerator.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(GdrdError) as caught:
        pipeline.train_all(override(recipes.smoke(), settings), data, tmp_path / "run", Teacher(), False)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(GdrdError, match="needs a C"):
        check_run(override(recipes.smoke(), ["head.loop.compile=true"]), faces(), ["head"])


def test_shipped_recipes_fit_enough_faces() -> None:
    for recipe, size in ((recipes.smoke(), 64), (recipes.cpu(), 64), (recipes.paper(), 112)):
        check_run(recipe, faces(512, size=size), STAGES, Teacher())
    check_run(recipes.best(), faces(64), ["stem", "head"], Teacher())


@pytest.mark.parametrize(
    "changes", [{"seeds": ()}, {"seeds": (-1,)}, {"hold_out": math.nan}, {"stage_one": 2.0}, {"timesteps": (1000,)}]
)
def test_the_size_of_an_ablation_is_checked(changes: dict[str, Any]) -> None:
    with pytest.raises(GdrdError):
        replace(AblationConfig.smoke(), **changes)


def test_an_unknown_student_shape_is_a_line() -> None:
    with pytest.raises(GdrdError, match="input_size 40"):
        check_run(replace(recipes.smoke(), student=StudentConfig(input_size=40)), faces(), ["head"])

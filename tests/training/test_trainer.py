"""The loop: bit-exact resume, accumulation, averages, and what each stage trains or leaves frozen."""

import csv
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.classification import ArcFace
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import checkpoint, pipeline, recipes
from gdrd_lab.training.checkpoint import weight_average
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch, StepBatches, step_generator, step_indices
from gdrd_lab.training.stages.backbone import BackboneStage
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.training.stages.diffusion import build_pipeline
from gdrd_lab.training.stages.head import HeadStage
from gdrd_lab.training.trainer import learning_rate_factor, run
from gdrd_lab.transforms.augmentation import AugmentConfig, augment

SHAPE = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)


class Teacher:
    name, embedding_size = "flat", 128

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(pixels.flatten(1)[:, :128] - 0.5, dim=1)


@pytest.fixture(scope="module")
def faces() -> ArrayFaces:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3] + [-1] * 12)
    return ArrayFaces(pixels, labels, [f"face{i}" for i in range(20)], "noise")


class Colour(Stage):
    """A tiny stage: predict the mean colour, with dropout-free BatchNorm so that buffers matter."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.LazyLinear(3)
        )
        layers(torch.rand(2, 3, 8, 8))
        super().__init__("colour", {"net": layers})

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"colour": (self.trained["net"](batch.lr) - batch.hr.mean((2, 3))).square().mean()}


def train(folder: Path, faces: ArrayFaces, steps: int, stop: int | None = None, **changes: object) -> Colour:
    config = replace(LoopConfig(steps=steps, batch_size=8, learning_rate=1e-2, ema=0.9, checkpoint_every=3), **changes)  # type: ignore[arg-type]
    stage = Colour()
    data = StepBatches(faces, 8, (8,), AugmentConfig(), seed=0, steps=stop or steps)
    run(stage, data, config, folder, {"seed": 0}, progress=False)
    return stage


def test_resume_is_bit_exact(faces: ArrayFaces, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", faces, 8)
    train(tmp_path / "parts", faces, 8, stop=5)  # interrupted after step 5; the last checkpoint is at step 3
    resumed = train(tmp_path / "parts", faces, 8)
    for name, value in whole.trained.state_dict().items():
        assert torch.equal(value, resumed.trained.state_dict()[name]), name
    losses = [
        list(csv.reader((tmp_path / part / "losses.csv").read_text().splitlines())) for part in ("whole", "parts")
    ]
    assert [[row[0], row[2]] for row in losses[0]] == [[row[0], row[2]] for row in losses[1]]
    assert [row[0] for row in losses[0][1:]] == [str(step) for step in range(8)]


def test_a_checkpoint_cut_in_half_falls_back_to_the_one_before(faces: ArrayFaces, tmp_path: Path) -> None:
    whole = train(tmp_path / "run", faces, 8)
    newest = checkpoint.checkpoints(tmp_path / "run")[-1] / "weights.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])
    again = train(tmp_path / "run", faces, 8)
    for name, value in whole.trained.state_dict().items():
        assert torch.equal(value, again.trained.state_dict()[name]), name


def test_a_checkpoint_of_another_configuration_is_refused(faces: ArrayFaces, tmp_path: Path) -> None:
    train(tmp_path, faces, 3)
    data = StepBatches(faces, 8, (8,), AugmentConfig(), seed=0, steps=6)
    with pytest.raises(GdrdError, match=r"other inputs or settings \(seed\)"):
        run(Colour(), data, LoopConfig(6, 8, 1e-2), tmp_path, {"seed": 1}, progress=False)


def test_accumulation_splits_the_batch_that_the_user_asked_for(faces: ArrayFaces, tmp_path: Path) -> None:
    with pytest.raises(GdrdError, match="batch of 8 cannot be split"):
        train(tmp_path / "odd", faces, 2, accumulate=3)
    train(tmp_path / "even", faces, 3, accumulate=2)
    assert len((tmp_path / "even" / "losses.csv").read_text().splitlines()) == 4


def test_a_loss_that_is_not_finite_stops_the_run(faces: ArrayFaces, tmp_path: Path) -> None:
    class Broken(Colour):
        def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
            return {"colour": super().forward(batch)["colour"] * float("nan")}

    data = StepBatches(faces, 8, (8,), AugmentConfig(), seed=0, steps=2)
    with pytest.raises(GdrdError, match=r"not finite at step 0.*Lower the learning rate"):
        run(Broken(), data, LoopConfig(2, 8, 1e-2), tmp_path, {}, progress=False)


def test_average_follows_its_formula() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    average, expected = weight_average(layer, 0.9), layer.weight.item()
    for step in range(40):
        layer.weight.data.fill_(float(step))
        average.update_parameters(layer)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)


def test_learning_rate_rises_then_falls() -> None:
    factors = [learning_rate_factor(step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.2) and factors[4] == pytest.approx(1.0)
    assert factors[99] < 0.001 and all(a >= b for a, b in itertools.pairwise(factors[5:]))


def test_every_face_once_per_epoch() -> None:
    seen = np.concatenate([step_indices(20, 8, 0, step) for step in range(5)])
    assert sorted(seen[:20]) == list(range(20)) and sorted(seen[20:]) == list(range(20))
    assert list(seen[:20]) != list(seen[20:])


def test_augmentation_is_seeded_and_off_when_asked(faces: ArrayFaces) -> None:
    pixels = torch.rand(4, 3, 32, 32)
    first = augment(pixels, AugmentConfig(), step_generator(0, 3))
    assert torch.equal(first, augment(pixels, AugmentConfig(), step_generator(0, 3)))
    assert not torch.equal(first, augment(pixels, AugmentConfig(), step_generator(0, 4)))
    still = augment(pixels, AugmentConfig(False, 0, 0, 0, 0), step_generator(0, 3))
    assert torch.allclose(still, pixels, atol=1e-5)


def test_frozen_backbone_keeps_parameters_and_batchnorm_statistics(faces: ArrayFaces, tmp_path: Path) -> None:
    student = Student(SHAPE)
    before = {name: value.clone() for name, value in student.backbone.state_dict().items()}
    head_before = {name: value.clone() for name, value in student.head.state_dict().items()}
    recipe = recipes.smoke()
    targets = torch.nn.functional.normalize(torch.randn(20, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    stage = HeadStage(recipe.head, student, targets, 4, seed=0)
    data = StepBatches(faces, 8, (8, 16), recipe.head.augment, seed=0, steps=3)
    run(stage, data, LoopConfig(3, 8, 1e-2), tmp_path, {}, progress=False)
    for name, value in student.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert any(not torch.equal(value, head_before[name]) for name, value in student.head.state_dict().items())
    assert any("running_mean" in name for name in before)


def test_unfrozen_backbone_is_trained(faces: ArrayFaces, tmp_path: Path) -> None:
    student = Student(SHAPE)
    before = student.backbone.stem[0].weight.clone()
    recipe = replace(recipes.smoke().head, freeze_backbone=False)
    stage = HeadStage(recipe, student, torch.nn.functional.normalize(torch.randn(20, 128), dim=1), 4, seed=0)
    data = StepBatches(faces, 8, (8,), recipe.augment, seed=0, steps=2)
    run(stage, data, LoopConfig(2, 8, 1e-2), tmp_path, {}, progress=False)
    assert not torch.equal(student.backbone.stem[0].weight, before)


def test_backbone_stage_leaves_teacher_and_head_alone_and_lowers_its_loss(faces: ArrayFaces, tmp_path: Path) -> None:
    recipe = recipes.smoke()
    teacher = build_pipeline(recipe.generative)
    teacher.unet.eval().requires_grad_(False)
    student = Student(SHAPE)
    head = {name: value.clone() for name, value in student.head.state_dict().items()}
    unet = {name: value.clone() for name, value in teacher.unet.state_dict().items()}
    stage = BackboneStage(recipe.backbone, student, teacher, seed=0)
    data = StepBatches(faces, 8, (8, 16), recipe.backbone.augment, seed=0, steps=12)
    run(stage, data, LoopConfig(12, 8, 1e-2), tmp_path, {}, progress=False)
    losses = np.loadtxt(tmp_path / "losses.csv", delimiter=",", skiprows=1)[:, 2]
    assert losses[-3:].mean() < losses[:3].mean()
    assert all(torch.equal(value, head[name]) for name, value in student.head.state_dict().items())
    assert all(torch.equal(value, unet[name]) for name, value in teacher.unet.state_dict().items())


def test_the_whole_pipeline_on_a_few_faces(faces: ArrayFaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))

    recipe = recipes.smoke()
    short = {
        stage: replace(getattr(recipe, stage), loop=replace(getattr(recipe, stage).loop, steps=2))
        for stage in ("generative", "backbone", "head")
    }
    recipe = replace(recipe, **short)
    with pytest.raises(GdrdError, match="No generative teacher could be loaded"):
        pipeline.train_backbone(recipe, faces, tmp_path / "run", progress=False)
    student = pipeline.train_all(recipe, faces, tmp_path / "run", Teacher(), progress=False)
    loaded = Student.load(tmp_path / "run" / "student")
    probe = torch.rand(2, 3, 16, 16)
    assert torch.allclose(loaded.embed(probe), student.embed(probe), atol=1e-5)
    other = replace(recipe, student=replace(recipe.student, head_channels=48))
    with pytest.raises(GdrdError, match="another shape"):
        pipeline.train_head(other, faces, tmp_path / "run", Teacher(), progress=False)


def test_runs_start_from_given_weights_and_a_second_teacher(faces: Any, tmp_path: Path) -> None:
    recipe = recipes.smoke()
    still = replace(recipe.generative.loop, steps=1, learning_rate=1e-12, weight_decay=0.0)
    generative = replace(recipe, generative=replace(recipe.generative, loop=still))
    first = pipeline.train_generative(generative, faces, tmp_path / "first", progress=False)
    other_seed = replace(generative, seed=1)
    second = pipeline.train_generative(other_seed, faces, tmp_path / "b", False, tmp_path / "first" / "generative")
    for name, value in first.unet.state_dict().items():
        assert torch.allclose(second.unet.state_dict()[name], value, rtol=0, atol=1e-11), name
    narrow = replace(generative, generative=replace(generative.generative, channels=(16, 32)))
    with pytest.raises(GdrdError, match="another configuration"):
        pipeline.train_generative(narrow, faces, tmp_path / "c", False, tmp_path / "first" / "generative")

    torch.manual_seed(3)
    begun = Student(recipe.student)
    begun.save(tmp_path / "begun")
    torch.manual_seed(4)
    Student(recipe.student).save(tmp_path / "assistant")
    # Given weights replace the pruning of a teacher.
    head = replace(recipe.head, loop=replace(still, learning_rate=1e-3), freeze_bn_stats=True, weight_crd_memory=0.5)
    recipe = replace(recipe, head=replace(head, weight_assistant=2.0), init_from_teacher=True)
    with pytest.raises(GdrdError, match="no assistant"):
        pipeline.train_head(recipe, faces, tmp_path / "run", Teacher(), tmp_path / "begun", progress=False)
    folders = tmp_path / "begun", False, tmp_path / "assistant"
    student = pipeline.train_head(recipe, faces, tmp_path / "run", Teacher(), *folders)
    moved = [(a - b).abs().max() for a, b in zip(student.parameters(), begun.parameters(), strict=True)]
    assert 0 < max(moved) < 0.01
    header, row = (tmp_path / "run" / "checkpoints" / "head" / "losses.csv").read_text().splitlines()
    assert {"kd", "crd_memory", "assistant"} <= set(header.split(","))
    assert 0.2 < float(row.split(",")[header.split(",").index("assistant")]) < 4
    assert json.loads((tmp_path / "run" / "student" / "facts.json").read_text())["start"] == str(tmp_path / "begun")
    idle = replace(recipe, head=replace(recipe.head, weight_assistant=0.0))
    with pytest.raises(GdrdError, match="would teach nothing"):
        pipeline.train_head(idle, faces, tmp_path / "idle", Teacher(), *folders)
    Student(recipe.student).save(tmp_path / "another")
    with pytest.raises(GdrdError, match=r"settings \(assistant\)"):  # another assistant is another run
        pipeline.train_head(recipe, faces, tmp_path / "run", Teacher(), *folders[:2], tmp_path / "another")
    with pytest.raises(GdrdError, match=r"settings \(start\)"):  # another start is another run
        pipeline.train_head(recipe, faces, tmp_path / "run", Teacher(), tmp_path / "assistant", False, folders[2])


def test_stage_one_goes_on_from_a_student(faces: Any, tmp_path: Path) -> None:
    """Its adapter is fitted before the first step, its BatchNorm statistics and head stay, and its record is kept."""
    recipe = recipes.smoke()
    loop = replace(recipe.backbone.loop, steps=2, batch_size=8, learning_rate=1e-4)
    recipe = replace(recipe, backbone=replace(recipe.backbone, loop=loop, freeze_bn_stats=True))
    torch.manual_seed(3)
    begun = Student(recipe.student)
    begun.save(tmp_path / "begun", {"split": {"data": "some"}, "averaged": {"share": 0.5}})
    build_pipeline(recipe.generative).save_pretrained(tmp_path / "generative")
    folders = tmp_path / "generative", False, None, tmp_path / "begun"
    student = pipeline.train_backbone(recipe, faces, tmp_path / "run", *folders)
    plain = pipeline.train_backbone(recipe, faces, tmp_path / "plain", *folders[:2])
    for name, value in begun.state_dict().items():
        found = student.state_dict()[name]
        assert torch.equal(found, value) == (name.startswith("head") or "running" in name or "tracked" in name), name
        assert name.startswith("head") or "running" not in name or torch.equal(plain.state_dict()[name], value), name
    first = [
        float((tmp_path / run / "checkpoints/backbone/losses.csv").read_text().splitlines()[1].split(",")[2])
        for run in ("run", "plain")
    ]
    assert first[0] < 1 < first[1]  # the channels' means give 1
    facts = json.loads((tmp_path / "run" / "backbone" / "facts.json").read_text())
    assert facts["upstream_splits"] == [{"data": "some"}] and "averaged" not in facts
    with pytest.raises(GdrdError, match=r"settings \(start\)"):  # another start is another run
        pipeline.train_backbone(recipe, faces, tmp_path / "run", *folders[:2])
    other = replace(recipe, student=replace(recipe.student, head_channels=48))
    with pytest.raises(GdrdError, match="another shape"):
        pipeline.train_backbone(other, faces, tmp_path / "other", *folders)


@pytest.mark.parametrize("freeze_bn_stats", [True, False])
def test_the_first_blocks_of_a_separable_student_stay_as_they_are(
    faces: Any, tmp_path: Path, freeze_bn_stats: bool
) -> None:
    shape = SeparableConfig(16, (8, 3, 2), ((8, 1), (16, 2), (16, 1)), ((16, 1),), 128)
    torch.manual_seed(3)
    begun = Student(shape)
    begun.save(tmp_path / "begun")
    loop = replace(recipes.smoke().head.loop, steps=2, learning_rate=1e-2)
    options = {"freeze_backbone": False, "freeze_bn_stats": freeze_bn_stats, "freeze_blocks": 2}
    head = replace(recipes.smoke().head, loop=loop, **options)
    recipe = replace(recipes.smoke(), head=head, student=shape)
    student = pipeline.train_head(recipe, faces, tmp_path / "run", Teacher(), tmp_path / "begun", progress=False)
    before, after = begun.state_dict(), student.state_dict()
    first = ("backbone.stem", "backbone.blocks.0", "backbone.blocks.1")
    assert all(torch.equal(value, before[name]) for name, value in after.items() if name.startswith(first))
    learnt = [name for name, _ in student.named_parameters() if not name.startswith(first)]
    assert len(learnt) > 10 and not any(torch.equal(after[name], before[name]) for name in learnt)
    for other in (replace(recipe, head=replace(head, freeze_blocks=4)), replace(recipes.smoke(), head=head)):
        with pytest.raises(GdrdError, match="first blocks to freeze"):
            HeadStage(other.head, Student(other.student), torch.zeros(len(faces), 128), 0, 0)


class Classes(Stage):
    """No BatchNorm, a mean over the faces and one over the labelled faces alone."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        super().__init__("classes", {"net": torch.nn.Linear(192, 4), "classes": ArcFace(4, 4)}, losses=["classes"])

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        out = self.trained["net"](batch.lr.flatten(1))
        return {
            "size": out.square().mean(),
            "cls": self.trained["classes"](out, batch.labels) * batch.labelled_share,
        }


@pytest.mark.parametrize("accumulate", [2, 4, 8])
def test_accumulated_gradients_are_those_of_the_whole_batch(faces: ArrayFaces, tmp_path: Path, accumulate: int) -> None:
    learnt = []
    for parts in (1, accumulate):
        stage = Classes()
        data = StepBatches(faces, 8, (8,), AugmentConfig(), seed=0, steps=5)
        run(stage, data, LoopConfig(5, 8, 1e-3, accumulate=parts, ema=0), tmp_path / str(parts), {}, progress=False)
        learnt.append(stage.trained.state_dict())
    for name, value in learnt[0].items():
        torch.testing.assert_close(value, learnt[1][name], rtol=1e-4, atol=2e-6)
    rows = [np.loadtxt(tmp_path / str(parts) / "losses.csv", delimiter=",", skiprows=1) for parts in (1, accumulate)]
    np.testing.assert_allclose(rows[0][:, 2:], rows[1][:, 2:], rtol=1e-5)


def test_the_run_tells_how_long_it_waited_for_data(faces: ArrayFaces, tmp_path: Path) -> None:
    class Slow(ArrayFaces):
        def __getitem__(self, index: int) -> np.ndarray:
            time.sleep(0.005)
            return super().__getitem__(index)

    slow = Slow(faces.images, faces.labels, faces.keys, "slow")
    stage, data = Colour(), StepBatches(slow, 8, (8,), AugmentConfig(), seed=0, steps=4)
    timing = run(stage, data, LoopConfig(4, 8, 1e-2), tmp_path, {}, progress=False)
    assert timing.steps == 4 and 4 * 8 * 0.005 <= timing.waited <= timing.seconds
    assert timing.data_share == timing.waited / timing.seconds

"""The start of a separable student from SFace."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.sface import BLOCKS, SFace, load_sface, separable_block
from gdrd_lab.models.student.config import SeparableConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.student.pruning import (
    Parent,
    Statistics,
    choose_channels,
    init_from,
    input_statistics,
    reduce_pointwise,
    sface_from,
    stems,
    units_of,
)
from gdrd_lab.training import recipes
from gdrd_lab.training.data import Batch
from gdrd_lab.training.pipeline import train_head
from gdrd_lab.training.recipes import override
from gdrd_lab.training.stages.stem import StemStage
from gdrd_lab.transforms.resize import downscale


@pytest.fixture(scope="module")
def sface() -> SFace:
    return load_sface()


@pytest.fixture(scope="module")
def lr() -> Tensor:
    faces = synthetic_faces(identities=24, per_identity=1)
    return downscale(to_tensor([faces[index] for index in range(24)]), 16)


def started(config: SeparableConfig, sface: SFace, *batches: Tensor) -> tuple[Student, int]:
    student = Student(config).eval().requires_grad_(False)
    return student, init_from(student, sface, batches)


def test_whole_shape_is_sface(sface: SFace, lr: Tensor) -> None:
    student, copied = started(SeparableConfig.whole(), sface)
    assert copied == 27
    assert torch.allclose(student.embed(lr), sface.embed(lr), atol=1e-5)


def test_full_rank_factors_are_sface(sface: SFace, lr: Tensor) -> None:
    blocks = [(width, stride, rank) for (width, stride), rank in zip(BLOCKS[11:], (512, 1024), strict=True)]
    config = SeparableConfig(112, (32, 3, 1), BLOCKS[:11], tuple(blocks))
    student, copied = started(config, sface, lr)
    assert copied == 27
    assert F.cosine_similarity(student.embed(lr), sface.embed(lr)).min() > 0.999


def test_reduced_rank_leaves_the_least_error_there_is() -> None:
    torch.manual_seed(0)
    source = separable_block(12, 10, 1)[1].eval()
    source[1].weight.data.uniform_(0.5, 2)
    source[1].running_mean.normal_()
    reads = (torch.randn(4000, 12, dtype=torch.float64) @ torch.randn(12, 12, dtype=torch.float64)) + 3
    centred = reads - reads.mean(0)
    statistics = Statistics(reads.mean(0), centred.T @ centred / len(reads))
    unit = separable_block(12, 10, 1, 4)[1].eval()
    reduce_pointwise(unit, source, statistics, torch.arange(12), torch.arange(10))
    maps = reads.float()[:, :, None, None]
    ours, theirs = (part[1](part[0](maps))[:, :, 0, 0].double() for part in (unit, source))
    error = (ours - theirs).square().sum(1).mean()
    # Eckart and Young: what is left are the smallest eigenvalues of the output's covariance.
    values = torch.linalg.eigvalsh(torch.cov(theirs.T, correction=0))
    assert error.item() == pytest.approx(values[:6].sum().item(), rel=1e-3)
    assert (ours - theirs).mean(0).abs().max() < 1e-4


def test_kept_channels_tell_what_the_others_repeat() -> None:
    torch.manual_seed(0)
    two = torch.randn(500, 2, dtype=torch.float64)
    reads = two[:, [0, 0, 1, 1, 0]] + 0.01 * torch.randn(500, 5, dtype=torch.float64)
    unit = nn.Sequential(nn.Conv2d(5, 3, 1, bias=False), nn.BatchNorm2d(3), nn.PReLU(3))
    kept = choose_channels(unit, Statistics(reads.mean(0), torch.cov(reads.T)), 2).tolist()
    assert kept == sorted(kept)
    assert {channel in (2, 3) for channel in kept} == {True, False}


def test_statistics_are_those_of_the_inputs(sface: SFace, lr: Tensor) -> None:
    read: list[Tensor] = []
    with sface.blocks[12][1].register_forward_pre_hook(lambda _, values: read.append(values[0])):  # type: ignore[index]
        measured = input_statistics(sface, [lr[:8]])[12]
    values = read[0].permute(0, 2, 3, 1).reshape(-1, 1024).double()
    assert torch.allclose(measured.mean, values.mean(0), atol=1e-6)
    assert torch.allclose(measured.covariance, torch.cov(values.T, correction=0), atol=1e-5)


def test_quarter_of_the_cost_keeps_most_of_sface(sface: SFace, lr: Tensor) -> None:
    student, copied = started(SeparableConfig(), sface, lr)
    assert copied == 15
    stem, target = stems(student, sface, copied)
    assert len(stem) == 4
    assert len(target) == 12
    rest = units_of(student.backbone.stem, *student.backbone.blocks, *student.head.blocks)[len(stem) :]
    maps = target((F.interpolate(lr, (112, 112), mode="bicubic", antialias=True).clamp(0, 1) * 255 - 127.5) / 128)
    head = student.head
    ours = head.embedding_norm(head.linear(head.norm(nn.Sequential(*rest)(maps)).flatten(1)))
    assert F.cosine_similarity(ours, sface(lr)).mean() > 0.6


def test_stem_learns_where_the_grids_agree(sface: SFace, lr: Tensor) -> None:
    torch.manual_seed(0)
    student, copied = started(SeparableConfig(), sface, lr)
    stage = StemStage(student, *_pair(student, sface, copied))
    assert stage.fits()
    batch = Batch(lr, lr, torch.zeros(24), torch.arange(24), 0, torch.arange(24))
    stage.trained.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(stage.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = stage(batch)["stem"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]

    other, copied = started(SeparableConfig(48, (128, 8, 4)), sface, lr)
    assert not StemStage(other, *_pair(other, sface, copied)).fits()


def _pair(student: Student, sface: SFace, copied: int) -> tuple[nn.Sequential, SFace, nn.Sequential]:
    stem, target = stems(student, sface, copied)
    return stem, sface, target


def test_an_assistant_is_read_as_sface(sface: SFace, lr: Tensor) -> None:
    assistant, _ = started(SeparableConfig.whole(), sface)
    with torch.no_grad():
        for weight in assistant.parameters():
            weight.mul_(1.01)
    assert (assistant.embed(lr) - sface.embed(lr)).abs().max() > 1e-3
    assert torch.allclose(sface_from(assistant).embed(lr), assistant.embed(lr), atol=1e-5)
    with pytest.raises(GdrdError, match="another shape than SFace"):
        sface_from(Student(SeparableConfig()))


def test_what_is_cut_from_an_assistant_has_its_weights(tmp_path: Path, sface: SFace) -> None:
    torch.manual_seed(0)
    assistant, _ = started(SeparableConfig.whole(), sface)
    torch.nn.init.normal_(assistant.head.embedding_norm.weight)
    assistant.save(tmp_path / "assistant")
    changes = ["stem.loop.steps=1", "stem.loop.batch_size=4", "stem.measured=1", "head.loop.steps=1"]
    recipe = override(recipes.best(), [*changes, "head.loop.batch_size=4", "head.loop.learning_rate=1e-12"])
    faces = synthetic_faces(identities=6, per_identity=2)
    student = train_head(recipe, faces, tmp_path, sface, progress=False, assistant=tmp_path / "assistant")
    assert torch.allclose(student.head.embedding_norm.weight, assistant.head.embedding_norm.weight, atol=1e-10)
    header = (tmp_path / "checkpoints/head/losses.csv").read_text().splitlines()[0]
    assert {"kd", "assistant"} <= set(header.split(","))


def test_a_narrower_student_keeps_what_does_not_vary(lr: Tensor) -> None:
    """A layer that puts out the same channels twice loses nothing when half of them and half of its rank go."""
    torch.manual_seed(0)
    wide = Student(SeparableConfig(16, (8, 4, 1), ((12, 1, 8),), ((1024, 2),))).eval().requires_grad_(False)
    stem, (depthwise, pointwise) = wide.backbone.stem, wide.backbone.blocks[0]
    doubled = [*stem.state_dict().values(), *depthwise.state_dict().values()]
    for values in doubled:
        if values.ndim:
            values[4:] = values[:4]
    factor = pointwise[0][0].weight
    factor[4:] = factor[:4]
    config = SeparableConfig(16, (4, 4, 1), ((12, 1, 4),), ((1024, 2),))
    narrow = Student(config).eval().requires_grad_(False)
    assert init_from(narrow, Parent(wide), [lr]) == 5
    assert F.cosine_similarity(narrow.embed(lr), wide.embed(lr)).min() > 0.999
    # Without a rank a narrower layer is the regression on the channels kept.
    plain = Student(SeparableConfig(16, (4, 4, 1), ((12, 1),), ((1024, 2, 12),))).eval().requires_grad_(False)
    assert init_from(plain, Parent(wide), [lr]) == 5
    assert F.cosine_similarity(plain.embed(lr), wide.embed(lr)).min() > 0.999


def test_going_on_with_a_smaller_shape_cuts_the_student_down(sface: SFace, tmp_path: Path) -> None:
    torch.manual_seed(0)
    large = SeparableConfig(56, (128, 8, 4), ((256, 1), (320, 1, 72)), ((1024, 2, 128),))
    Student(large).save(tmp_path / "large")
    changes = ["stem.loop.batch_size=4", "stem.measured=2", "head.loop.steps=1", "head.loop.batch_size=4"]
    recipe = override(recipes.best(), [*changes, "head.loop.learning_rate=1e-12", "head.weight_assistant=0"])
    faces = synthetic_faces(identities=6, per_identity=2)
    small = replace(large, stem=(96, 8, 4), backbone_blocks=((256, 1), (320, 1, 64)))
    run = (faces, tmp_path / "run", sface, tmp_path / "large")
    student = train_head(replace(recipe, student=small), *run, progress=False).eval()
    assert student.config == small == Student.load(tmp_path / "run/student").config
    parent, image = Student.load(tmp_path / "large"), to_tensor([faces[0]])
    assert F.cosine_similarity(student.embed(image), parent.embed(image)) > 0.9
    with pytest.raises(GdrdError, match="another shape than the recipe's student"):
        train_head(replace(recipe, student=replace(large, stem=(192, 8, 4))), *run, progress=False)
    with pytest.raises(GdrdError, match="512 channels, student's 1,024"):
        train_head(replace(recipe, student=replace(large, head_blocks=((512, 2),))), *run, progress=False)


def test_recipe_trains_the_stem_and_then_the_whole_student(sface: SFace, tmp_path: Path) -> None:
    changes = [
        "stem.loop.steps=2", "stem.loop.batch_size=4", "stem.measured=2",
        "head.loop.steps=2", "head.loop.batch_size=4", "head.weight_assistant=0",
    ]  # fmt: skip
    recipe = override(recipes.best(), changes)
    faces = synthetic_faces(identities=6, per_identity=2)
    student = train_head(recipe, faces, tmp_path, sface, progress=False)
    assert {folder.name for folder in (tmp_path / "checkpoints").iterdir()} == {"stem", "head"}
    again = Student.load(tmp_path / "student")
    assert again.teacher_name == "SFace"
    image = to_tensor([faces[0]])
    assert torch.allclose(again.embed(image), student.eval().embed(image), atol=1e-5)
    # A finished run is read from its checkpoints, not trained again.
    resumed = train_head(recipe, faces, tmp_path, sface, progress=False)
    assert torch.allclose(resumed.eval().embed(image), student.embed(image), atol=1e-6)
    assert (tmp_path / "checkpoints/head/losses.csv").read_text().count("\n") == 3

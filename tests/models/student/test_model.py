"""The student: shapes, two separate modules, files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.experiments.benchmark.cost import multiply_adds
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.student.adapter import FeatureAdapter
from gdrd_lab.models.student.average import average
from gdrd_lab.models.student.backbone import Backbone
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.models.student.model import Student

SMALL = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)


def test_backbone_and_head_are_two_modules_that_make_the_student() -> None:
    student = Student(SMALL).eval()
    faces = torch.rand(2, 3, 16, 16)
    features = student.backbone(faces)
    assert features.shape == (2, 16, 8, 8)
    assert torch.equal(student.head(features), student(faces))
    names = {name.split(".")[0] for name, _ in student.named_parameters()}
    assert names == {"backbone", "head"}


@pytest.mark.parametrize("size", [6, 8, 16, 32, 112])
@pytest.mark.parametrize("input_size", [16, 32, 48])
def test_reads_any_resolution(size: int, input_size: int) -> None:
    student = Student(StudentConfig(input_size, (8, 16), (1, 1), 16, 1)).eval()
    assert isinstance(student, Recogniser)
    embedding = student.embed(torch.rand(3, 3, size, size))
    assert embedding.shape == (3, 128)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(3), atol=1e-5)


def test_default_student_costs_at_most_a_quarter_of_sface() -> None:
    """SFace needs about 560 M multiply-adds at 112 px."""
    assert 50e6 < multiply_adds(Student(), 16) <= 140e6


def test_saved_student_is_the_same_and_half_precision_nearly(tmp_path: Path) -> None:
    student = Student(SMALL).eval()
    faces = torch.rand(4, 3, 16, 16)
    student.save(tmp_path / "full")
    student.save(tmp_path / "half", half=True)
    assert torch.allclose(Student.load(tmp_path / "full").embed(faces), student.embed(faces), atol=1e-5)
    assert torch.allclose(Student.load(tmp_path / "half").embed(faces), student.embed(faces), atol=5e-3)
    assert not any(p.requires_grad for p in Student.load(tmp_path / "full").parameters())


def test_damaged_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    Student(SMALL).save(tmp_path / "s")
    with pytest.raises(GdrdError, match=r"not a model or checkpoint: facts\.json is missing"):
        Student.load(tmp_path / "nothing")
    weights = tmp_path / "s" / "student.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GdrdError, match="damaged"):
        Student.load(tmp_path / "s")
    weights.write_bytes(whole)
    metadata = tmp_path / "s" / "facts.json"
    metadata.write_text(metadata.read_text().replace('"head_channels": 16', '"head_channels": 24'))
    with pytest.raises(GdrdError, match="another configuration"):
        Student.load(tmp_path / "s")


def test_input_size_must_fit_the_grid() -> None:
    with pytest.raises(GdrdError, match="multiple of 16"):
        Backbone(20)


def test_adapter_gives_the_teachers_shape() -> None:
    assert FeatureAdapter(16, 24, (4, 4))(torch.rand(2, 16, 8, 8)).shape == (2, 24, 4, 4)
    assert FeatureAdapter(16, 24, (16, 16))(torch.rand(2, 16, 8, 8)).shape == (2, 24, 16, 16)


def test_a_fitted_adapter_is_the_least_squares_solution() -> None:
    """Independently: numpy's least squares of the targets at every position on the averaged features there."""
    torch.manual_seed(0)
    adapter = FeatureAdapter(6, 4, (2, 2))
    parts = [(torch.randn(12, 6, 4, 4), torch.randn(12, 4, 2, 2)) for _ in range(3)]
    adapter.fit(parts)
    inputs = np.concatenate([adapter.resized(part).permute(0, 2, 3, 1).reshape(-1, 6).numpy() for part, _ in parts])
    wanted = np.concatenate([target.permute(0, 2, 3, 1).reshape(-1, 4).numpy() for _, target in parts])
    solution = np.linalg.lstsq(np.c_[inputs, np.ones(len(inputs))], wanted, rcond=None)[0]
    np.testing.assert_allclose(adapter.project.weight.detach()[:, :, 0, 0].T, solution[:-1], atol=2e-3)
    np.testing.assert_allclose(adapter.project.bias.detach(), solution[-1], atol=2e-3)


@pytest.mark.parametrize(
    "values",
    [
        {"input_size": 0},
        {"embedding_size": -1},
        {"backbone_channels": (64, 0)},
        {"backbone_channels": (64,)},
        {"backbone_channels": (8,) * 5, "backbone_blocks": (1,) * 5},
        {"head_blocks": 1.5},
    ],
)
def test_impossible_shapes_are_refused(values: dict) -> None:
    with pytest.raises(GdrdError, match=r"out of range|for each of one to four stages"):
        StudentConfig(**values)


@pytest.mark.parametrize(
    "values", [{"input_size": 0}, {"stem": (8, 0, 2)}, {"backbone_blocks": ((8,),)}, {"head_blocks": ((8, 1, -2),)}]
)
def test_impossible_separable_shapes_are_refused(values: dict) -> None:
    with pytest.raises(GdrdError, match="out of range"):
        SeparableConfig(**values)


def test_the_mean_of_two_students_lies_between_them() -> None:
    torch.manual_seed(0)
    start, student = Student(SMALL).eval(), Student(SMALL).eval()
    student.name, student.metadata = "further", {"seed": 3}
    mean = average(start, student, 0.25)
    for name, value in mean.state_dict().items():
        old, new = start.state_dict()[name], student.state_dict()[name]
        expected = 0.75 * old + 0.25 * new if value.is_floating_point() else new
        torch.testing.assert_close(value, expected)
    assert mean.name == "further" and mean.metadata == {"seed": 3, "averaged": {"with": "student", "share": 0.25}}
    assert not mean.training and not any(weight.requires_grad for weight in mean.parameters())
    with pytest.raises(GdrdError, match="other shapes"):
        average(Student(StudentConfig(input_size=32)), student, 0.5)
    with pytest.raises(GdrdError, match="between 0 and 1"):
        average(start, student, 1.5)

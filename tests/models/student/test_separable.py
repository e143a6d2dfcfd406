"""The separable student: shapes and files."""

from pathlib import Path

import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import from_dict, to_dict
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.config import Recipe
from gdrd_lab.training.recipes import override

SMALL = SeparableConfig(24, (16, 4, 2), ((32, 2), (32, 1, 8)), ((64, 2),))


@pytest.mark.parametrize("size", [6, 16, 24, 112])
def test_reads_any_resolution(size: int) -> None:
    student = Student(SMALL).eval()
    faces = torch.rand(3, 3, size, size)
    assert student.backbone(faces).shape == (3, 32, student.backbone.grid, student.backbone.grid)
    assert torch.allclose(student.embed(faces).norm(dim=1), torch.ones(3), atol=1e-5)


def test_file_keeps_the_shape(tmp_path: Path) -> None:
    student = Student(SMALL).eval().to(memory_format=torch.channels_last)  # the layout that loading gives
    student.save(tmp_path / "s")
    loaded = Student.load(tmp_path / "s")
    assert loaded.config == SMALL
    faces = torch.rand(2, 3, 16, 16)
    assert torch.equal(loaded.embed(faces), student.embed(faces))


def test_recipe_with_either_shape_survives_json() -> None:
    for recipe in (recipes.best(), recipes.cpu()):
        assert from_dict(Recipe, to_dict(recipe)) == recipe
    assert override(recipes.best(), ["student.input_size=48"]).student == SeparableConfig(input_size=48)
    with pytest.raises(GdrdError, match="StudentConfig has no setting 'sides'"):
        from_dict(Recipe, {**to_dict(recipes.cpu()), "student": {**to_dict(StudentConfig()), "sides": 3}})

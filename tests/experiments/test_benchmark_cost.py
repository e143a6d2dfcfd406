"""Multiply-adds against counts by hand."""

import pytest
import torch
from torch import nn

from gdrd_lab.errors import GdrdError
from gdrd_lab.experiments.benchmark.cost import multiply_adds, parameter_count
from gdrd_lab.models.sface import SFace
from gdrd_lab.models.student.model import Student


@pytest.mark.parametrize(
    ("module", "size", "expected"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 10, 10 * 10 * 9 * 3 * 8),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), 11, 6 * 6 * 9 * 3 * 8),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), (8, 5, 7), 5 * 7 * 9 * 8),
        (nn.Linear(12, 7), (12,), 12 * 7),
        (
            nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.PReLU(), nn.Flatten(), nn.Linear(64, 2)),
            4,
            192 + 128,
        ),
    ],
)
def test_counts_by_hand(module: nn.Module, size: int, expected: int) -> None:
    assert multiply_adds(module, size) == expected


def test_sface_as_its_layers_say() -> None:
    """MobileNet-v1 at 112 px: the stem, thirteen separable blocks and the linear layer, from their shapes alone."""
    from gdrd_lab.models.sface import BLOCKS

    side, width, total = 112, 32, 112 * 112 * 27 * 32
    for outputs, stride in BLOCKS:
        side //= stride
        total += side * side * (9 * width + width * outputs)
        width = outputs
    assert multiply_adds(SFace(), 112) == total + 1024 * 49 * 128


def test_the_module_is_left_as_it_was() -> None:
    student = Student()
    student.head.eval()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    assert multiply_adds(student, 16) == multiply_adds(student, 32) > 10_000_000
    assert student.training and student.backbone.training and not student.head.training
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(GdrdError, match=r"Linear takes no input of shape \(1, 3, 5, 5\)"):
        multiply_adds(nn.Linear(12, 7), 5)


def test_parameters_shared_tensors_once() -> None:
    layer = nn.Linear(3, 4)
    assert parameter_count(nn.ModuleList([layer, layer, nn.Linear(2, 1, bias=False)])) == 16 + 2

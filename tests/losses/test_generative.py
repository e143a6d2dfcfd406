from typing import Any

import numpy as np
import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import TargetNormalisation, generative_loss
from gdrd_lab.losses.generative import normalise_target

SHAPE = (2, 3, 4, 5)


def features(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3 + 1


def reference(student: np.ndarray, teacher: np.ndarray, normalise: TargetNormalisation) -> float:
    n, c, h, w = student.shape
    target = teacher.copy()
    if normalise is TargetNormalisation.CHANNEL:
        for channel in range(c):
            values = [teacher[i, channel, y, x] for i in range(n) for y in range(h) for x in range(w)]
            mean = sum(values) / len(values)
            variance = sum((v - mean) ** 2 for v in values) / len(values)
            target[:, channel] = (teacher[:, channel] - mean) / np.sqrt(variance + 1e-6)
    if normalise is TargetNormalisation.LAYER:
        for i in range(n):
            for y in range(h):
                for x in range(w):
                    values = teacher[i, :, y, x]
                    mean = sum(values) / c
                    variance = sum((v - mean) ** 2 for v in values) / c
                    target[i, :, y, x] = (values - mean) / np.sqrt(variance + 1e-6)
    total = 0.0
    for i in range(n):
        for channel in range(c):
            for y in range(h):
                for x in range(w):
                    total += (student[i, channel, y, x] - target[i, channel, y, x]) ** 2
    return total / (n * c * h * w)


@pytest.mark.parametrize("normalise", list(TargetNormalisation))
def test_value_follows_the_formula(normalise: bool) -> None:
    student, teacher = features(0), features(1)
    value = generative_loss(student, teacher, normalise)
    assert value.item() == pytest.approx(reference(student.numpy(), teacher.numpy(), normalise), rel=1e-12)


def test_true_standardises_channels_and_false_nothing() -> None:
    student, teacher = features(0), features(1)
    channel = generative_loss(student, teacher, TargetNormalisation.CHANNEL)
    assert generative_loss(student, teacher, normalise=True) == channel
    assert generative_loss(student, teacher, normalise=False) == generative_loss(student, teacher) != channel


def test_known_value() -> None:
    assert generative_loss(torch.full(SHAPE, 3.0), torch.full(SHAPE, 1.0)).item() == 4.0


@pytest.mark.parametrize("normalise", list(TargetNormalisation))
def test_zero_where_the_student_is_the_target_and_only_there(normalise: bool) -> None:
    teacher = features(1)
    target = normalise_target(teacher, normalise)
    assert generative_loss(target, teacher, normalise).item() == 0
    assert generative_loss(target + 0.1, teacher, normalise).item() == pytest.approx(0.01)


def test_normalised_target_ignores_scale_and_shift_of_the_teacher() -> None:
    student, teacher = features(0), features(1)
    plain = generative_loss(student, teacher, TargetNormalisation.CHANNEL)
    scale = torch.tensor([2.0, 5.0, 0.5], dtype=torch.float64).view(1, 3, 1, 1)
    moved = generative_loss(student, teacher * scale + 7, TargetNormalisation.CHANNEL)
    torch.testing.assert_close(moved, plain, rtol=1e-5, atol=0)
    assert generative_loss(student, teacher * scale + 7).item() != pytest.approx(plain.item(), rel=0.1)


@pytest.mark.parametrize("normalise", list(TargetNormalisation))
def test_gradient_is_right_and_never_reaches_the_teacher(normalise: bool) -> None:
    student, teacher = features(0).requires_grad_(), features(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: generative_loss(s, teacher, normalise), (student,))
    generative_loss(student, teacher, normalise).backward()
    assert student.grad is not None and student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_half_precision_is_computed_in_float32() -> None:
    student, teacher = features(0).bfloat16(), features(1).bfloat16()
    value = generative_loss(student, teacher)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(generative_loss(student.double(), teacher.double()).item(), rel=1e-5)


def test_nan_is_passed_on() -> None:
    student = features(0)
    student[0, 0, 0, 0] = torch.nan
    assert generative_loss(student, features(1)).isnan()


@pytest.mark.parametrize(
    ("student", "teacher", "says"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 8, 8), "adapter"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 4, 4), "adapter"),  # would broadcast
        (torch.zeros(2, 3), torch.zeros(2, 3), "N, C, H, W"),
        (torch.zeros(0, 3, 4, 4), torch.zeros(0, 3, 4, 4), "non-empty"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.int64), torch.zeros(2, 3, 4, 4), "int64"),
    ],
)
def test_bad_input_gives_one_clear_line(student: Any, teacher: Any, says: str) -> None:
    with pytest.raises(GdrdError, match=says) as caught:
        generative_loss(student, teacher)
    assert "\n" not in str(caught.value)


def test_a_target_that_would_vanish_is_refused() -> None:
    with pytest.raises(GdrdError, match="one value"):
        generative_loss(torch.ones(1, 3, 1, 1), torch.ones(1, 3, 1, 1), TargetNormalisation.CHANNEL)
    with pytest.raises(GdrdError, match="one value"):
        generative_loss(torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4), TargetNormalisation.LAYER)

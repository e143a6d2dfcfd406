import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import (
    contrastive_distillation_loss,
    memory_contrastive_loss,
    rkd_angle_loss,
    rkd_distance_loss,
)


def matrix(seed: int, rows: int = 5, columns: int = 3) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def huber(x: float) -> float:
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


def distance_reference(student: np.ndarray, teacher: np.ndarray) -> float:
    pairs = list(itertools.permutations(range(len(student)), 2))

    def relative(x: np.ndarray) -> list[float]:
        distances = [math.dist(x[i], x[j]) for i, j in pairs]
        return [d / (sum(distances) / len(distances)) for d in distances]

    terms = [huber(s - t) for s, t in zip(relative(student), relative(teacher), strict=True)]
    return sum(terms) / len(terms)


def angle_reference(student: np.ndarray, teacher: np.ndarray) -> float:
    def cosine(x: np.ndarray, i: int, j: int, k: int) -> float:
        a, b = x[i] - x[j], x[k] - x[j]
        return float(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))

    triplets = list(itertools.permutations(range(len(student)), 3))
    return sum(huber(cosine(student, *t) - cosine(teacher, *t)) for t in triplets) / len(triplets)


def contrastive_reference(
    student: Any, teacher: Any, temperature: float, labels: Any = None, negatives: Any = ()
) -> float:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))

    total = 0.0
    for i, s in enumerate(student):
        own = math.exp(cosine(s, teacher[i]) / temperature)
        others = sum(math.exp(cosine(s, n) / temperature) for n in negatives)
        for k, t in enumerate(teacher):
            same = labels is not None and labels[k] == labels[i] >= 0
            if k != i and not same:
                others += math.exp(cosine(s, t) / temperature)
        total -= math.log(own / (own + others))
    return total / len(student)


@pytest.mark.parametrize(
    ("loss", "reference"), [(rkd_distance_loss, distance_reference), (rkd_angle_loss, angle_reference)]
)
def test_rkd_follows_the_formula(loss: Callable[..., Any], reference: Any) -> None:
    student, teacher = 4 * matrix(0), matrix(1, columns=4)
    student[:, 0] *= 6  # differences beyond Huber's threshold occur as well
    assert loss(student, teacher).item() == pytest.approx(reference(student.numpy(), teacher.numpy()), rel=1e-10)


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss])
def test_rkd_is_zero_where_the_student_is_the_teacher_scaled_turned_and_moved(loss: Callable[..., Any]) -> None:
    teacher = matrix(1)
    turn, _ = torch.linalg.qr(matrix(2, 3, 3))
    assert loss(3 * teacher @ turn + 5, teacher).item() == pytest.approx(0, abs=1e-15)
    assert loss(matrix(0), teacher).item() > 1e-3


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss])
def test_rkd_gradient_is_finite_where_two_faces_are_equal(loss: Callable[..., Any]) -> None:
    student = matrix(0)
    student[1] = student[0]
    student.requires_grad_()
    loss(student, matrix(1)).backward()
    assert student.grad.isfinite().all()


def test_contrastive_follows_the_formula() -> None:
    student, teacher, negatives = matrix(0), matrix(1), matrix(2, rows=7)
    labels = torch.tensor([0, 1, 0, -1, -1])
    arrays = student.numpy(), teacher.numpy()
    plain = contrastive_distillation_loss(student, teacher, temperature=0.2)
    assert plain.item() == pytest.approx(contrastive_reference(*arrays, 0.2), rel=1e-10)
    full = contrastive_distillation_loss(student, teacher, labels, temperature=0.2, negatives=negatives)
    expected = contrastive_reference(*arrays, 0.2, labels.tolist(), negatives.numpy())
    assert full.item() == pytest.approx(expected, rel=1e-10)


def test_contrastive_value_at_the_teacher_with_orthogonal_faces() -> None:
    teacher = torch.eye(4, dtype=torch.float64)
    value = contrastive_distillation_loss(2 * teacher, teacher, temperature=0.5)
    assert value.item() == pytest.approx(math.log(1 + 3 * math.exp(-2)), rel=1e-12)


def test_memory_leaves_out_what_the_teacher_takes_for_the_same_person() -> None:
    student, teacher, bank = matrix(0), matrix(1), torch.nn.functional.normalize(matrix(2, rows=40), dim=1)
    total = 0.0
    for s, t in zip(student.numpy(), teacher.numpy(), strict=True):
        s, t = s / np.linalg.norm(s), t / np.linalg.norm(t)
        others = [b for b in bank.numpy() if float(b @ t) < 0.4]
        assert 0 < len(others) < 40
        own = math.exp(float(s @ t) / 0.2)
        total -= math.log(own / (own + sum(math.exp(float(s @ b) / 0.2) for b in others)))
    value = memory_contrastive_loss(student, teacher, bank, same_person=0.4, temperature=0.2)
    assert value.item() == pytest.approx(total / len(student), rel=1e-10)
    # The faces' own teacher embeddings in the memory change nothing.
    with_own = torch.cat([bank, torch.nn.functional.normalize(teacher[:1], dim=1)])
    one = slice(0, 1)
    assert memory_contrastive_loss(student[one], teacher[one], with_own).item() == pytest.approx(
        memory_contrastive_loss(student[one], teacher[one], bank).item(), rel=1e-12
    )
    with pytest.raises(GdrdError, match="memory"):
        memory_contrastive_loss(student, teacher, matrix(2, columns=9))


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss, contrastive_distillation_loss])
def test_gradient_is_right_and_never_reaches_the_teacher(loss: Callable[..., Any]) -> None:
    student, teacher = matrix(0).requires_grad_(), matrix(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), (student,))
    loss(student, teacher).backward()
    assert student.grad is not None and student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss, contrastive_distillation_loss])
def test_bad_input_gives_one_clear_line(loss: Callable[..., Any]) -> None:
    for student, teacher in (((3, 4), (2, 4)), ((4,), (4,))):
        with pytest.raises(GdrdError) as caught:
            loss(torch.zeros(student), torch.zeros(teacher))
        assert "\n" not in str(caught.value)


def test_too_few_faces_or_unfit_negatives() -> None:
    with pytest.raises(GdrdError, match="at least 2"):
        rkd_distance_loss(matrix(0, 1), matrix(1, 1))
    with pytest.raises(GdrdError, match="at least 3"):
        rkd_angle_loss(matrix(0, 2), matrix(1, 2))
    with pytest.raises(GdrdError, match="Negatives"):
        contrastive_distillation_loss(matrix(0), matrix(1), negatives=matrix(2, columns=9))
    with pytest.raises(GdrdError, match="temperature"):
        contrastive_distillation_loss(matrix(0), matrix(1), temperature=0)

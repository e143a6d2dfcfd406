import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import class_prototypes, cosine_distillation_loss, similarity_logits, soft_label_loss


def matrix(seed: int, rows: int = 5, columns: int = 4) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine_reference(student: np.ndarray, teacher: np.ndarray) -> float:
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        dot = sum(a * b for a, b in zip(s, t, strict=True))
        total += 1 - dot / math.sqrt(sum(a * a for a in s) * sum(b * b for b in t))
    return total / len(student)


def soft_reference(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        p = [math.exp(z / temperature) / sum(math.exp(y / temperature) for y in t) for z in t]
        q = [math.exp(z / temperature) / sum(math.exp(y / temperature) for y in s) for z in s]
        total += sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True))
    return temperature**2 * total / len(student)


def test_cosine_follows_the_formula() -> None:
    student, teacher = matrix(0), matrix(1)
    expected = cosine_reference(student.numpy(), teacher.numpy())
    assert cosine_distillation_loss(student, teacher).item() == pytest.approx(expected, rel=1e-12)


def test_cosine_known_values() -> None:
    x = torch.tensor([[1.0, 0.0]])
    assert cosine_distillation_loss(3 * x, 5 * x).item() == 0
    assert cosine_distillation_loss(x, torch.tensor([[0.0, 2.0]])).item() == 1
    assert cosine_distillation_loss(x, -x).item() == 2
    unit_student, unit_teacher = (m / m.norm(dim=1, keepdim=True) for m in (matrix(0), matrix(1)))
    squared = (unit_student - unit_teacher).square().sum(1).mean() / 2
    torch.testing.assert_close(cosine_distillation_loss(unit_student, unit_teacher), squared)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_labels_follow_the_formula(temperature: float) -> None:
    student, teacher = matrix(0), matrix(1)
    expected = soft_reference(student.numpy(), teacher.numpy(), temperature)
    assert soft_label_loss(student, teacher, temperature).item() == pytest.approx(expected, rel=1e-10)


def test_soft_labels_are_zero_at_the_teacher_and_blind_to_a_shift_of_all_logits() -> None:
    teacher = matrix(1)
    assert soft_label_loss(teacher, teacher).item() == pytest.approx(0, abs=1e-12)
    assert soft_label_loss(teacher + 3, teacher).item() == pytest.approx(0, abs=1e-12)
    assert soft_label_loss(teacher * 2, teacher).item() > 1e-3


def test_soft_labels_survive_extreme_logits() -> None:
    student = torch.tensor([[1e4, -1e4]], requires_grad=True)
    value = soft_label_loss(student, -student.detach(), 1.0)
    value.backward()
    assert value.item() == pytest.approx(2e4) and student.grad.isfinite().all()


@pytest.mark.parametrize("loss", [cosine_distillation_loss, soft_label_loss])
def test_gradient_is_right_and_never_reaches_the_teacher(loss: Callable[..., Any]) -> None:
    student, teacher = matrix(0).requires_grad_(), matrix(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), (student,))
    loss(student, teacher).backward()
    assert student.grad is not None and student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize("loss", [cosine_distillation_loss, soft_label_loss])
def test_half_precision_is_computed_in_float32(loss: Callable[..., Any]) -> None:
    student, teacher = matrix(0).bfloat16(), matrix(1).bfloat16()
    value = loss(student, teacher)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(student.double(), teacher.double()).item(), rel=1e-5)


@pytest.mark.parametrize("loss", [cosine_distillation_loss, soft_label_loss])
@pytest.mark.parametrize(
    ("student", "teacher"), [((3, 4), (3, 5)), ((3, 4), (1, 4)), ((4,), (4,)), ((0, 4), (0, 4)), ((2, 3, 4), (2, 3, 4))]
)
def test_bad_shapes_give_one_clear_line(loss: Callable[..., Any], student: Any, teacher: Any) -> None:
    with pytest.raises(GdrdError, match="shape") as caught:
        loss(torch.zeros(student), torch.zeros(teacher))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_must_be_positive(temperature: float) -> None:
    with pytest.raises(GdrdError, match="temperature"):
        soft_label_loss(matrix(0), matrix(1), temperature)


def test_similarity_logits_follow_the_formula() -> None:
    embeddings, prototypes = matrix(0), matrix(1, rows=3)
    logits = similarity_logits(embeddings, prototypes, scale=10)
    for i, e in enumerate(embeddings.numpy()):
        for c, w in enumerate(prototypes.numpy()):
            expected = 10 * float(e @ w) / (np.linalg.norm(e) * np.linalg.norm(w))
            assert logits[i, c].item() == pytest.approx(expected, rel=1e-12)
    with pytest.raises(GdrdError, match="fit together"):
        similarity_logits(embeddings, prototypes[:, :2])
    with pytest.raises(GdrdError, match="scale"):
        similarity_logits(embeddings, prototypes, scale=0)


def test_prototypes_are_mean_directions_without_unlabelled_faces() -> None:
    embeddings, labels = matrix(0), torch.tensor([1, 0, -1, 1, 0])
    found = class_prototypes(embeddings, labels, 2)
    unit = [row / np.linalg.norm(row) for row in embeddings.numpy()]
    for c, members in ((0, (1, 4)), (1, (0, 3))):
        mean = sum(unit[i] for i in members) / 2
        np.testing.assert_allclose(found[c].numpy(), mean / np.linalg.norm(mean), rtol=1e-12)


@pytest.mark.parametrize(
    ("labels", "says"), [([0, 0, 0, 0, 0], "no face"), ([0, 1, 2, 0, 1], "beyond 2"), ([0, 1, 0], "labels of shape")]
)
def test_prototypes_refuse_labels_that_do_not_fit(labels: Any, says: str) -> None:
    with pytest.raises(GdrdError, match=says):
        class_prototypes(matrix(0), torch.tensor(labels), 2)

"""Checks of notebook 03: relation vectors, the critic, the two terms of L_rcd, and distillation of embeddings."""

from typing import Any

import numpy as np
import torch

from gdrd_lab.course.exercises import Attempt, check, judge, judge_gradient, need, tensor, unit


def _leaves(*values: np.ndarray) -> list[torch.Tensor]:
    """Return arrays as tensors that ask for gradients."""
    return [torch.from_numpy(value).requires_grad_(True) for value in values]


@check("A relation vector", "Unit length, the right direction, and it tells i to j from j to i.")
def check_relation(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(first (d,), second (d,), w1 (h, d), w2 (r, h))`` must be unit(W2 ReLU(W1 (first - second)))."""
    d, r, h = (*random.choice(np.arange(3, 8), 2, replace=False), random.integers(10, 13))
    first, second, w1, w2 = (random.normal(size=size) for size in (d, d, (h, d), (r, h)))
    given = _leaves(first, second, w1, w2)
    answer = tensor(attempt(*given), (r,))
    raw = np.array([row @ np.maximum([w @ (first - second) for w in w1], 0) for row in w2])
    back = unit(w2 @ np.maximum(w1 @ (second - first), 0))
    mistakes = {
        "The vector is not normalised: divide by its length, so that the critic sees directions.": raw,
        "That is the relation of second to first: subtract the other way round.": back,
        "Where is the ReLU between the two layers?": unit(w2 @ (w1 @ (first - second))),
        "A relation is a DIFFERENCE, not a sum.": unit(w2 @ np.maximum(w1 @ (first + second), 0)),
    }
    judge(answer, unit(raw), mistakes, "It is not unit(W2 ReLU(W1 (e_i - e_j))).")
    vector = given[3] @ (given[2] @ (given[0] - given[1])).clamp(min=0)
    names = ("first embedding", "second embedding", "matrix w1", "matrix w2")
    judge_gradient(answer, vector / vector.square().sum().sqrt(), dict(zip(names, given, strict=True)))


def _sigmoid(x: Any) -> Any:
    return np.exp(-np.logaddexp(0, -x))  # 1 / (1 + e^-x) without an overflow


@check("CRD's critic", "A share in (0, 1) that grows with the cosine, and one half where e^(cos / tau) is N / M.")
def check_critic(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(u (n, r), v (n, r), tau, ratio)`` must be e^(cos / tau) / (e^(cos / tau) + ratio) per row, finite."""
    n, r = random.choice(np.arange(3, 9), 2, replace=False)
    for low, high in ((0.12, 0.45), (0.6, 2), (0.0002, 0.0004)):
        tau, ratio = round(random.uniform(low, high), 4), round(random.uniform(0.1, 0.8) if low < 0.5 else 3.5, 3)
        u, v = random.normal(size=(2, n, r)) * random.uniform(0.5, 4, (2, n, 1))
        given = dict(zip(("vectors u", "vectors v"), _leaves(u, v), strict=True))
        cosine = np.array([unit(a) @ unit(b) for a, b in zip(u, v, strict=True)])
        answer = tensor(attempt(*given.values(), tau, ratio), (n,))
        need(answer.isfinite().all(), f"At tau = {tau} it is not finite: e^(cos / tau) overflows. Divide by it first.")
        shift, dot = np.log(ratio), (u * v).sum(1)
        mistakes = {
            "You use the dot product: normalise u and v first.": _sigmoid(dot / tau - shift),
            "You multiply by tau; divide, so that a small tau sharpens.": _sigmoid(cosine * tau - shift),
            "The temperature has no effect.": _sigmoid(cosine - shift),
            "That is the argument of the sigmoid; apply the sigmoid.": cosine / tau - shift,
            "The sign is turned around: h grows with the cosine.": _sigmoid(shift - cosine / tau),
            "That is the critic without N / M: ratio has no effect.": _sigmoid(cosine / tau),
            "More noise faces must make h smaller: N / M stands below, not above.": _sigmoid(cosine / tau + shift),
            "Move N / M into the exponent as a logarithm.": _sigmoid(cosine / tau - ratio),
        }
        judge(answer, _sigmoid(cosine / tau - shift), mistakes, f"It is wrong at tau = {tau} and N / M = {ratio}.")
        if tau > 0.01:
            judge_gradient(answer, torch.sigmoid(_cosines(*given.values()) / tau - shift), given)
        else:  # rounding decides how far below 1e-30 the gradient is
            slopes = torch.autograd.grad(answer.sum(), [*given.values()])
            need(all(slope.isfinite().all() for slope in slopes), f"At tau = {tau} the gradient is not finite.")


def _cosines(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return the cosines of the last dimension's vectors, 0 where one is 0."""
    return (u * v).sum(-1) / (u.norm(dim=-1) * v.norm(dim=-1)).clamp(min=1e-12)


def _case(random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Draw student and teacher embeddings (N, d), so wide that no difference is negative throughout, and tau."""
    n, d = int(random.integers(4, 7)), int(random.integers(12, 17))
    student, teacher = (unit(random.normal(size=(n, d))) * random.uniform(0.6, 1.6, (n, 1)) for _ in range(2))
    return *_leaves(student, teacher), round(random.uniform(0.3, 0.9), 3)  # type: ignore[return-value]


def _relations(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the relations (N, N, d) of each face of the first to each of the second."""
    return (first[:, None] - second[None]).clamp(min=0)


@check("The positive term", "Each pair's teacher relation is matched with its own cross relation.")
def check_positive_term(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(student (N, d), teacher (N, d), tau)`` with relations relu(e_i - e_j): -mean_{i != j} log h."""
    student, teacher, tau = _case(random)
    n, s, t = len(student), student.detach(), teacher.detach()
    apart = ~torch.eye(n, dtype=torch.bool)

    def value(own: torch.Tensor, cross: torch.Tensor, tau: float = tau) -> torch.Tensor:
        return torch.log(1 + torch.exp(-_cosines(own, cross) / tau))[apart].mean()  # -log h

    own, plain = _relations(t, t), t[:, None] - t[None]
    inside = value(own, _relations(s, s))
    expected = value(own, _relations(t, student))
    wanted = expected.item()
    answer = tensor(attempt(student, teacher, tau), ())
    mistakes = {
        "Where is the ReLU? Without it a relation and its reverse are one.": value(plain, t[:, None] - s[None]),
        "The sign is turned around: a loss of -log h is positive.": -wanted,
        "Student and teacher are swapped in the cross relation: it goes from the TEACHER's face i to the STUDENT's "
        "j.": value(own, _relations(s, t)),
        "You relate student to student; the cross relation starts at the teacher's embedding.": inside,
        "You sum over the pairs; take the mean over i != j.": wanted * n * (n - 1),
        "You divide by N²; the pairs i = j do not count.": wanted * (n - 1) / n,
        "The temperature has no effect: divide the cosine by tau.": value(own, _relations(t, s), 1),
    }
    otherwise = f"For the test it should be {wanted:.4f}, not {answer.item():.4f}. Are the pairs i = j left out?"
    judge(answer, wanted, mistakes, otherwise)
    judge_gradient(answer, expected, {"student": student, "teacher": teacher})


@check("The negative term", "Other faces' cross relations are pushed away, summed over k and averaged over pairs.")
def check_negative_term(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(student, teacher, tau)``: -mean_{i != j} sum_{k != i, j} log(1 - h(v_ij^t, v_ik^ts))."""
    student, teacher, tau = _case(random)
    n, t = len(student), teacher.detach()
    i, j, k = torch.meshgrid(*[torch.arange(n)] * 3, indexing="ij")
    cosines = _cosines(_relations(t, t)[:, :, None], _relations(t, student)[:, None])  # of (i, j) and (i, k)

    def value(counted: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return torch.log(1 + torch.exp(logits))[(i != j) & counted].sum() / (n * (n - 1))  # -log(1 - h)

    expected = value((k != i) & (k != j), cosines / tau)
    wanted = expected.item()
    answer = tensor(attempt(student, teacher, tau), ())
    mistakes = {
        "k = j is the positive: it must not be a negative too.": value(k != i, cosines / tau),
        "Neither k = j, the positive, nor k = i is a negative: leave both out.": value(k >= 0, cosines / tau),
        "Leave k = i out as well: a face has no relation to itself.": value(k != j, cosines / tau),
        "Sum over k, as the formula does; only (i, j) is averaged.": wanted / (n - 2),
        "You sum over the pairs (i, j); take the mean over i != j.": wanted * n * (n - 1),
        "The sign is turned around: -log(1 - h) is positive.": -wanted,
        "That is -log h; what is pushed away has -log(1 - h).": value((k != i) & (k != j), -cosines / tau),
        "The temperature has no effect: divide the cosine by tau.": value((k != i) & (k != j), cosines),
    }
    judge(answer, wanted, mistakes, f"For the test it should be {wanted:.4f}, not {answer.item():.4f}.")
    judge_gradient(answer, expected, {"student": student, "teacher": teacher})


@check("Distilling embeddings", "One minus the cosine, averaged; the teacher stays where it is.")
def check_embedding_loss(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(student (N, d), teacher (N, d))`` must be mean(1 - cos), the teacher detached."""
    n, d = random.choice(np.arange(3, 9), 2, replace=False)
    s, t = random.normal(size=(2, n, d)) * random.uniform(0.5, 3, (2, n, 1))
    student, teacher = _leaves(s, t)
    answer = tensor(attempt(student, teacher), ())
    wanted = float(np.mean([1 - unit(a) @ unit(b) for a, b in zip(s, t, strict=True)]))
    mistakes = {
        "The length of an embedding changes your loss: normalise both first.": np.mean(1 - (s * t).sum(1)),
        "That is the mean cosine: a loss must FALL as the student gets nearer.": 1 - wanted,
        "You sum over the faces: then the loss grows with the batch. Take the mean.": wanted * n,
    }
    judge(answer, wanted, mistakes, f"For the test it should be {wanted:.4f}, not {answer.item():.4f}.")
    judge_gradient(answer, (1 - _cosines(student, teacher.detach())).mean(), {"student": student, "teacher": teacher})

"""Checks of notebook 03: relation vectors, the critic, the two terms of L_rcd, and distillation of embeddings."""

import math
from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import numpy as np
import torch

from gdrd_lab.course.exercises import Attempt, Wrong, check, close, need, reject, tensor, unit


@check("A relation vector", "Unit length, the right direction, and it tells i to j from j to i.")
def check_relation(attempt: Attempt) -> None:
    """``attempt(first (d,), second (d,), w1 (h, d), w2 (r, h))`` must be unit(W2 ReLU(W1 (first - second)))."""
    random = np.random.default_rng(11)
    first, second, w1, w2 = (random.normal(size=size) for size in (5, 5, (6, 5), (4, 6)))
    raw = np.array([row @ np.maximum([w @ (first - second) for w in w1], 0) for row in w2])
    back = np.array([row @ np.maximum([w @ (second - first) for w in w1], 0) for row in w2])
    answer = tensor(attempt(*(torch.from_numpy(a) for a in (first, second, w1, w2))), (4,)).numpy()
    reject(answer, raw, "The vector is not normalised: divide by its length, so that the critic sees directions.")
    reject(answer, unit(back), "That is the relation of second to first: subtract the other way round.")
    reject(answer, unit(w2 @ (w1 @ (first - second))), "Where is the ReLU between the two layers?")
    reject(answer, unit(w2 @ np.maximum(w1 @ (first + second), 0)), "A relation is a DIFFERENCE, not a sum.")
    need(close(answer, unit(raw)), "It is not unit(W2 ReLU(W1 (e_i - e_j))).")


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@check("The critic", "A share in (0, 1) that grows with the cosine, the more sharply the smaller tau is.")
def check_critic(attempt: Attempt) -> None:
    """``attempt(u (n, r), v (n, r), tau)`` must be sigmoid(cos(u, v) / tau) per row."""
    random = np.random.default_rng(12)
    u, v = random.normal(size=(2, 6, 4)) * 2
    cosine = np.array([unit(a) @ unit(b) for a, b in zip(u, v, strict=True)])
    for tau in (0.5, 0.1):
        answer = tensor(attempt(torch.from_numpy(u), torch.from_numpy(v), tau), (6,)).numpy()
        reject(answer, _sigmoid((u * v).sum(1) / tau), "You use the dot product: normalise u and v first.")
        reject(answer, _sigmoid(cosine * tau), "You multiply by tau; divide, so that a small tau sharpens.")
        reject(answer, _sigmoid(cosine), "The temperature has no effect.")
        reject(answer, cosine / tau, "That is the argument of the sigmoid; apply the sigmoid.")
        need(close(answer, _sigmoid(cosine / tau)), f"At tau = {tau} it is not sigmoid(cos(u, v) / tau).")


def _case() -> tuple[np.ndarray, np.ndarray, float]:
    """Student and teacher embeddings (4, 12) and tau; wide enough that no difference is negative throughout."""
    random = np.random.default_rng(13)
    return unit(random.normal(size=(4, 12))), unit(random.normal(size=(4, 12))), 0.5


def _critic(u: np.ndarray, v: np.ndarray, tau: float) -> float:
    return float(_sigmoid(unit(u) @ unit(v) / tau))


@check("The positive term", "Each pair's teacher relation is matched with its own cross relation.")
def check_positive_term(attempt: Attempt) -> None:
    """``attempt(student (N, d), teacher (N, d), tau)`` with relations relu(e_i - e_j): -mean_{i != j} log h."""
    s, t, tau = _case()
    student, teacher = torch.from_numpy(s).requires_grad_(True), torch.from_numpy(t).requires_grad_(True)
    answer = tensor(attempt(student, teacher, tau), ())
    pairs = list(permutations(range(4), 2))

    def mean(cross: Callable[[int, int], np.ndarray]) -> float:
        return -float(np.mean([math.log(_critic((t[i] - t[j]).clip(0), cross(i, j).clip(0), tau)) for i, j in pairs]))

    wanted = mean(lambda i, j: t[i] - s[j])
    plain = -float(np.mean([math.log(_critic(t[i] - t[j], t[i] - s[j], tau)) for i, j in pairs]))
    reject(answer, plain, "Where is the ReLU? Without it a relation and its reverse are one.")
    reject(answer, -wanted, "The sign is turned around: a loss of -log h is positive.")
    reject(
        answer,
        mean(lambda i, j: s[i] - t[j]),
        "Student and teacher are swapped in the cross relation: it goes from the TEACHER's face i to the STUDENT's j.",
    )
    reject(
        answer,
        mean(lambda i, j: s[i] - s[j]),
        "You relate student to student; the cross relation starts at the teacher's embedding.",
    )
    reject(answer, wanted * 12, "You sum over the pairs; take the mean over i != j.")
    reject(answer, wanted * 12 / 16, "You divide by N²; the pairs i = j do not count.")
    if not close(answer, wanted):
        raise Wrong(f"For the test it should be {wanted:.4f}, not {answer.item():.4f}. Are the pairs i = j left out?")
    need(answer.requires_grad, "The student gets no gradient.")
    answer.backward()
    need(teacher.grad is None, "The teacher gets a gradient: detach it, or it moves towards the student.")
    need(student.grad is not None, "The student gets no gradient.")


@check("The negative term", "Other faces' cross relations are pushed away, summed over k and averaged over pairs.")
def check_negative_term(attempt: Attempt) -> None:
    """``attempt(student, teacher, tau)``: -mean_{i != j} sum_{k != i, j} log(1 - h(v_ij^t, v_ik^ts))."""
    s, t, tau = _case()
    answer = tensor(attempt(torch.from_numpy(s), torch.from_numpy(t), tau), ())

    def value(leave_out: Callable[[int, int, int], bool]) -> float:
        terms = [
            math.log(1 - _critic((t[i] - t[j]).clip(0), (t[i] - s[k]).clip(0), tau))
            for (i, j), k in product(permutations(range(4), 2), range(4))
            if not leave_out(i, j, k)
        ]
        return -sum(terms) / 12

    wanted = value(lambda i, j, k: k in (i, j))
    reject(answer, value(lambda i, j, k: False), "k = j is the positive: it must not be a negative too.")
    reject(answer, value(lambda i, j, k: k == i), "k = j is the positive: it must not be a negative too.")
    reject(answer, value(lambda i, j, k: k == j), "Leave k = i out as well: a face has no relation to itself.")
    reject(answer, wanted / 2, "Sum over k, as the formula does; only (i, j) is averaged.")
    reject(answer, -wanted, "The sign is turned around: -log(1 - h) is positive.")
    need(close(answer, wanted), f"For the test it should be {wanted:.4f}, not {answer.item():.4f}.")


@check("Distilling embeddings", "One minus the cosine, averaged; the teacher stays where it is.")
def check_embedding_loss(attempt: Attempt) -> None:
    """``attempt(student (N, d), teacher (N, d))`` must be mean(1 - cos), the teacher detached."""
    random = np.random.default_rng(14)
    s, t = random.normal(size=(2, 5, 3)) * 3
    student, teacher = torch.from_numpy(s).requires_grad_(True), torch.from_numpy(t).requires_grad_(True)
    answer = tensor(attempt(student, teacher), ())
    wanted = float(np.mean([1 - unit(a) @ unit(b) for a, b in zip(s, t, strict=True)]))
    unscaled = np.mean([1 - a @ b for a, b in zip(s, t, strict=True)])
    reject(answer, unscaled, "The length of an embedding changes your loss: normalise both first.")
    reject(answer, 1 - wanted, "That is the mean cosine: a loss must FALL as the student gets nearer.")
    need(close(answer, wanted), f"For the test it should be {wanted:.4f}, not {answer.item():.4f}.")
    need(answer.requires_grad, "The student gets no gradient.")
    answer.backward()
    need(teacher.grad is None, "The teacher gets a gradient: detach it.")

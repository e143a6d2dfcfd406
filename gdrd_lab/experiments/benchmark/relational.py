"""L_rcd against the naive formulation that holds every (i, j, k) at once: memory and time, same value."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.experiments.benchmark.measure import Clock, Row, fixed, peak_megabytes, rows, side_by_side
from gdrd_lab.losses.relational import RelationalContrastiveLoss


def naive_loss(loss: RelationalContrastiveLoss, student: Tensor, teacher: Tensor) -> Tensor:
    """L_rcd as its formula stands, with a tensor batch^2 x (batch + K) x d as its nearest public ancestor builds it.

    The same modules, queue and value as ``loss``; only the order of the work differs.
    """
    student, teacher = F.normalize(student, dim=1), F.normalize(teacher.detach(), dim=1)
    count = len(student)
    others = student if loss.queue is None else torch.cat([student, loss.queue.contents()[0].to(student)])
    total = len(others)
    first = teacher[:, None, None, :].expand(count, count, total, -1)  # e_i^t
    second = others[None, None].expand(count, count, total, -1)  # e_k^s
    relations = loss.cross_relations(first, second)  # (N, N, N + K, r)
    reference = loss.teacher_relations(teacher[:, None], teacher[None])[:, :, None]  # (N, N, 1, r)
    logits = (reference * relations).sum(-1) / loss.temperature
    i, j, k = (torch.arange(size) for size in (count, count, total))
    pair = i[:, None] != j
    negative = pair[:, :, None] & (k != j[:, None]) & (k != i[:, None, None])
    own = torch.diagonal(logits[:, :, :count], dim1=1, dim2=2)
    positive = (F.softplus(-own) * pair).sum()
    return (positive + (F.softplus(logits) * negative).sum()) / (count * (count - 1))


def relational_rows(
    shapes: tuple[tuple[int, int, int], ...], repeats: int, clock: Clock = time.perf_counter, limit_mb: float = 4000
) -> list[Row]:
    """Measure loss and gradient of both for each (batch, negatives in the queue, embedding size).

    The naive one is left out where its largest tensors alone would take more than ``limit_mb``.
    """
    out = []
    for batch, queue, size in shapes:
        name = f"batch {batch}, queue {queue}, d {size}"
        cases = {f"ours, {name}": prepare(batch, queue, size, False)}
        # Differences, hidden layer, its ReLU and the relations, each batch^2 x (batch + K) x d floats, and gradients.
        if 6 * 4 * batch**2 * (batch + queue) * size / 1e6 < limit_mb:
            cases[f"naive, {name}"] = prepare(batch, queue, size, True)
        out += rows("relational", side_by_side(cases, repeats, clock), "ms")
        first = 0.0
        for case in cases:
            memory = peak_megabytes(prepare, batch, queue, size, case.startswith("naive"))
            first = first or memory
            out.append(fixed("relational", f"{case} memory", memory, "MB", memory / first if first else 0))
    return out


def prepare(batch: int, queue: int, size: int, naive: bool) -> Callable[[], Tensor]:
    """Return a call that computes the loss and its gradients."""
    torch.manual_seed(0)
    loss = RelationalContrastiveLoss(size, hidden_size=size, relation_size=size, queue_size=queue).eval()
    if loss.queue is not None:
        filled = F.normalize(torch.randn(queue, size), dim=1)
        loss.queue.push(filled, filled)
    student, teacher = torch.randn(batch, size, requires_grad=True), torch.randn(batch, size)

    def call() -> Tensor:
        student.grad = None
        loss.zero_grad()
        value = naive_loss(loss, student, teacher) if naive else loss(student, teacher)
        value.backward()
        return value.detach()

    return call

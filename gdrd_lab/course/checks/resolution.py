"""Checks of notebook 00: reducing a face, scoring a pair, deciding, and how far two groups of scores lie apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gdrd_lab.course.exercises import check, close, need, number, tensor


@check("Average blocks of pixels", "Each small pixel is the mean of its own block, colour by colour.")
def check_block_average(attempt: Callable[..., Any]) -> None:
    """``attempt(faces (N, 3, S, S), size)`` must be the mean over blocks of S / size pixels on a side."""
    faces = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    for size in (4, 3, 12):
        given = faces.clone()
        answer = tensor(attempt(given, size), (2, 3, size, size))
        side = 12 // size
        expected = np.zeros((2, 3, size, size))
        for row in range(size):
            for column in range(size):
                block = faces[:, :, row * side : (row + 1) * side, column * side : (column + 1) * side]
                expected[:, :, row, column] = block.double().numpy().mean((2, 3))
        need(torch.equal(given, faces), "Your function changes the faces it was given; make a new tensor.")
        need(
            size == 12 or not close(answer, faces[:, :, ::side, ::side]),
            "You keep one pixel of each block and drop the others: fine stripes would turn into false coarse ones "
            "(aliasing). Let every pixel of the block count.",
        )
        need(not (side > 1 and close(answer, expected * side**2)), "You add the block's pixels up: divide by how many.")
        need(
            size == 12 or not close(answer.mean(1, keepdim=True).expand_as(answer), answer),
            "The three colours came out alike: average over places only, not over the channels.",
        )
        need(close(answer, expected), f"At size {size} the pixels are not the means of their blocks.")


@check("Score a pair by cosine", "Scores lie in [-1, 1] and do not depend on the embeddings' lengths.")
def check_cosine_scores(attempt: Callable[..., Any]) -> None:
    """``attempt(first (N, d), second (N, d))`` must be the cosine of each row of one with that row of the other."""
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 4, 6)) * [[[0.5]], [[3.0]]]
    answer = tensor(attempt(torch.from_numpy(first), torch.from_numpy(second)), (4,))
    dots = np.array([sum(a * b) for a, b in zip(first, second, strict=True)])
    lengths = np.array([math.sqrt(sum(a * a)) * math.sqrt(sum(b * b)) for a, b in zip(first, second, strict=True)])
    need(not close(answer, dots), "These are dot products: long embeddings score higher. Divide by both lengths.")
    columns = (first / np.linalg.norm(first, axis=0) * second / np.linalg.norm(second, axis=0)).sum(1)
    need(not close(answer, columns), "You normalise along the batch. Each ROW is an embedding: use dim=1.")
    need(close(answer, dots / lengths), "The scores are not the cosines of row with row.")
    again = tensor(attempt(torch.from_numpy(first * 7), torch.from_numpy(second)), (4,))
    need(close(again, answer), "The score changes when an embedding is made seven times longer; it must not.")


@check("Accuracy at a threshold", "Both kinds of pairs count, and a score equal to the threshold is accepted.")
def check_accuracy_at(attempt: Callable[..., Any]) -> None:
    """``attempt(scores (P,), genuine (P,) bool, threshold)`` must be the share of pairs decided rightly."""
    scores = np.array([0.9, 0.4, 0.5, 0.1, 0.7, 0.2, 0.3])
    genuine = np.array([True, True, True, False, False, False, True])
    for threshold in (0.5, 0.35, 2.0):
        answer = number(attempt(scores.copy(), genuine.copy(), threshold))
        right = sum(1 for s, g in zip(scores, genuine, strict=True) if bool(s >= threshold) is bool(g))
        accepted = np.mean([s >= threshold for s, g in zip(scores, genuine, strict=True) if g])
        need(
            not (close(answer, accepted) and not close(answer, right / 7)),
            "That is the share of GENUINE pairs accepted. Impostor pairs that are rejected are decided rightly too.",
        )
        need(not close(answer, 1 - right / 7), "That is the share of pairs decided wrongly.")
        strict = sum(1 for s, g in zip(scores, genuine, strict=True) if bool(s > threshold) is bool(g))
        need(
            not (strict != right and close(answer, strict / 7)),
            "A score equal to the threshold must be accepted: use >=, not >.",
        )
        need(close(answer, right / 7), f"At threshold {threshold} the answer should count {right} right of 7 pairs.")


@check("How far two groups of scores lie apart", "The gap of the means, in units of the pooled standard deviation.")
def check_d_prime(attempt: Callable[..., Any]) -> None:
    """``attempt(scores, genuine)`` must be (mean_g - mean_i) / sqrt((var_g + var_i) / 2)."""
    scores = np.array([1.0, 2.0, 4.0, 0.0, -1.0, 0.5, -3.0])
    genuine = np.array([True, True, True, False, False, False, False])

    def parts(values: list[float]) -> tuple[float, float]:
        mean = sum(values) / len(values)
        return mean, sum((v - mean) ** 2 for v in values) / len(values)

    (m1, v1), (m0, v0) = parts([1.0, 2.0, 4.0]), parts([0.0, -1.0, 0.5, -3.0])
    expected = (m1 - m0) / math.sqrt((v1 + v0) / 2)
    answer = number(attempt(scores, genuine))
    need(not close(answer, -expected), "The sign is turned around: genuine pairs should score higher.")
    need(not close(answer, (m1 - m0) / ((v1 + v0) / 2)), "You divide by the variance; take its square root.")
    need(not close(answer, (m1 - m0) / math.sqrt(v1 + v0)), "Divide by the MEAN of the two variances, not their sum.")
    need(not close(answer, m1 - m0), "That is the gap of the means alone; measure it in standard deviations.")
    need(close(answer, expected), f"For the test scores it should be {expected:.3f}, not {answer:.3f}.")
    moved = number(attempt(scores * 3 + 1, genuine))
    need(close(moved, expected), "Scaling and moving all scores must not change d'.")

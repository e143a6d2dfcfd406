"""Checks of notebook 00: reducing a face, scoring a pair, deciding, and how far two groups of scores lie apart."""

import math

import numpy as np
import torch

from gdrd_lab.course.exercises import Attempt, check, close, need, number, reject, tensor


@check("Average blocks of pixels", "Each small pixel is the mean of its own block, colour by colour.")
def check_block_average(attempt: Attempt) -> None:
    """``attempt(faces (N, 3, S, S), size)`` must be the mean over blocks of S / size pixels on a side."""
    faces = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    for size in (4, 3, 12):
        given = faces.clone()
        answer, side = tensor(attempt(given, size), (2, 3, size, size)), 12 // size
        expected = torch.nn.functional.avg_pool2d(faces.double(), side)
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
def check_cosine_scores(attempt: Attempt) -> None:
    """``attempt(first (N, d), second (N, d))`` must be the cosine of each row of one with that row of the other."""
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 4, 6)) * [[[0.5]], [[3.0]]]
    answer = tensor(attempt(torch.from_numpy(first), torch.from_numpy(second)), (4,))
    dots = np.array([sum(a * b) for a, b in zip(first, second, strict=True)])
    lengths = np.array([math.sqrt(sum(a * a)) * math.sqrt(sum(b * b)) for a, b in zip(first, second, strict=True)])
    reject(answer, dots, "These are dot products: long embeddings score higher. Divide by both lengths.")
    columns = (first / np.linalg.norm(first, axis=0) * second / np.linalg.norm(second, axis=0)).sum(1)
    reject(answer, columns, "You normalise along the batch. Each ROW is an embedding: use dim=1.")
    need(close(answer, dots / lengths), "The scores are not the cosines of row with row.")
    again = tensor(attempt(torch.from_numpy(first * 7), torch.from_numpy(second)), (4,))
    need(close(again, answer), "The score changes when an embedding is made seven times longer; it must not.")


@check("Accuracy at a threshold", "Both kinds of pairs count, and a score equal to the threshold is accepted.")
def check_accuracy_at(attempt: Attempt) -> None:
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
        reject(answer, 1 - right / 7, "That is the share of pairs decided wrongly.")
        strict = sum(1 for s, g in zip(scores, genuine, strict=True) if bool(s > threshold) is bool(g))
        need(
            not (strict != right and close(answer, strict / 7)),
            "A score equal to the threshold must be accepted: use >=, not >.",
        )
        need(close(answer, right / 7), f"At threshold {threshold} the answer should count {right} right of 7 pairs.")


@check("How far two groups of scores lie apart", "The gap of the means, in units of the pooled standard deviation.")
def check_d_prime(attempt: Attempt) -> None:
    """``attempt(scores, genuine)`` must be (mean_g - mean_i) / sqrt((var_g + var_i) / 2)."""
    scores = np.array([1.0, 2.0, 4.0, 0.0, -1.0, 0.5, -3.0])
    genuine = np.array([True, True, True, False, False, False, False])
    (m1, v1), (m0, v0) = ((part.mean(), part.var()) for part in (scores[genuine], scores[~genuine]))
    expected = (m1 - m0) / math.sqrt((v1 + v0) / 2)
    answer = number(attempt(scores, genuine))
    reject(answer, -expected, "The sign is turned around: genuine pairs should score higher.")
    reject(answer, (m1 - m0) / ((v1 + v0) / 2), "You divide by the variance; take its square root.")
    reject(answer, (m1 - m0) / math.sqrt(v1 + v0), "Divide by the MEAN of the two variances, not their sum.")
    reject(answer, m1 - m0, "That is the gap of the means alone; measure it in standard deviations.")
    need(close(answer, expected), f"For the test scores it should be {expected:.3f}, not {answer:.3f}.")
    moved = number(attempt(scores * 3 + 1, genuine))
    need(close(moved, expected), "Scaling and moving all scores must not change d'.")

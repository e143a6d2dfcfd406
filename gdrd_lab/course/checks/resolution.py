"""Checks of notebook 00: reducing a face, scoring a pair, deciding, and how far two groups of scores lie apart."""

import numpy as np
import torch

from gdrd_lab.course.exercises import Attempt, check, draw_pairs, judge, number, tensor


@check("Average blocks of pixels", "Each small pixel is the mean of its own block, colour by colour.")
def check_block_average(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(faces (N, 3, S, S), size)`` must be the mean over blocks of S / size pixels on a side."""
    for count, size, block in ((2, *random.integers(2, 6, 2)), (4, *random.integers(2, 6, 2)), (1, 3, 1), (2, 1, 5)):
        size, block = int(size), int(block)
        faces = torch.from_numpy(random.uniform(size=(count, 3, size * block, size * block))).float()
        answer = tensor(attempt(faces, size), (count, 3, size, size))
        expected, grey = torch.nn.functional.avg_pool2d(faces, block), answer.float().mean(1, True).expand_as(answer)
        mistakes = {
            "You keep one pixel of each block and drop the others: fine stripes would turn into false coarse ones "
            "(aliasing). Let every pixel of the block count.": faces[:, :, ::block, ::block],
            "You add the block's pixels up: divide by how many.": expected * block**2,
            "The three colours came out alike: average over places only, not over the channels.": grey,
        }
        judge(answer, expected, mistakes, f"At size {size} the pixels are not the means of their blocks.")


@check("Score a pair by cosine", "Scores lie in [-1, 1] and do not depend on the embeddings' lengths.")
def check_cosine_scores(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(first (N, d), second (N, d))`` must be the cosine of each row of one with that row of the other."""
    count, width = random.choice(np.arange(3, 9), 2, replace=False)
    first, second = (random.normal(size=(count, width)) * random.uniform(0.2, 5, (count, 1)) for _ in range(2))
    answer = tensor(attempt(torch.from_numpy(first), torch.from_numpy(second)), (count,))
    dots = np.array([sum(a * b) for a, b in zip(first, second, strict=True)])
    squares = np.array([sum(a * a) * sum(b * b) for a, b in zip(first, second, strict=True)])
    columns = (first / np.linalg.norm(first, axis=0) * second / np.linalg.norm(second, axis=0)).sum(1)
    mistakes = {
        "These are dot products: long embeddings score higher. Divide by both lengths.": dots,
        "You normalise along the batch. Each ROW is an embedding: use dim=1.": columns,
        "You divide by squared lengths: a length is the square root of the sum of squares.": dots / squares,
    }
    judge(answer, dots / np.sqrt(squares), mistakes, "The scores are not the cosines of row with row.")


@check("Accuracy at a threshold", "Both kinds of pairs count, and a score equal to the threshold is accepted.")
def check_accuracy_at(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(scores (P,), genuine (P,) bool, threshold)`` must be the share of pairs decided rightly."""
    scores, genuine, thresholds = draw_pairs(random)
    for threshold in (*thresholds.tolist(), 3.0):
        answer = number(attempt(scores, genuine, threshold))
        decided = [(bool(s >= threshold), bool(g)) for s, g in zip(scores, genuine, strict=True)]
        right = sum(accepted is same for accepted, same in decided)
        found = np.mean([accepted for accepted, same in decided if same])
        mistakes = {
            "That is the share of GENUINE pairs accepted. Rejecting an impostor pair is right too.": found,
            "That is the share of pairs decided wrongly.": 1 - right / len(scores),
            "That is the number of pairs; divide by how many there are.": right,
            "A score equal to the threshold must be accepted: use >=, not >.": np.mean((scores > threshold) == genuine),
        }
        otherwise = f"At threshold {threshold} the answer should count {right} right of {len(scores)} pairs."
        judge(answer, right / len(scores), mistakes, otherwise)


@check("How far two groups of scores lie apart", "The gap of the means, in units of the pooled standard deviation.")
def check_d_prime(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(scores, genuine)`` must be (mean_g - mean_i) / sqrt((var_g + var_i) / 2)."""
    genuine = draw_pairs(random)[1]
    scores = random.normal(size=len(genuine)) * np.where(genuine, 0.5, 2) + random.uniform(1, 3) * genuine
    (m1, v1), (m0, v0) = ((part.mean(), part.var()) for part in (scores[genuine], scores[~genuine]))
    expected = (m1 - m0) / np.sqrt((v1 + v0) / 2)
    answer = number(attempt(scores, genuine))
    mistakes = {
        "The sign is turned around: genuine pairs should score higher.": -expected,
        "You divide by the variance; take its square root.": (m1 - m0) / ((v1 + v0) / 2),
        "Divide by the MEAN of the two variances, not their sum.": (m1 - m0) / np.sqrt(v1 + v0),
        "Take the root of the mean variance, not the mean of the roots.": 2 * (m1 - m0) / (v1**0.5 + v0**0.5),
        "That is the gap of the means alone; measure it in standard deviations.": m1 - m0,
    }
    judge(answer, expected, mistakes, f"For the test scores it should be {expected:.3f}, not {answer:.3f}.")

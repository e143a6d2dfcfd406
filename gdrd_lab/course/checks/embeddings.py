"""Checks of notebook 05: variance on a map, kept neighbours, CKA, and a deletion score."""

import numpy as np

from gdrd_lab.course.exercises import Attempt, check, judge, number, unit


@check("How much variance a map shows", "The share of the centred variance along the two main directions.")
def check_shown_variance(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(embeddings (N, d))`` must be the share of variance on the two main directions."""
    for rows, width in ((int(random.integers(9, 15)), 5), (5, int(random.integers(7, 10)))):
        turned = random.normal(size=(rows, width)) * random.uniform(0.3, 3, width) @ random.normal(size=(width, width))
        x = turned + 3 * random.normal(size=width)
        values, uncentred = (np.linalg.eigvalsh(m)[::-1].clip(0) for m in (np.cov(x.T), x.T @ x))
        expected, roots = values[:2].sum() / values.sum(), np.sqrt(values)
        answer = number(attempt(x))
        mistakes = {
            "Centre the embeddings first (subtract the mean row).": uncentred[:2].sum() / uncentred.sum(),
            "Singular values are not variances: square them.": roots[:2].sum() / roots.sum(),
            "That is one direction; a map has two.": values[0] / values.sum(),
            "That is the share NOT shown.": 1 - expected,
        }
        judge(answer, expected, mistakes, f"It should be {expected:.3f}, not {answer:.3f}.")


@check("Neighbours a map keeps", "A share of 1 would mean that the map tears no neighbours apart.")
def check_kept_neighbours(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(embeddings (N, d) unit, points (N, 2), k)`` must be the mean share of kept k nearest neighbours."""
    count = int(random.integers(9, 14))
    e = unit(random.normal(size=(count, 4)))
    p = 9 * e[:, :2] + 4 * random.normal(size=(count, 2)) + 30

    def share(k: int, own: bool = False, by_angle: bool = False, turned: int = 1) -> float:
        in_space, on_map = -(e @ e.T), -(p @ p.T) if by_angle else np.square(p[:, None] - p[None]).sum(2)
        kept = 0
        for i in range(count):
            others = [j for j in range(count) if own or j != i]
            first, second = (sorted(others, key=(turned * table[i]).__getitem__)[:k] for table in (in_space, on_map))
            kept += len(set(first) & set(second))
        return kept / k / count

    for k in (1, int(random.integers(2, 4)), int(random.integers(4, 7))):
        answer, expected, angles = number(attempt(e, p, k)), share(k), share(k, by_angle=True)
        mistakes = {
            "A face counts as its own neighbour in your answer; leave it out.": share(k, own=True),
            "On the map use distances, not dot products: it has no origin that means anything.": angles,
            "These are the farthest; mind the order of argsort.": share(k, turned=-1),
            "That is a count of neighbours; divide by k.": expected * k,
        }
        judge(answer, expected, mistakes, f"With k = {k} the share should be {expected:.3f}, not {answer:.3f}.")


@check("Linear CKA", "Alike up to a turn, a scale and a shift; never above one.")
def check_cka(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(x (N, p), y (N, q))`` must be the linear CKA."""
    rows, p, q = (int(n) for n in random.choice(np.arange(3, 11), 3, replace=False))
    x = random.normal(size=(rows, p)) + 2 * random.normal(size=p)
    for y in (random.normal(size=(rows, q)) - 1, x @ random.normal(size=(p, q)) + random.normal(size=(rows, q)), x * 5):
        a, b = x - x.mean(0), y - y.mean(0)
        above = [np.sum((v.T @ u) ** 2) for u, v in ((a, b), (x, y))]
        below = [np.sqrt(np.sum((u.T @ u) ** 2) * np.sum((v.T @ v) ** 2)) for u, v in ((a, b), (x, y))]
        expected = above[0] / below[0]
        answer = number(attempt(x, y))
        mistakes = {
            "Centre the columns of both first: a shift must change nothing.": above[1] / below[1],
            "The numerator is the SQUARED Frobenius norm.": np.sqrt(above[0]) / below[0],
            "That is the root of it: the numerator is squared and the denominator is not.": np.sqrt(expected),
            "Divide by the norms of X'X and Y'Y, so that equal ones give 1.": above[0],
        }
        judge(answer, expected, mistakes, f"It should be {expected:.4f}, not {answer:.4f}.")


@check("A deletion score", "Area under the curve by trapezoids; low means that the map found what mattered.")
def check_deletion_score(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(fractions (K,), scores (K,))`` must be the area under the curve by the trapezoid rule."""
    for low, high in ((0.0, 1.0), (random.uniform(0, 0.2), random.uniform(0.7, 0.9))):
        fractions = np.array([low, *np.sort(random.uniform(low, high, int(random.integers(2, 7)))), high])
        scores = np.sort(random.uniform(0, 1, len(fractions)))[::-1] + 0.1 * random.normal(size=len(fractions))
        steps = [(fractions[i + 1] - fractions[i], scores[i], scores[i + 1]) for i in range(len(scores) - 1)]
        wanted = sum(width * (left + right) / 2 for width, left, right in steps)
        answer = number(attempt(fractions, scores))
        mistakes = {
            "The steps are not equally wide: weigh each by its width.": scores.mean(),
            "You take each step's left end; a trapezoid takes the mean of both ends.": sum(w * a for w, a, _ in steps),
            "You take each step's right end; a trapezoid takes the mean of both ends.": sum(w * b for w, _, b in steps),
            "The area comes out negative: fractions rise from 0 to 1.": -wanted,
            "The mean of both ends is half of their sum.": wanted * 2,
        }
        judge(answer, wanted, mistakes, f"It should be {wanted:.4f}, not {answer:.4f}.")

"""Checks of notebook 05: variance on a map, kept neighbours, CKA, and a deletion score."""

import numpy as np

from gdrd_lab.course.exercises import Attempt, check, close, need, number, reject, unit


@check("How much variance a map shows", "The share of the centred variance along the two main directions.")
def check_shown_variance(attempt: Attempt) -> None:
    """``attempt(embeddings (N, d))`` must be the share of variance on the two main directions."""
    random = np.random.default_rng(21)
    x = random.normal(size=(12, 5)) * [3, 2, 1, 0.5, 0.2] + [4, 0, 0, 0, 0]
    values = np.sort(np.linalg.eigvalsh(np.cov(x.T)))[::-1]
    answer = number(attempt(x.copy()))
    uncentred = np.sort(np.linalg.eigvalsh(x.T @ x))[::-1]
    reject(answer, uncentred[:2].sum() / uncentred.sum(), "Centre the embeddings first (subtract the mean row).")
    roots = np.sqrt(values)
    reject(answer, roots[:2].sum() / roots.sum(), "Singular values are not variances: square them.")
    reject(answer, values[0] / values.sum(), "That is one direction; a map has two.")
    reject(answer, 1 - values[:2].sum() / values.sum(), "That is the share NOT shown.")
    need(close(answer, values[:2].sum() / values.sum()), f"It should be {values[:2].sum() / values.sum():.3f}.")


@check("Neighbours a map keeps", "A share of 1 would mean that the map tears no neighbours apart.")
def check_kept_neighbours(attempt: Attempt) -> None:
    """``attempt(embeddings (N, d) unit, points (N, 2), k)`` must be the mean share of kept k nearest neighbours."""
    random = np.random.default_rng(22)
    e, p = unit(random.normal(size=(9, 4))), random.normal(size=(9, 2)) + 5

    def share(k: int, own: bool, by_angle: bool) -> float:
        in_space, on_map = -(e @ e.T), -(p @ p.T) if by_angle else np.square(p[:, None] - p[None]).sum(2)
        kept = 0
        for i in range(9):
            others = [j for j in range(9) if own or j != i]
            first, second = (sorted(others, key=table[i].__getitem__)[:k] for table in (in_space, on_map))
            kept += len(set(first) & set(second))
        return kept / k / 9

    for k in (1, 3):
        answer, expected = number(attempt(e.copy(), p.copy(), k)), share(k, False, False)
        need(
            close(expected, share(k, True, False)) or not close(answer, share(k, True, False)),
            "A face counts as its own neighbour in your answer; leave it out.",
        )
        need(
            close(expected, share(k, False, True)) or not close(answer, share(k, False, True)),
            "On the map use distances, not dot products: it has no origin that means anything.",
        )
        need(not (k > 1 and close(answer, expected * k)), "That is a count of neighbours; divide by k.")
        need(close(answer, expected), f"With k = {k} the share should be {expected:.3f}, not {answer:.3f}.")


@check("Linear CKA", "Alike up to a turn, a scale and a shift; never above one.")
def check_cka(attempt: Attempt) -> None:
    """``attempt(x (N, p), y (N, q))`` must be the linear CKA."""
    random = np.random.default_rng(23)
    x, y = random.normal(size=(10, 3)) + 2, random.normal(size=(10, 4)) - 1

    def direct(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sum((b.T @ a) ** 2) / np.sqrt(np.sum((a.T @ a) ** 2) * np.sum((b.T @ b) ** 2)))

    a, b = x - x.mean(0), y - y.mean(0)
    answer = number(attempt(x.copy(), y.copy()))
    reject(answer, direct(x, y), "Centre the columns of both first: a shift must change nothing.")
    reject(answer, np.sqrt(direct(a, b)), "The numerator is the SQUARED Frobenius norm.")
    reject(answer, np.sum((b.T @ a) ** 2), "Divide by the norms of X'X and Y'Y, so that equal ones give 1.")
    need(close(answer, direct(a, b)), f"It should be {direct(a, b):.4f}, not {answer:.4f}.")
    need(close(number(attempt(x * 5, x)), 1), "A representation and itself, scaled, must give 1.")


@check("A deletion score", "Area under the curve by trapezoids; low means that the map found what mattered.")
def check_deletion_score(attempt: Attempt) -> None:
    """``attempt(fractions (K,), scores (K,))`` must be the area under the curve by the trapezoid rule."""
    fractions, scores = np.array([0.0, 0.1, 0.4, 1.0]), np.array([1.0, 0.7, 0.3, 0.1])
    wanted = sum((fractions[i + 1] - fractions[i]) * (scores[i] + scores[i + 1]) / 2 for i in range(3))
    answer = number(attempt(fractions, scores))
    reject(answer, scores.mean(), "The steps are not equally wide: weigh each by its width.")
    left = sum((fractions[i + 1] - fractions[i]) * scores[i] for i in range(3))
    reject(answer, left, "You take each step's left end; a trapezoid takes the mean of both ends.")
    reject(answer, -wanted, "The area comes out negative: fractions rise from 0 to 1.")
    need(close(answer, wanted), f"It should be {wanted:.4f}, not {answer:.4f}.")

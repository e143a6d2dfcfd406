"""Checks of notebook 07: alignment, splitting by person, enrolment, and saying "nobody"."""

import math
from typing import Any

import numpy as np

from gdrd_lab.course.exercises import Attempt, Wrong, check, close, need, reject, tensor, unit


def _array(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    return tensor(value if value is None else np.asarray(value), shape).numpy()


@check("A similarity from landmarks", "Scale, turn and shift that bring the landmarks nearest to the template.")
def check_similarity_matrix(attempt: Attempt) -> None:
    """``attempt(points (5, 2), template (5, 2))`` must be the least-squares similarity (2, 3)."""
    random = np.random.default_rng(31)
    points = random.uniform(20, 90, (5, 2))
    scale, angle, shift = 1.7, 0.4, np.array([12.0, -5.0])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    answer = _array(attempt(points.copy(), points @ (scale * turn).T + shift), (2, 3))
    wanted = np.hstack([scale * turn, shift[:, None]])
    back = np.hstack([turn.T / scale, (-turn.T / scale @ shift)[:, None]])
    reject(answer, back, "Your matrix maps the template to the points; it should map points to template.", 1e-3)
    need(
        close(answer[:, :2], wanted[:, :2], 1e-3), "Scale and turn are wrong: the test is a turn by 0.4 rad, times 1.7."
    )
    need(close(answer[:, 2], wanted[:, 2], 1e-3), "The shift is wrong: it moves the turned and scaled points' mean.")
    noisy = points @ (scale * turn).T + shift + random.normal(size=(5, 2))
    a = _array(attempt(points.copy(), noisy), (2, 3))
    need(
        close(a[0, 0], a[1, 1], 1e-3) and close(a[0, 1], -a[1, 0], 1e-3),
        "With inexact landmarks your matrix shears the face. A similarity is [[a, -b, x], [b, a, y]].",
    )
    system = np.zeros((10, 4))
    system[0::2] = np.column_stack([points[:, 0], -points[:, 1], np.ones(5), np.zeros(5)])
    system[1::2] = np.column_stack([points[:, 1], points[:, 0], np.zeros(5), np.ones(5)])
    best = np.linalg.lstsq(system, noisy.reshape(-1), rcond=None)[0]
    wanted = np.array([[best[0], -best[1], best[2]], [best[1], best[0], best[3]]])
    need(close(a, wanted, 1e-3), "It is not the least-squares one.")


@check("Hold out people", "Nobody is on both sides, and the same seed holds out the same people.")
def check_hold_out(attempt: Attempt) -> None:
    """``attempt(labels (N,), share, seed)`` must be a mask of the faces of about ``share`` of the people."""
    labels = np.repeat(np.arange(10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    for seed in (0, 1):
        mask = _array(attempt(labels.copy(), 0.3, seed), (55,))
        need(mask.dtype == bool, "Return a mask of booleans, True for faces held out.")
        out, kept = set(labels[mask]), set(labels[~mask])
        need(
            not out & kept,
            f"{len(out & kept)} people have faces on both sides: what was learned leaks. Draw PEOPLE, not faces.",
        )
        need(len(out) == 3, f"{len(out)} of 10 people are held out; asked for 3.")
        again = _array(attempt(labels.copy(), 0.3, seed), (55,))
        need(np.array_equal(mask, again), "The same seed must hold out the same people.")
    first, second = (_array(attempt(labels.copy(), 0.3, seed), (55,)) for seed in (0, 5))
    need(not np.array_equal(first, second), "The seed has no effect.")


@check("Enrol people by their mean", "One unit vector for each person, and no photograph outweighs another.")
def check_enrol_mean(attempt: Attempt) -> None:
    """``attempt(embeddings (N, d), labels (N,))`` must be (people, d): unit means of unit embeddings."""
    random = np.random.default_rng(33)
    raw = random.normal(size=(7, 4)) * random.uniform(0.2, 5, (7, 1))
    labels = np.array([0, 0, 1, 1, 1, 2, 0])

    def means(vectors: np.ndarray) -> np.ndarray:
        return np.array([vectors[labels == p].mean(0) for p in range(3)])

    answer = _array(attempt(raw.copy(), labels.copy()), (3, 4))
    reject(answer, means(unit(raw)), "The mean of unit vectors is shorter than one: normalise the mean too.")
    reject(
        answer,
        unit(means(raw)),
        "A photograph with a long embedding outweighs the others: bring each to unit length before the mean.",
    )
    reject(answer, means(raw), "Normalise each embedding, take the mean, normalise again.")
    need(close(answer, unit(means(unit(raw)))), "The rows are not the unit means of each person's unit embeddings.")


@check("Who is it, or nobody?", "The best person if good enough, else -1.")
def check_who(attempt: Attempt) -> None:
    """``attempt(probes (P, d), gallery (G, d), threshold)``, unit rows, must be the best row or -1."""
    random = np.random.default_rng(34)
    probes, gallery = random.normal(size=(6, 5)), random.normal(size=(3, 5))
    probes[:3] = gallery + 0.3 * random.normal(size=(3, 5))
    probes, gallery = unit(probes), unit(gallery)
    scores = np.array([[float(np.dot(p, g)) for g in gallery] for p in probes])
    threshold, best = 0.8, scores.argmax(1)
    answer = _array(attempt(probes.copy(), gallery.copy(), threshold), (6,))
    wanted = np.where(scores.max(1) >= threshold, best, -1)
    need(not np.array_equal(answer, best), "A stranger always gets a name. Below the threshold the answer is -1.")
    turned = np.where(scores.max(1) >= threshold, -1, best)
    need(not np.array_equal(answer, turned), "The threshold works the wrong way.")
    first = np.where((scores >= threshold).any(1), (scores >= threshold).argmax(1), -1)
    low = _array(attempt(probes.copy(), gallery.copy(), -1.0), (6,))
    if np.array_equal(answer, first) and not np.array_equal(low, best):
        raise Wrong("You return the FIRST person above the threshold; return the best one.")
    need(np.array_equal(answer, wanted), f"It should be {wanted.tolist()}, not {answer.tolist()}.")
    need(np.array_equal(low, best), "With a threshold of -1 everybody is accepted: the best row each.")

"""Checks of notebook 07: alignment, splitting by person, enrolment, and saying "nobody"."""

import math

import numpy as np

from gdrd_lab.course.exercises import Attempt, array, check, close, judge, need, unit


@check("A similarity from landmarks", "Scale, turn and shift that bring the landmarks nearest to the template.")
def check_similarity_matrix(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(points (5, 2), template (5, 2))`` must be the least-squares similarity (2, 3)."""
    for noise in (0, 1, 15):
        points = random.uniform(20, 90, (5, 2))
        scale, angle, shift = random.uniform(0.5, 2), random.uniform(-3, 3), random.uniform(-30, 30, 2)
        turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        template = points @ turn.T + shift + noise * random.normal(size=(5, 2))

        def fit(points: np.ndarray, template: np.ndarray) -> np.ndarray:
            """Least squares in closed form: in complex numbers q = (a + bi) p + t."""
            p, q = (rows[:, 0] + 1j * rows[:, 1] for rows in (points, template))
            z = np.vdot(p - p.mean(), q - q.mean()) / np.vdot(p - p.mean(), p - p.mean())
            t = q.mean() - z * p.mean()
            return np.array([[z.real, -z.imag, t.real], [z.imag, z.real, t.imag]])

        wanted, answer = fit(points, template), array(attempt(points, template), (2, 3))
        turned, similar = close(answer[:, :2], wanted[:, :2]), close(answer[0, :2], answer[1, 1::-1] * [1, -1], 1e-3)
        back = "Your matrix maps the template to the points; it should map points to template."
        need(turned or not close(answer, fit(template, points)), back)
        shears = "With inexact landmarks your matrix shears the face. A similarity is [[a, -b, x], [b, a, y]]."
        need(similar or not noise, shears)
        exact = f"Scale and turn are wrong: the test is a turn by {angle:.2f} rad, times {scale:.2f}."
        need(turned, "It is not the least-squares one." if noise else exact)
        need(close(answer, wanted), "The shift is wrong: it moves the turned and scaled points' mean.")


@check("Hold out people", "Nobody is on both sides, and the same seed holds out the same people.")
def check_hold_out(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(labels (N,), share, seed)`` must be a mask of the faces of about ``share`` of the people."""
    for people, wanted in ((int(random.integers(9, 12)), 4), (8, 5)):
        names = np.sort(random.choice(60, people, replace=False))
        labels = random.permutation(np.repeat(names, random.integers(1, 7, people)))
        draws: list[tuple[int, ...]] = []
        for seed in range(30):
            mask = array(attempt(labels, wanted / people, seed), (len(labels),))
            need(mask.dtype == bool, "Return a mask of booleans, True for faces held out.")
            out, kept = {int(n) for n in labels[mask]}, set(labels[~mask])
            leaks = "people have faces on both sides: what was learned leaks. Draw PEOPLE, not faces."
            need(not out & kept, f"{len(out & kept)} {leaks}")
            count = f"{len(out)} of {people} people are held out; asked for {wanted}. Is anyone drawn twice?"
            need(len(out) == wanted, count)
            draws.append(tuple(sorted(out)))
            again = mask if seed else array(attempt(labels, wanted / people, seed), (len(labels),))
            need(np.array_equal(mask, again), "The same seed must hold out the same people.")
        need(len(set(draws)) > 1, "The seed has no effect.")
        chosen = {name for draw in draws for name in draw}
        need(len(chosen) == people, f"In 30 seeds only {len(chosen)} of {people} people are ever held out.")
        need(len(set(draws)) > people, "The draws repeat themselves: draw people at random, each independently.")


@check("Enrol people by their mean", "One unit vector for each person, and no photograph outweighs another.")
def check_enrol_mean(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(embeddings (N, d), labels (N,))`` must be (people, d): unit means of unit embeddings."""
    people, width = (int(n) for n in random.choice(np.arange(3, 8), 2, replace=False))
    labels = random.permutation([*range(people), *random.integers(0, people, 2 * people)])
    raw = random.normal(size=(len(labels), width)) * random.uniform(0.2, 5, (len(labels), 1))

    def means(vectors: np.ndarray) -> np.ndarray:
        return np.array([vectors[labels == p].mean(0) for p in range(people)])

    answer = array(attempt(raw, labels), (people, width))
    mistakes = {
        "The mean of unit vectors is shorter than one: normalise the mean too.": means(unit(raw)),
        "A photograph with a long embedding outweighs the others: normalise each before the mean.": unit(means(raw)),
        "Normalise each embedding, take the mean, normalise again.": means(raw),
    }
    wanted = unit(means(unit(raw)))
    judge(answer, wanted, mistakes, "The rows are not the unit means of each person's unit embeddings.")


@check("Who is it, or nobody?", "The best person if good enough, else -1.")
def check_who(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(probes (P, d), gallery (G, d), threshold)``, unit rows, must be the best row or -1."""
    people, width = (int(n) for n in random.choice(np.arange(3, 8), 2, replace=False))
    gallery = unit(random.normal(size=(people, width)))
    known = random.permutation(np.arange(people).repeat(2))
    probes = unit(np.vstack([gallery[known] + 0.3 * random.normal(size=(2 * people, width)), -gallery[:2]]))
    axes = np.array([[0.0, 1, 0, 0], [0, 0, 0, -1], [1, 0, 0, 0]])
    halves = np.array([[-0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, 0.5]])  # the best score is exactly 0.5
    best = np.sort((probes @ gallery.T).max(1))
    middle = float(best[np.diff(best).argmax() :][:2].mean())  # of the widest gap
    lines = (middle, -1.0, random.uniform(0.2, 0.5))
    for given, among, threshold in (*((probes, gallery, line) for line in lines), (halves, axes, 0.5)):
        scores = np.array([[float(np.dot(p, g)) for g in among] for p in given])
        top, passed = scores.argmax(1), scores >= threshold
        wanted, first = (np.where(passed.any(1), row, -1) for row in (top, passed.argmax(1)))
        answer = array(attempt(given, among, threshold), (len(given),))
        mistakes = {
            "A stranger always gets a name. Below the threshold the answer is -1.": top,
            "A score equal to the threshold is good enough: use >=.": np.where(scores.max(1) > threshold, top, -1),
            "The threshold works the wrong way.": np.where(passed.any(1), -1, top),
            "You return the FIRST person above the threshold; return the best one.": first,
        }
        judge(answer, wanted, mistakes, f"It should be {wanted.tolist()}, not {answer.tolist()}.")

"""Checks of notebook 06: rates at a threshold, an honest threshold, resampling of people, and rates by group."""

import numpy as np

from gdrd_lab.course.exercises import Attempt, Wrong, check, close, need, number, reject, tensor

SCORES = np.array([0.9, 0.35, 0.6, 0.2, 0.7, 0.1, 0.5, 0.45, 0.8, 0.3])
GENUINE = np.array([1, 0, 1, 0, 0, 0, 1, 0, 1, 1], bool)


@check("False and true accept rate", "Each rate is a share of its own kind of pairs.")
def check_rates(attempt: Attempt) -> None:
    """``attempt(scores, genuine, threshold)`` must return (FAR, TAR)."""
    for threshold in (0.4, 0.25):
        found = attempt(SCORES.copy(), GENUINE.copy(), threshold)
        need(found is not None, "Your function returns nothing: return two numbers, FAR and TAR.")
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong("Return two numbers: FAR first, TAR second.")
        far, tar = number(found[0]), number(found[1])
        accepted = threshold <= SCORES
        false, true = (int(np.sum(accepted & kind)) for kind in (~GENUINE, GENUINE))
        need(not (close(far, true / 5) and close(tar, false / 5)), "The two are exchanged: FAR first, TAR second.")
        reject(far, false / 10, "FAR is a share of the IMPOSTOR pairs, not of all pairs.")
        reject(far, false / (false + true), "That is the share of accepted pairs that are wrong, not the FAR.")
        need(close(far, false / 5), f"At {threshold} the FAR should be {false} of 5 impostor pairs.")
        need(close(tar, true / 5), f"At {threshold} the TAR should be {true} of 5 genuine pairs.")


@check("A threshold chosen elsewhere", "No fold is judged at a threshold that its own pairs helped to choose.")
def check_held_out_accuracy(attempt: Attempt) -> None:
    """``attempt(scores, genuine, fold, candidates)`` must be the mean accuracy at the other folds' best candidate."""
    fold = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    candidates = np.array([0.15, 0.25, 0.4, 0.48, 0.55, 0.75])

    def right(rows: np.ndarray, threshold: float) -> float:
        return float(np.mean((SCORES[rows] >= threshold) == GENUINE[rows]))

    def best(rows: np.ndarray) -> float:
        return float(candidates[int(np.argmax([right(rows, c) for c in candidates]))])

    honest = np.mean([right(fold == f, best(fold != f)) for f in range(3)])
    answer = number(attempt(SCORES.copy(), GENUINE.copy(), fold.copy(), candidates.copy()))
    reject(
        answer,
        np.mean([right(fold == f, best(fold == f)) for f in range(3)]),
        "Each fold's threshold is chosen on that fold itself: that flatters. Choose it on the OTHER folds.",
    )
    reject(
        answer,
        np.mean([right(fold == f, best(fold >= 0)) for f in range(3)]),
        "The threshold is chosen on all pairs, the judged ones among them. Leave the judged fold out.",
    )
    turned = np.mean([right(fold != f, best(fold == f)) for f in range(3)])
    reject(answer, turned, "You choose on one fold and judge on the others: turn it around.")
    need(close(answer, honest), f"It should be {honest:.4f}, not {answer:.4f}.")


@check("Resampling people, not pairs", "A pair appears once for each combination of copies of its two people.")
def check_pair_copies(attempt: Attempt) -> None:
    """``attempt(first (P,), second (P,), copies (people,))``: copies of each pair when people are resampled."""
    first, second, copies = np.array([0, 0, 1, 2, 3, 1]), np.array([0, 1, 1, 3, 3, 2]), np.array([3, 2, 0, 1])
    expected = [copies[a] if a == b else copies[a] * copies[b] for a, b in zip(first, second, strict=True)]
    found = attempt(first, second, copies)
    answer = tensor(found if found is None else np.asarray(found), (6,)).numpy()
    reject(answer, copies[first] + copies[second], "Multiply the copies: each of one meets each of the other.")
    reject(
        answer,
        copies[first] * copies[second],
        "A genuine pair shows ONE person: with w copies of them it appears w times, not w squared.",
    )
    reject(answer, copies[first], "An impostor pair needs the copies of both of its people.")
    need(close(answer, expected), f"It should be {[int(e) for e in expected]}, not {answer.tolist()}.")


@check("False matches by group", "One threshold for all, and each group's own impostor pairs below the line.")
def check_group_false_match(attempt: Attempt) -> None:
    """``attempt(scores, genuine, groups, threshold)`` must be {group: false match rate}."""
    groups = np.array([0, 0, 0, 1, 1, 1, 1, 0, 1, 0])
    found = attempt(SCORES.copy(), GENUINE.copy(), groups.copy(), 0.33)
    need(found is not None, "Your function returns nothing: return a dictionary.")
    if not isinstance(found, dict) or {int(k) for k in found} != {0, 1}:
        raise Wrong("Return a dictionary with one entry for each group, 0 and 1.")
    rates = {int(k): number(v) for k, v in found.items()}
    wanted = {g: float(np.mean([s >= 0.33 for s in SCORES[~GENUINE & (groups == g)]])) for g in (0, 1)}
    everyone = {g: float(np.mean(SCORES[groups == g] >= 0.33)) for g in (0, 1)}
    need(rates != everyone, "Genuine pairs are no false matches: leave them out, above and below the line.")
    sums = {g: float(np.sum((SCORES >= 0.33) & ~GENUINE & (groups == g)) / (groups == g).sum()) for g in (0, 1)}
    need(rates != sums, "Divide by the group's IMPOSTOR pairs, not by all of its pairs.")
    missed = {g: 1 - wanted[g] for g in (0, 1)}
    need(not all(close(rates[g], missed[g]) for g in (0, 1)), "These are the impostor pairs rejected, not accepted.")
    need(all(close(rates[g], wanted[g]) for g in (0, 1)), f"It should be {wanted}, not {rates}.")

"""Checks of notebook 06: rates at a threshold, an honest threshold, resampling of people, and rates by group."""

from collections.abc import Callable

import numpy as np

from gdrd_lab.course.exercises import Attempt, Wrong, array, check, close, draw_pairs, judge, need, number

Rows = Callable[[np.ndarray, int], np.ndarray]


@check("False and true accept rate", "Each rate is a share of its own kind of pairs.")
def check_rates(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(scores, genuine, threshold)`` must return (FAR, TAR)."""
    scores, genuine, thresholds = draw_pairs(random)
    pairs, same = len(scores), int(genuine.sum())
    for threshold in (*thresholds.tolist(), float(thresholds[0]) - 1 / 16):
        found = attempt(scores, genuine, threshold)
        need(found is not None, "Your function returns nothing: return two numbers, FAR and TAR.")
        need(np.shape(found) == (2,), "Return two numbers: FAR first, TAR second.")
        accepted = scores >= threshold
        false, true = int(np.sum(accepted & ~genuine)), int(np.sum(accepted & genuine))
        far, tar = false / (pairs - same), true / same
        share = [np.sum((scores > threshold) & kind) / np.sum(kind) for kind in (~genuine, genuine)]
        mistakes = {
            "The two are exchanged: FAR first, TAR second.": (tar, far),
            "FAR is a share of the IMPOSTOR pairs, not of all pairs.": (false / pairs, tar),
            "TAR is a share of the GENUINE pairs, not of all pairs.": (far, true / pairs),
            "Each rate is a share of its own kind of pairs, not of all pairs.": (false / pairs, true / pairs),
            "That is the share of accepted pairs that are wrong, not the FAR.": (false / (false + true), tar),
            "A score equal to the threshold is accepted: use >=, not >.": share,
            "These are the pairs rejected, not accepted.": (1 - far, 1 - tar),
        }
        counts = f"the FAR should be {false} of {pairs - same} impostor pairs, the TAR {true} of {same} genuine pairs"
        judge(array(found, (2,)), (far, tar), mistakes, f"At {threshold} {counts}.")


@check("A threshold chosen elsewhere", "No fold is judged at a threshold that its own pairs helped to choose.")
def check_held_out_accuracy(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(scores, genuine, fold, candidates)`` must be the mean accuracy at the other folds' best candidate."""
    cases = []
    for folds in (3, 4, 5):
        scores, genuine, _ = draw_pairs(random)
        fold = random.permutation([*range(folds), *range(folds), *random.integers(0, folds, len(scores) - 2 * folds)])
        cases.append((scores, genuine, fold, np.sort(random.choice(np.unique(scores), folds + 2, replace=False))))

    def mean(chosen: Rows, judged: Rows = np.equal, order: int = 1) -> list[float]:
        """Return each case's mean accuracy over folds, by the rows that choose and those that are judged."""
        found = []
        for scores, genuine, fold, candidates in cases:
            right = (scores[:, None] >= candidates[::order]) == genuine[:, None]
            best = [right[chosen(fold, f)].mean(0).argmax() for f in np.unique(fold)]  # the first of equals
            found.append(np.mean([right[judged(fold, f), k].mean() for f, k in enumerate(best)]))
        return [float(accuracy) for accuracy in found]

    answers, honest = [number(attempt(*case)) for case in cases], mean(np.not_equal)
    mistakes = {
        "Each fold's threshold is chosen on that fold itself, which flatters. Choose on the OTHERS.": mean(np.equal),
        "The threshold is chosen on all pairs. Leave the judged fold out.": mean(lambda fold, f: fold >= 0),
        "You choose on one fold and judge on the others: turn it around.": mean(np.equal, np.not_equal),
        "You choose and judge on the other folds: judge the one left out.": mean(np.not_equal, np.not_equal),
        "Of candidates that decide equally many rightly, take the first.": mean(np.not_equal, order=-1),
    }
    first = next((k for k, answer in enumerate(answers) if not close(answer, honest[k])), 0)
    judge(answers, honest, mistakes, f"It should be {honest[first]:.4f}, not {answers[first]:.4f}.")


@check("Resampling people, not pairs", "A pair appears once for each combination of copies of its two people.")
def check_pair_copies(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(first (P,), second (P,), copies (people,))``: copies of each pair when people are resampled."""
    people, pairs = int(random.integers(5, 9)), int(random.integers(10, 16))
    copies = random.permutation([0, 1, 2, 3, *random.integers(0, 5, people - 4)])
    first, second = random.integers(0, people, (2, pairs))
    first, second = np.array([*first, *range(people)]), np.array([*second, *range(people)])
    expected = [copies[a] if a == b else copies[a] * copies[b] for a, b in zip(first, second, strict=True)]
    answer, a, b = array(attempt(first, second, copies), (len(first),)), copies[first], copies[second]
    mistakes = {
        "Multiply the copies: each of one meets each of the other.": np.where(first == second, a, a + b),
        "A genuine pair shows ONE person: with w copies of them it appears w times, not w squared.": a * b,
        "An impostor pair needs the copies of both of its people.": a,
    }
    judge(answer, expected, mistakes, f"It should be {[int(e) for e in expected]}, not {answer.tolist()}.")


@check("False matches by group", "One threshold for all, and each group's own impostor pairs below the line.")
def check_group_false_match(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(scores, genuine, groups, threshold)`` must be {group: false match rate}."""
    scores, genuine, thresholds = draw_pairs(random)
    for names, threshold in (([0, 1], thresholds[0]), ([2, 5, 7], thresholds[1]), ([0, 1, 2], thresholds[2] - 1 / 16)):
        groups = np.zeros(len(scores), int)
        for kind in (genuine, ~genuine):
            groups[kind] = random.permutation([*names, *random.choice(names, int(kind.sum()) - len(names))])
        found = attempt(scores, genuine, groups, float(threshold))
        need(found is not None, "Your function returns nothing: return a dictionary.")
        if not isinstance(found, dict) or {int(k) for k in found} != set(names) or len(found) != len(names):
            raise Wrong(f"Return a dictionary with one entry for each group, here {names}.")
        answer = [number({int(k): v for k, v in found.items()}[g]) for g in names]
        every, wrong, accepted = genuine | True, ~genuine, scores >= threshold
        parts = [groups == g for g in names]

        def mean(values: np.ndarray, rows: np.ndarray, parts: list[np.ndarray] = parts) -> list[float]:
            return [float(values[rows & part].mean()) for part in parts]

        wanted = mean(accepted, wrong)
        mistakes = {
            "Genuine pairs are no false matches: leave them out, above and below the line.": mean(accepted, every),
            "Divide by the group's IMPOSTOR pairs, not by all of its pairs.": mean(accepted & wrong, every),
            "These are the impostor pairs rejected, not accepted.": mean(~accepted, wrong),
            "A score equal to the threshold is accepted: use >=, not >.": mean(scores > threshold, wrong),
            "That is the rate of GENUINE pairs accepted; a false match is an impostor pair.": mean(accepted, genuine),
        }
        shown = {g: round(float(rate), 4) for g, rate in zip(names, wanted, strict=True)}
        judge(answer, wanted, mistakes, f"It should be {shown}, not {dict(zip(names, answer, strict=True))}.")

"""The checks cannot be fooled: mutants of each solution and hand-written wrong answers fail, other right ones pass."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers.answers import RIGHT, WRONG
from helpers.exercises import Exercise, every
from helpers.mutants import Mutant, changed, of_behaviour, of_source

from gdrd_lab.course.exercises import Wrong, array, careful, judge, judge_gradient

ALL = every()
TRAINS = {"feature_loss", "relation", "critic", "positive_term", "negative_term", "embedding_loss"}

# Mutants that are right answers, by the reason.
EQUIVALENT: dict[str, dict[str, list[str]]] = {
    "the formula is symmetric, or a square takes the sign away": {
        "cosine_scores": ["arguments 0 and 1 are exchanged"],
        "feature_loss": ["line 2: student - teacher.detach() -> teacher.detach() - student"],
        "explained": ["line 2: target - predicted -> predicted - target", "line 2: target - mean -> mean - target"],
        "critic": [
            "line 2: F.cosine_similarity(u, v, dim=1) -> F.cosine_similarity(v, u, dim=1)",
            "arguments 0 and 1 are exchanged",
        ],
        "positive_term": [
            "line 5: F.cosine_similarity(own, cross, dim=2) -> F.cosine_similarity(cross, own, dim=2)",
        ],
        "negative_term": [
            "line 8: differ[:, :, None] & differ[None, :, :] & differ[:, None, :]"
            " -> differ[:, None, :] & (differ[:, :, None] & differ[None, :, :])",
            "line 8: differ[:, :, None] & differ[None, :, :] -> differ[None, :, :] & differ[:, :, None]",
        ],
        "embedding_loss": [
            "line 2: F.cosine_similarity(student, teacher.detach(), dim=1)"
            " -> F.cosine_similarity(teacher.detach(), student, dim=1)",
        ],
        "rate_factor": ["line 4: steps - warm -> warm - steps", "line 4: step - warm -> warm - step"],
        "gpu_hours": ["arguments 3 and 4 are exchanged"],
        "shown_variance": ["line 2: embeddings - embeddings.mean(0) -> embeddings.mean(0) - embeddings"],
        "kept_neighbours": [
            "line 3: points[:, None] - points[None] -> points[None] - points[:, None]",
            "line 6: (np.argsort(-cosine, 1)[:, :k], np.argsort(distance, 1)[:, :k])"
            " -> (np.argsort(distance, 1)[:, :k], np.argsort(-cosine, 1)[:, :k])",
            "line 7: zip(near, near_on_map, strict=True) -> zip(near_on_map, near, strict=True)",
            "line 7: set(a) & set(b) -> set(b) & set(a)",
        ],
        "cka": [
            "line 2: (x - x.mean(0), y - y.mean(0)) -> (y - y.mean(0), x - x.mean(0))",
            "line 2: x - x.mean(0) -> x.mean(0) - x",
            "line 2: y - y.mean(0) -> y.mean(0) - y",
            "line 3: x.T @ x -> x @ x.T",
            "line 3: y.T @ y -> y @ y.T",
            "arguments 0 and 1 are exchanged",
        ],
        "pair_copies": ["arguments 0 and 1 are exchanged"],
        "group_false_match": ["line 3: (groups == g) & ~genuine -> ~genuine & (groups == g)"],
    },
    "what stands in its place has the same value there": {
        "block_average": ["line 3: side -> _"],  # faces are square
        "average_weights": ["line 3: weights[1:] -> weights", "line 3: 1 -> 0"],  # d a + (1 - d) a = a
        "pair_copies": ["line 2: first -> second"],  # where both are the same
        "positive_term": [f"line 6: student -> {n}" for n in ("teacher", "own", "cross", "logits", "student.detach()")],
        "negative_term": [f"line 6: student -> {n}" for n in ("teacher", "own", "cross", "logits", "student.detach()")],
        "similarity_matrix": [f"line 3: points -> {name}" for name in ("template", "x", "y")],  # as many of them
    },
    "only numbers are given, which no function can overwrite": {
        name: ["what was given is overwritten"] for name in ("device_rows", "rate_factor", "gpu_hours")
    },
    "the teacher is detached already, or is now": {
        "feature_loss": ["line 2: teacher -> teacher.detach()"],
        "embedding_loss": ["line 2: teacher -> teacher.detach()"],
        "positive_term": [f"line {line}: teacher -> teacher.detach()" for line in (2, 3, 4)],
        "negative_term": [f"line {line}: teacher -> teacher.detach()" for line in (2, 3, 4)],
    },
    "a dimension counted, ordered, added or left to its default otherwise is the same one": {
        "block_average": ["line 4: (3, 5) -> (5, 3)"],
        "standardise": ["line 2: (0, 2, 3) -> (3, 2, 0)", "line 3: (0, 2, 3) -> (3, 2, 0)"],
        "relation": ["line 3: 0 -> -1"],
        "critic": ["line 2: F.cosine_similarity(u, v, dim=1) -> F.cosine_similarity(u, v)"],
        "embedding_loss": [
            "line 2: F.cosine_similarity(student, teacher.detach(), dim=1)"
            " -> F.cosine_similarity(student, teacher.detach())",
        ],
        "positive_term": ["line 3: teacher[None] -> teacher", "line 4: student[None] -> student"],
        "negative_term": [
            "line 3: teacher[None] -> teacher",
            "line 4: student[None] -> student",
            "line 8: differ[None, :, :] -> differ",
        ],
        "device_rows": ["line 2: 1 -> 2"],  # NumPy takes any negative length for the unknown one
        "kept_neighbours": [
            "line 3: points[None] -> points",
            "line 6: np.argsort(-cosine, 1) -> np.argsort(-cosine)",
            "line 6: np.argsort(distance, 1) -> np.argsort(distance)",
            "line 7: zip(near, near_on_map, strict=True) -> zip(near, near_on_map)",
            "line 7: True -> False",
        ],
        "similarity_matrix": [
            "line 5: np.linalg.lstsq(rows, np.concatenate([template[:, 0], template[:, 1]]), rcond=None)"
            " -> np.linalg.lstsq(rows, np.concatenate([template[:, 0], template[:, 1]]))",
        ],
    },
    "the result has the same numbers, or within what rounding may change": {
        "standardise": ["line 4: 1e-06 -> 2e-06"],
        "kept_neighbours": ["line 4: np.inf -> np.pi"],  # -pi is below every cosine too
        "group_false_match": ["line 3: np.unique(groups) -> groups", "line 3: np.unique -> np.sort"],  # keys repeat
        "similarity_matrix": ["line 6: np.array([[a, -b, right], [b, a, down]]) -> [[a, -b, right], [b, a, down]]"],
        "enrol_mean": [
            "line 3: np.stack([unit[labels == person].mean(0) for person in np.unique(labels)])"
            " -> [unit[labels == person].mean(0) for person in np.unique(labels)]",
            "line 3: unit[labels == person].mean -> unit[labels == person].sum",  # normalised afterwards
        ],
    },
}


def mutants(exercise: Exercise) -> list[Mutant]:
    trains, right = exercise.function in TRAINS, exercise.load(exercise.solution)
    found = list(of_source(exercise.solution, exercise.load, trains=trains))
    if exercise.function != "freeze":  # its result is a module
        found += of_behaviour(right, len(exercise.arguments), trains=trains)
    return found


def test_the_checks_catch_the_mutants_of_the_solutions(capsys: pytest.CaptureFixture[str]) -> None:
    """Mutants that stop with an error are not counted: any check catches them."""
    equivalent = {(name, what) for group in EQUIVALENT.values() for name, each in group.items() for what in each}
    wrong, stopped, survivors, right = Counter[str](), 0, [], set()
    for exercise in ALL:
        for mutant in mutants(exercise):
            verdict = exercise.judge(mutant.function)
            key = (exercise.function, mutant.what)
            if key in equivalent:
                right |= {key} if verdict.passed else set()
            elif "Your function stopped with" in verdict.message:
                stopped += 1
            else:
                wrong[exercise.function] += 1
                survivors += [key] if verdict.passed else []
    total = wrong.total()
    with capsys.disabled():
        print(
            f"\nchecks: {total - len(survivors)} of {total} mutants caught, {stopped} more stopped with an error",
            *survivors,
        )
    assert right == equivalent, "an equivalent mutant is no longer made, or no longer passes"
    assert all(wrong[exercise.function] + len(WRONG[exercise.function]) >= 6 for exercise in ALL), wrong
    assert len(survivors) <= 0.02 * total, survivors


@pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.function)
def test_wrong_answers_written_by_hand_fail(exercise: Exercise) -> None:
    assert len(WRONG[exercise.function]) >= 4
    passed = [what for what, body in WRONG[exercise.function] if exercise.judge(exercise.of_body(body)).passed]
    assert passed == []


@pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.function)
def test_right_answers_that_differ_from_the_solution_pass(exercise: Exercise) -> None:
    verdicts = {body: exercise.judge(exercise.of_body(body)) for body in RIGHT[exercise.function]}
    assert verdicts and [(body, verdict.message) for body, verdict in verdicts.items() if not verdict.passed] == []


@pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.function)
def test_no_argument_is_the_same_in_all_cases(exercise: Exercise) -> None:
    """Numbers take two values or more, arrays two shapes or more, one of them not square; 5 landmarks are fixed."""
    right, calls = exercise.load(exercise.solution), []

    def recorded(*given: Any) -> Any:
        calls.append([np.shape(value) or float(value) for value in given if not isinstance(value, torch.nn.Module)])
        return right(*given)

    assert exercise.run(recorded).passed and len(calls) >= 3
    for seen in zip(*calls, strict=True):
        shapes = {value for value in seen if isinstance(value, tuple)}
        assert len(set(seen)) >= 2 or shapes == {(5, 2)}
        assert not shapes or any(len(set(shape)) > 1 or len(shape) == 1 for shape in shapes)


def number_kinds(value: Any) -> list[Callable[[Any], Any]]:
    """Return conversions that keep an answer's value."""
    if isinstance(value, torch.Tensor):
        return [lambda a: a, lambda a: a.numpy()]
    kinds: list[Callable[[Any], Any]] = [torch.as_tensor, np.asarray]
    return (
        [*kinds, lambda a: a.item(), lambda a: np.float32(a)] if np.ndim(value) == 0 else [*kinds, lambda a: a.tolist()]
    )


@pytest.mark.parametrize(
    "exercise", [e for e in ALL if e.function not in TRAINS | {"freeze"}], ids=lambda e: e.function
)
def test_an_answer_may_be_a_number_an_array_or_a_tensor(exercise: Exercise) -> None:
    right = exercise.load(exercise.solution)
    for kind in range(4):

        def converted(*given: Any, kind: int = kind) -> Any:
            def convert(value: Any) -> Any:
                kinds = number_kinds(value)
                return kinds[kind % len(kinds)](value)

            return changed(right(*given), convert)

        verdict = exercise.judge(converted)
        assert verdict.passed, (kind, verdict.message)


def test_judge_says_which_known_mistake_it_is() -> None:
    judge(2.0, 2.0, {"Twice.": 2.0}, "Otherwise.")
    with pytest.raises(Wrong, match=r"^Twice\.$"):
        judge(4.0, 2.0, {"Half.": 1.0, "Twice.": 4.0}, "Otherwise.")
    with pytest.raises(Wrong, match=r"^Otherwise\.$"):
        judge(float("nan"), 2.0, {"Twice.": 4.0}, "Otherwise.")


def test_a_gradient_is_compared_in_each_tensor() -> None:
    student, teacher = (torch.tensor([1.0, 3.0], requires_grad=True) for _ in range(2))
    given = {"student": student, "teacher": teacher}

    def right() -> torch.Tensor:
        return (student * teacher.detach()).sum()

    judge_gradient(right(), right(), given)
    answers = {
        "No gradient reaches the student": right().detach(),
        "the student's gradient is not the formula's": 2 * right() - right().detach(),
        "The student's gradient is not finite": right() + (student - student.detach()).square().sum().sqrt() * 0,
        "The teacher gets a gradient": (student * teacher).sum(),
    }
    for words, answer in answers.items():
        with pytest.raises(Wrong, match=words):
            judge_gradient(answer, right(), given)


def test_an_answer_may_not_change_what_it_was_given() -> None:
    values = np.array([3.0, 4.0])

    def halved(given: np.ndarray) -> np.ndarray:
        given /= 2
        return given

    with pytest.raises(Wrong, match="changes what it was given"):
        careful(halved)(values)
    assert careful(lambda given: given / 2)(values).tolist() == [0.75, 1.0]


def test_a_list_of_tensors_is_an_array_too() -> None:
    answer = [torch.tensor(0.25, requires_grad=True), torch.tensor(0.5)]
    assert array(answer, (2,)).tolist() == [0.25, 0.5]
    with pytest.raises(Wrong, match=r"shape \(2,\); asked for: shape \(3,\)"):
        array(answer, (3,))

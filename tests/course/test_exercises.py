"""Every exercise: its check fails on the stub, passes on the solution, and fails on planted wrong answers.

A wrong answer is the solution with one piece of its text exchanged for a mistake that learners make.
"""

import ast
from pathlib import Path

import pytest
from helpers.exercises import SOURCES, Exercise, every, exercises

# By exercise: what is wrong, the piece of the solution, and the mistake in its place.
WRONG: dict[str, list[tuple[str, str, str]]] = {
    # 00 what resolution takes away
    "block_average": [
        ("keeps one pixel of each block", ".mean((3, 5))", "[:, :, :, 0, :, 0]"),
        ("adds up instead of averaging", ".mean((3, 5))", ".sum((3, 5))"),
        ("averages over the wrong dimensions", ".mean((3, 5))", ".mean((2, 4))[:, :, :size, :size]"),
    ],
    "cosine_scores": [
        ("no normalisation", " / (first.norm(dim=1) * second.norm(dim=1))", ""),
        ("divides by one length only", " * second.norm(dim=1)", ""),
        ("normalises along the batch", "first.norm(dim=1) * second.norm(dim=1)", "first.norm() * second.norm()"),
    ],
    "accuracy_at": [
        ("strict inequality", ">=", ">"),
        ("genuine pairs only", "(scores >= threshold) == genuine", "(scores >= threshold)[genuine]"),
        ("share of mistakes", "== genuine", "!= genuine"),
    ],
    "d_prime": [
        ("divides by the variance", "np.sqrt((same.var() + other.var()) / 2)", "((same.var() + other.var()) / 2)"),
        ("sum of variances", "/ 2))", "))"),
        ("turned around", "same.mean() - other.mean()", "other.mean() - same.mean()"),
    ],
    # 01 the diffusion teacher
    "add_noise": [
        ("no square roots", "alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt()", "alpha_bar * clean + (1 - alpha_bar)"),
        (
            "signal and noise exchanged",
            "* clean + (1 - alpha_bar).sqrt() * noise",
            "* noise + (1 - alpha_bar).sqrt() * clean",
        ),
    ],
    "clean_estimate": [
        ("wrong sign", " - (1", " + (1"),
        (
            "gives the noise",
            "alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt()",
            "(1 - alpha_bar).sqrt() * noisy + alpha_bar.sqrt()",
        ),
        ("divides by nothing", "alpha_bar.sqrt() * noisy -", "noisy / alpha_bar.sqrt() -"),
    ],
    "residual_target": [
        ("not brought to [-1, 1]", "((2 * hr - 1) - (2 * enlarged - 1))", "(hr - enlarged)"),
        ("not scaled", " / scale", ""),
        ("enlarged minus sharp", "(2 * hr - 1) - (2 * enlarged - 1)", "(2 * enlarged - 1) - (2 * hr - 1)"),
    ],
    "ddim_step": [
        (
            "stays at its noise level",
            "alpha_bar_before.sqrt() * clean + (1 - alpha_bar_before)",
            "alpha_bar.sqrt() * clean + (1 - alpha_bar)",
        ),
        ("jumps to x_0", "alpha_bar_before.sqrt() * clean + (1 - alpha_bar_before).sqrt() * noise", "clean"),
    ],
    # 02 feature regression
    "feature_loss": [
        ("teacher not detached", ".detach()", ""),
        ("student detached instead", "(student - teacher.detach())", "(student.detach() - teacher)"),
        ("sum instead of mean", ".mean()", ".sum()"),
        ("absolute difference", ".square()", ".abs()"),
    ],
    "standardise": [
        ("each face by itself", "(0, 2, 3)", "(2, 3)"),
        ("divides by the variance", "(variance + 1e-6).sqrt()", "(variance + 1e-6)"),
        ("everything at once", "mean((0, 2, 3), keepdim=True)", "mean()"),
    ],
    "freeze": [
        ("BatchNorm moves on", ".eval()", ""),
        ("gradients go on", ".requires_grad_(False)", ""),
        ("switches to training mode", ".eval()", ".train()"),
    ],
    "explained": [
        ("share not explained", "1 - np.square", "np.square"),
        ("its own mean", "target - mean)", "target - target.mean(0))"),
    ],
    # 03 relational contrastive distillation
    "relation": [
        ("no normalisation", "F.normalize(w2 @ hidden, dim=0)", "w2 @ hidden"),
        ("second to first", "first - second", "second - first"),
        ("no ReLU", "torch.relu(w1 @ (first - second))", "w1 @ (first - second)"),
    ],
    "critic": [
        ("dot product", "F.cosine_similarity(u, v, dim=1)", "(u * v).sum(1)"),
        ("multiplies by tau", "/ tau", "* tau"),
        ("no N / M", " - np.log(ratio)", ""),
        ("N / M itself", "np.log(ratio)", "ratio"),
        ("N / M above", "- np.log(ratio)", "+ np.log(ratio)"),
        (
            "overflows",
            "torch.sigmoid(F.cosine_similarity(u, v, dim=1) / tau - np.log(ratio))",
            "(lambda e: e / (e + ratio))(torch.exp(F.cosine_similarity(u, v, dim=1) / tau))",
        ),
        ("no sigmoid", "torch.sigmoid(", "("),
    ],
    "positive_term": [
        ("teacher not detached", "teacher.detach()", "teacher"),
        (
            "student and teacher swapped",
            "cross = torch.relu(teacher[:, None] - student[None])",
            "cross = torch.relu(student[:, None] - teacher[None])",
        ),
        ("student to student", "cross = torch.relu(teacher[:, None]", "cross = torch.relu(student[:, None]"),
        ("pairs i = j counted", "[~torch.eye(len(student), dtype=torch.bool)]", ""),
        ("log h without its sign", "-F.logsigmoid", "F.logsigmoid"),
    ],
    "negative_term": [
        ("the positive is a negative", " & differ[None, :, :]", ""),
        ("k = i is a negative", " & differ[:, None, :]", ""),
        ("mean over k", "(n * (n - 1))", "(n * (n - 1) * (n - 2))"),
        ("log h instead of log(1 - h)", "F.logsigmoid(-logits)", "F.logsigmoid(logits)"),
        (
            "no normalisation",
            "F.normalize(torch.relu(teacher[:, None] - student[None]), dim=2)",
            "torch.relu(teacher[:, None] - student[None])",
        ),
    ],
    "embedding_loss": [
        ("teacher not detached", ".detach()", ""),
        (
            "no normalisation",
            "F.cosine_similarity(student, teacher.detach(), dim=1)",
            "(student * teacher.detach()).sum(1)",
        ),
        ("cosine instead of one minus it", "1 - F.cosine", "F.cosine"),
    ],
    # 04 full training on GPUs
    "device_rows": [
        (
            "one block of the whole batch",
            "np.arange(batch).reshape(accumulate, devices, -1)[:, device].reshape(-1)",
            "np.arange(batch).reshape(devices, -1)[device]",
        ),
        ("rows dealt out in turn", ".reshape(accumulate, devices, -1)[:, device].reshape(-1)", "[device::devices]"),
        ("every row on every device", "[:, device]", ""),
    ],
    "rate_factor": [
        ("first step wasted", "(step + 1) / warm", "step / warm"),
        (
            "falls along a line",
            "0.5 * (1 + np.cos(np.pi * (step - warm) / (steps - warm)))",
            "1 - (step - warm) / (steps - warm)",
        ),
        ("jumps after the warm-up", "(step - warm) / (steps - warm)", "step / steps"),
    ],
    "average_weights": [
        (
            "decay on the new weights",
            "decay * average + (1 - decay) * weight",
            "(1 - decay) * average + decay * weight",
        ),
        ("plain mean", "float(average)", "float(weights.mean())"),
    ],
    "gpu_hours": [
        ("backward pass forgotten", "3 * trained", "trained"),
        ("backward pass of the frozen", "(3 * trained + frozen)", "3 * (trained + frozen)"),
        ("seconds", " / 3600", ""),
        ("one operation per multiply-add", "faces * 2 *", "faces *"),
    ],
    # 05 embeddings and attention
    "shown_variance": [
        ("not centred", "embeddings - embeddings.mean(0)", "embeddings"),
        ("singular values, not variances", ") ** 2", ")"),
        ("one direction", "values[:2]", "values[:1]"),
    ],
    "kept_neighbours": [
        ("its own neighbour", "np.fill_diagonal(distance, np.inf)", "pass"),
        ("dot products on the map", "np.linalg.norm(points[:, None] - points[None], axis=2)", "-(points @ points.T)"),
        ("a count", "len(set(a) & set(b)) / k", "len(set(a) & set(b))"),
        ("farthest on the map", "np.argsort(distance, 1)", "np.argsort(-distance, 1)"),
    ],
    "cka": [
        ("not centred", "x - x.mean(0), y - y.mean(0)", "x, y"),
        ("not squared", "np.linalg.norm(y.T @ x) ** 2", "np.linalg.norm(y.T @ x)"),
        ("not divided", " / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))", ""),
        ("centred along the wrong axis", "x - x.mean(0)", "x - x.mean(1, keepdims=True)"),
    ],
    "deletion_score": [
        ("mean of the scores", "(np.diff(fractions) * (scores[1:] + scores[:-1]) / 2).sum()", "scores.mean()"),
        ("left ends", "(scores[1:] + scores[:-1]) / 2", "scores[:-1]"),
        ("turned around", "np.diff(fractions)", "-np.diff(fractions)"),
    ],
    # 06 does it work?
    "rates": [
        (
            "exchanged",
            "accepted[~genuine].mean()), float(accepted[genuine].mean())",
            "accepted[genuine].mean()), float(accepted[~genuine].mean())",
        ),
        ("share of all pairs", "float(accepted[~genuine].mean())", "float((accepted & ~genuine).mean())"),
        ("share of the accepted", "float(accepted[~genuine].mean())", "float((~genuine)[accepted].mean())"),
    ],
    "held_out_accuracy": [
        ("chosen on the judged fold", "accuracy(~judged, c)", "accuracy(judged, c)"),
        ("chosen on all pairs", "accuracy(~judged, c)", "accuracy(fold >= 0, c)"),
        ("judged on the others", "accuracy(judged, best)", "accuracy(~judged, best)"),
    ],
    "pair_copies": [
        ("adds", "copies[first] * copies[second]", "copies[first] + copies[second]"),
        (
            "squares one person",
            "np.where(first == second, copies[first], copies[first] * copies[second])",
            "copies[first] * copies[second]",
        ),
        ("forgets the second", "copies[first] * copies[second])", "copies[first])"),
    ],
    "group_false_match": [
        ("genuine pairs counted", " & ~genuine", ""),
        (
            "all pairs below the line",
            "accepted[(groups == g) & ~genuine].mean()",
            "(accepted & ~genuine)[groups == g].mean()",
        ),
        ("rejected instead of accepted", "scores >= threshold", "scores < threshold"),
    ],
    # 07 bring your own faces
    "similarity_matrix": [
        ("template to points", "x, y = points.T", "points, template = template, points\n    x, y = points.T"),
        ("shift forgotten", "[a, -b, right], [b, a, down]", "[a, -b, 0], [b, a, 0]"),
        ("turns the other way", "[a, -b, right], [b, a, down]", "[a, b, right], [-b, a, down]"),
    ],
    "hold_out": [
        ("draws faces", "people = np.unique(labels)", "people = np.arange(len(labels)); labels = people"),
        ("ignores the seed", "default_rng(seed)", "default_rng(0)"),
        ("holds out the rest", "return np.isin(labels, drawn)", "return ~np.isin(labels, drawn)"),
    ],
    "enrol_mean": [
        ("mean not normalised", "means / np.linalg.norm(means, axis=1, keepdims=True)", "means"),
        ("long embeddings outweigh", "embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)", "embeddings"),
    ],
    "who": [
        ("names every stranger", "np.where(scores.max(1) >= threshold, scores.argmax(1), -1)", "scores.argmax(1)"),
        ("threshold the wrong way", ">= threshold", "< threshold"),
        ("first above the threshold", "scores.argmax(1), -1", "(scores >= threshold).argmax(1), -1"),
    ],
}


ALL = every()
EACH = pytest.mark.parametrize("exercise", ALL, ids=lambda e: f"{e.notebook[:2]}-{e.function}")
PLANTED = [(exercise, *wrong) for exercise in ALL for wrong in WRONG.get(exercise.function, [])]


@EACH
def test_check_fails_on_the_stub(exercise: Exercise) -> None:
    verdict = exercise.check(exercise.stub)
    assert not verdict.passed and "stub" in verdict.message


@EACH
def test_check_passes_on_the_solution(exercise: Exercise) -> None:
    verdict = exercise.run(exercise.load(exercise.solution))
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    ("exercise", "mistake", "piece", "planted"), PLANTED, ids=[f"{e.function}-{m}" for e, m, _, _ in PLANTED]
)
def test_check_fails_on_a_planted_wrong_answer(exercise: Exercise, mistake: str, piece: str, planted: str) -> None:
    assert piece in exercise.solution, f"{piece!r} is no longer in the solution"
    verdict = exercise.check(exercise.solution.replace(piece, planted))
    assert not verdict.passed, mistake
    assert len(verdict.message.split()) >= 5, "the verdict says in words what is wrong"
    assert "still the stub" not in verdict.message and "Your function stopped with NameError" not in verdict.message


@EACH
def test_a_function_that_returns_nothing_is_told_so(exercise: Exercise) -> None:
    signature = ast.parse(exercise.stub).body[0].args  # type: ignore[attr-defined]
    names = ", ".join(argument.arg for argument in signature.args)
    verdict = exercise.check(f"def {exercise.function}({names}):\n    return None")
    assert not verdict.passed and "nothing" in verdict.message


@EACH
def test_each_exercise_has_hints_and_two_wrong_answers(exercise: Exercise) -> None:
    assert len(WRONG.get(exercise.function, [])) >= 2, "plant two wrong answers"
    assert exercise.before.count("<summary>Hint") >= 2
    assert exercise.before.count("<details>") == exercise.before.count("</details>")
    stub, solution = (ast.parse(code).body[-1] for code in (exercise.stub, exercise.solution))
    assert ast.get_docstring(stub) == ast.get_docstring(solution)
    assert ast.dump(stub.args) == ast.dump(solution.args), "stub and solution take the same arguments"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_notebook_has_three_exercises(source: Path) -> None:
    assert len(exercises(source)) >= 3


def test_every_wrong_answer_belongs_to_an_exercise() -> None:
    names = [exercise.function for exercise in ALL]
    assert len(set(names)) == len(names) and set(WRONG) == set(names)


def test_an_error_in_the_answer_becomes_words() -> None:
    verdict = ALL[0].check("def block_average(faces, size):\n    return faces.no_such_thing")
    assert not verdict.passed and "AttributeError" in verdict.message and "line 1" in verdict.message
    assert "Not yet" in str(verdict) and "<div" in verdict._repr_html_()

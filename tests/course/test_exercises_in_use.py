"""Exercises matter: no answer stands above them, readers' functions make figures, and times add up."""

import ast
import contextlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import pytest
from helpers.exercises import SOURCES, every, exercises

import gdrd_lab as gl
from gdrd_lab import course, plots

EACH = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
SMALLEST = 9  # nodes of an expression that counts as an answer: a call of a call of a name has fewer


class Nameless(ast.NodeTransformer):
    """Give all names one name, so that the same formula of other variables is the same."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name("_", ast.Load())


def formulas(code: str) -> set[str]:
    """Return the expressions of a piece of code, without the names in it."""
    tree = Nameless().visit(ast.parse(textwrap.dedent(code)))
    return {
        ast.dump(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and sum(1 for _ in ast.walk(node) if isinstance(_, ast.expr)) >= SMALLEST
    }


def answer(code: str) -> set[str]:
    """Return the formula of a solution's result: that of its return statement, or of what the statement names."""
    function = ast.parse(code).body[-1]
    assert isinstance(function, ast.FunctionDef)
    statement = next(node for node in reversed(function.body) if isinstance(node, ast.Return))
    return formulas(ast.unparse(statement).removeprefix("return "))


def above(source: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield each exercise's solution with the formulas of the cells above it, and of the sources that they show."""
    names: dict[str, Any] = {"gl": gl, "course": course, "plots": plots}
    seen: set[str] = set()
    for cell in jupytext.read(source).cells:
        if cell.cell_type != "code":
            continue
        if "solution" in cell.metadata.get("tags", []):
            yield cell.source, set(seen)
        elif not cell.metadata.get("tags"):
            for line in re.findall(r"^(?:from gdrd_lab|import).*$", cell.source, re.M):
                exec(line, names)
            seen |= formulas(cell.source)
            for shown in re.findall(r"^course\.source\((.+)\)$", cell.source, re.M):
                with contextlib.suppress(NameError):  # an object that the lesson makes
                    seen |= formulas(inspect.getsource(eval(shown, names)))


@EACH
def test_no_answer_stands_in_a_cell_above(source: Path) -> None:
    found = list(above(source))
    assert len(found) == len(exercises(source))
    assert [
        code.splitlines()[0] for code, seen in found if (result := answer(code)) and max(result, key=len) in seen
    ] == []


def test_an_answer_above_is_found(tmp_path: Path) -> None:
    lesson = tmp_path / "00_x.py"
    stub = '# %% tags=["solution"]\ndef f(a, b):\n    return float(np.mean((a >= 2) == b)) + a.sum(1)\n'
    for cell in ("x = float(np.mean((scores >= 2) == genuine)) + q.sum(1)", "x = float(np.mean(a))"):
        lesson.write_text(f"# %%\n{cell}\n\n{stub}")
        ((code, seen),) = above(lesson)
        assert (max(answer(code), key=len) in seen) == ("genuine" in cell)


@EACH
def test_a_figure_is_computed_by_the_readers_function(source: Path) -> None:
    """The next code cell after the check takes the reader's function and shows a figure that it calls it for."""
    cells = [cell for cell in jupytext.read(source).cells if cell.cell_type == "code"]
    used = []
    for check, after in itertools.pairwise(cells):
        if "check" not in check.metadata.get("tags", []):
            continue
        checker, name = re.search(r"^(check_\w+)\((\w+)\)$", check.source, re.M).groups()  # type: ignore[union-attr]
        for mine in re.findall(rf"^(\w+) = course\.yours\(\s*{name},\s*{checker},", after.source, re.M):
            assert len(re.findall(rf"\b{mine}\(", after.source)) >= 1, "the function is called"
            assert "course.show(" in after.source
            used.append(name)
    assert used, "no exercise's function is used in the next cell"
    given = re.findall(r"course\.yours\(\s*(\w+),\s*(\w+),", source.read_text())
    known = {(exercise.function, exercise.checker) for exercise in every()}
    assert set(given) <= known, "a check belongs to its function"


def test_your_function_is_taken_if_it_passes_and_the_librarys_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    exercise = next(exercise for exercise in every() if exercise.function == "accuracy_at")
    from gdrd_lab.course.checks.resolution import check_accuracy_at as checker

    right, stub = exercise.load(exercise.solution), exercise.load(exercise.stub)
    assert course.yours(right, checker, stub) is right
    assert capsys.readouterr().out == "Computed by your accuracy_at.\n"
    assert course.yours(stub, checker, right) is right
    assert "Computed by the library: your accuracy_at does not pass" in capsys.readouterr().out


@EACH
def test_the_minutes_of_the_exercises_add_up_to_what_the_head_says(source: Path) -> None:
    text = source.read_text()
    found = re.findall(r"^# ### Exercise \d+: .*\n# \*(Easy|Medium|Hard), about (\d+) minutes\.\*$", text, re.M)
    assert len(found) == len(exercises(source)) and len({word for word, _ in found}) >= 2
    (told,) = re.findall(r"^# The exercises take about (\d+) minutes\.$", text.split("**Student.**")[0], re.M)
    assert sum(int(minutes) for _, minutes in found) == int(told)
    row = re.search(rf"\[{source.name[:2]}\].*\| (\d+) h \|", (source.parents[1] / "README.md").read_text(), re.M)
    assert row and int(told) <= 60 * int(row[1]) * 0.75, "reading takes time too"


@EACH
def test_each_question_has_an_answer_that_is_folded_away(source: Path) -> None:
    questions = source.read_text().split("## Questionnaire\n")[1].split("## Further reading")[0]
    asked, folded = questions.split("# <details><summary>Answers</summary>\n#\n")
    answers = folded.split("#\n# </details>")[0]
    numbers = [re.findall(r"^# (\d+)\. \S", part, re.M) for part in (asked, answers)]
    assert numbers[0] == numbers[1] and numbers[0] == [str(k + 1) for k in range(len(numbers[0]))]
    assert "<details" not in asked

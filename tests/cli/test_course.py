"""`gdrd course check`: a reader's progress, and the table of a class."""

import json
import runpy
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.exercises import exercises

from gdrd_lab.cli import main

COURSE = Path(__file__).resolve().parents[2] / "notebooks"
SOURCE = COURSE / "source" / "00_what_resolution_takes_away.py"
BUILD = runpy.run_path(str(COURSE / "source" / "build.py"))
SOLUTIONS = {exercise.function: exercise.solution for exercise in exercises(SOURCE)}


def notebook(path: Path, answers: Mapping[str, str]) -> Path:
    """Write the student's lesson 0 with the answers in the stubs of these functions."""
    made = json.loads(BUILD["build"](SOURCE))
    for cell in made["cells"]:
        for function, answer in answers.items():
            if "stub" in cell["metadata"].get("tags", []) and f"def {function}(" in "".join(cell["source"]):
                cell["source"] = answer
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made))
    return path


def test_a_reader_sees_what_is_right_and_what_is_not_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = SOLUTIONS["accuracy_at"].replace(">=", ">")
    helped = "HALF = 0.5\n\ndef d_prime(scores, genuine):\n    return help_with(scores, genuine) * 2 * HALF\n"
    helped += "print(no_such_name)\n" + SOLUTIONS["d_prime"].replace("def d_prime", "def help_with")
    answers = {"block_average": SOLUTIONS["block_average"], "accuracy_at": wrong, "d_prime": helped}
    assert main(["course", "check", str(notebook(tmp_path / "mine.ipynb", answers))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["Right", "Not yet", "Not yet", "Right"]
    assert "still the stub" in lines[1] and lines[4] == "2 of 4 exercises are right."


def test_an_endless_loop_is_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop = {"block_average": "def block_average(faces, size):\n    while True:\n        pass\n"}
    endless = notebook(tmp_path / "00.ipynb", loop)
    assert main(["course", "check", str(endless), "--seconds", "2"]) == 2
    wanted = f"gdrd: The answers in {endless} take longer than 2 s. Look for a loop that does not end.\n"
    assert capsys.readouterr().err == wanted


def test_a_class_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook(tmp_path / "ann" / SOURCE.with_suffix(".ipynb").name, SOLUTIONS)
    notebook(tmp_path / "bob" / "00.ipynb", {"d_prime": SOLUTIONS["d_prime"]})
    (tmp_path / "bob" / "other.ipynb").write_text("not a notebook")
    assert main(["course", "check", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "other.ipynb is not a notebook" in said
    assert "4 of 4" in said and "1 of 4" in said and said.index("ann") < said.index("4 of 4")


@pytest.mark.parametrize("content", ["no JSON", '{"cells": [{}]}'])
def test_what_is_no_notebook_is_one_line(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.ipynb").write_text(content)
    for place in (tmp_path / "x.ipynb", tmp_path / "nowhere", tmp_path):
        assert main(["course", "check", str(place)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("gdrd: ") and error.count("\n") == 1

"""Who judges in a command with `--validation-split`: people whom every model held out, a generative teacher too."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from gdrd_lab.cli import main
from gdrd_lab.cli._options import held_out
from gdrd_lab.datasets.base import ArrayFaces, subset
from gdrd_lab.datasets.split import split_record
from gdrd_lab.errors import GdrdError

FACES = ArrayFaces(np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) // 2, name="set")


class Trained:
    """A recogniser that held out some faces."""

    name, embedding_size = "trained", 4

    def __init__(self, first: int, last: int) -> None:
        self.metadata = {"split": record(first, last)}

    def embed(self, faces: object) -> None:
        raise NotImplementedError


def record(first: int, last: int) -> dict[str, object]:
    """Return the record of a model that held out the faces from ``first`` to before ``last``."""
    inside = (np.arange(40) >= first) & (np.arange(40) < last)
    rest, out = (subset(FACES, np.flatnonzero(chosen), "set") for chosen in (~inside, inside))
    return split_record(rest, out)


def test_those_whom_all_models_held_out_judge_and_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "facts.json").write_text(json.dumps({"split": record(8, 20)}))
    arguments = Namespace(validation_split=0.5)
    assert set(held_out(arguments, FACES, [Trained(0, 12)]).labels) == set(range(6))
    faces = held_out(arguments, FACES, [Trained(0, 12)], tmp_path)
    assert set(faces.labels) == {4, 5}
    assert "4 faces of 2 people" in capsys.readouterr().out
    held_out(Namespace(validation_split=0.5, quiet=True), FACES, [Trained(0, 12)])
    assert capsys.readouterr().out == ""


def test_without_the_option_all_faces_stay() -> None:
    assert held_out(Namespace(validation_split=0.0), FACES, [Trained(0, 12)]) is FACES


@pytest.mark.parametrize(("method", "counts"), [("sface", False), ("super-resolved", True), ("x=super-resolved", True)])
def test_the_generative_teacher_of_super_resolved_faces_counts_under_any_name(
    method: str, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def stop(arguments: Namespace, faces: object, recognisers: object, *teachers: object) -> None:
        asked.append(teachers)
        raise GdrdError("enough", "Nothing")

    monkeypatch.setattr("gdrd_lab.cli._options.held_out", stop)
    assert main(["evaluate", "--methods", method, "--validation-split", "0.5"]) == 2
    assert [len(teachers) for teachers in asked] == [counts]

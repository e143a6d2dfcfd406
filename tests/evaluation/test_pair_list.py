"""`gdrd compare`: a list of pairs becomes scores, and what cannot be scored is said in words."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from gdrd_lab.cli import main
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import calibration_faces
from gdrd_lab.evaluation.compare import compare
from gdrd_lab.evaluation.pair_list import COLUMNS, read_pairs
from gdrd_lab.models.registry import load_model

LIST = "First,second\na.png,b.png\n\nb.png,gone.png\nb.png, text.png\na.png\n a.png ,a.png\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, number in (("a.png", 0), ("b.png", 1)):
        Image.fromarray(calibration_faces()[number]).save(tmp_path / name)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "pairs.csv").write_text("\ufeff" + LIST, encoding="utf-8")
    return tmp_path


def test_a_list_of_pairs_becomes_scores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out" / "scores.csv"
    words = ["compare", str(folder / "pairs.csv"), "--methods", "student", "--resolution", "24", "--out", str(out)]
    assert main(words) == 0
    assert str(out) in capsys.readouterr().out
    header, *rows = csv.reader(out.read_text().splitlines())
    assert header == ["first", "second", "resolution", "student", "error"]
    faces = calibration_faces()
    scores = [compare(faces[0], faces[k], [load_model("student")], [24]).scores["student"][0] for k in (1, 0)]
    assert rows[0] == ["a.png", "b.png", "24", f"{scores[0]:.4f}", ""]
    assert rows[4] == ["a.png", "a.png", "24", f"{scores[1]:.4f}", ""]
    assert [row[:4] for row in rows[1:4]] == [
        ["b.png", "gone.png", "24", ""], ["b.png", "text.png", "24", ""], ["a.png", "", "24", ""]
    ]  # fmt: skip
    assert rows[1][4].startswith("gone.png: ") and rows[2][4].startswith("text.png: ") and rows[3][4] == COLUMNS


@pytest.mark.parametrize(("content", "words"), [(b"\xff\xfe\x00", "UTF-8"), (b" \n,\n", "two columns of file names")])
def test_what_is_not_a_list_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(GdrdError, match=words):
        read_pairs(content)
    assert read_pairs(b"a, b.png;b.png\n") == [["a", "b.png;b.png"]]
    assert read_pairs(b"a.png;b.png\n") == [["a.png", "b.png"]]


def test_a_missing_list_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.endswith("cannot be read. Give a CSV with two columns of file names.\n")

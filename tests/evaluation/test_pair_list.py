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


def test_small_crops_are_taken_whole_and_may_be_searched_for_faces(folder: Path) -> None:
    """As every command that reads images: a detector finds few faces under 20 px and moves those it finds."""
    faces = calibration_faces()
    for name, number in (("a.png", 0), ("b.png", 1)):
        Image.fromarray(faces[number]).resize((20, 20)).save(folder / name)
    (folder / "pairs.csv").write_text("a.png,b.png\n")
    scores = []
    for flags in (["--align"], ["--aligned"], []):
        words = ["compare", str(folder / "pairs.csv"), "--methods", "student", *flags, "--out", str(folder / "out.csv")]
        assert main(words) == 0
        scores.append(list(csv.reader((folder / "out.csv").read_text().splitlines()))[1][-2])
    assert scores[0] != scores[1] == scores[2] != ""


@pytest.mark.parametrize(("content", "words"), [(b"\xff\xfe\x00", "UTF-8"), (b" \n,\n", "two columns of file names")])
def test_what_is_not_a_list_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(GdrdError, match=words):
        read_pairs(content)
    assert read_pairs(b"a, b.png;b.png\n") == [["a", "b.png;b.png"]]
    assert read_pairs(b"a.png;b.png\n") == [["a.png", "b.png"]]


def test_a_missing_list_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.endswith("cannot be read. Give a CSV with two columns of file names.\n")

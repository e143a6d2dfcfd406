"""`gdrd notebooks`: the course is copied out, and a reader's work is kept."""

from pathlib import Path

import pytest

from gdrd_lab.cli import main

COURSE = Path(__file__).resolve().parents[2] / "notebooks"


def test_the_course_is_copied_and_said_how_to_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "my course"
    assert main(["notebooks", str(target)]) == 0
    expected = sorted(file.name for pattern in ("*.ipynb", "*.md") for file in COURSE.glob(pattern))
    assert sorted(file.name for file in target.iterdir()) == expected
    assert all((target / name).read_bytes() == (COURSE / name).read_bytes() for name in expected)
    assert f"jupyter lab '{target}'" in capsys.readouterr().out


def test_a_readers_file_is_kept_unless_it_may_be_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notebooks", str(tmp_path)]) == 0
    first, second = sorted(tmp_path.glob("*.ipynb"))[:2]
    first.write_text("my answers")
    second.unlink()
    (tmp_path / "mine.ipynb").write_text("mine")
    assert main(["notebooks", str(tmp_path)]) == 0
    assert first.read_text() == "my answers" and second.is_file()
    assert f"Kept 1 files that you changed: {first.name}. --force replaces them." in capsys.readouterr().out
    assert main(["notebooks", str(tmp_path), "--force"]) == 0
    assert first.read_bytes() == (COURSE / first.name).read_bytes() and (tmp_path / "mine.ipynb").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "course").write_text("a file")
    assert main(["notebooks", str(tmp_path / "course")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gdrd: ") and error.count("\n") == 1
    assert (tmp_path / "course").read_text() == "a file"

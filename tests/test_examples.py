"""The five lines of the README and the scripts of examples/ run as they stand, on synthetic faces."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gdrd_lab as gl
from gdrd_lab.datasets.folder import write_faces

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(*words: str | Path, folder: Path) -> str:
    """Run Python in a folder of its own; what it prints is returned, its warnings are errors."""
    command = [sys.executable, "-W", "error", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short_and_say_how_to_run_them(example: Path) -> None:
    text = example.read_text()
    assert len(text.splitlines()) < 30
    assert re.search(rf"^Run: python examples/{example.name}\b", text, re.MULTILINE)
    assert f"examples/{example.name}" in (ROOT / "README.md").read_text()


def test_embed_folder(tmp_path: Path) -> None:
    write_faces(gl.synthetic_faces(3, 2, size=112), tmp_path / "people")
    printed = run(ROOT / "examples/embed_folder.py", "people", "out.npz", folder=tmp_path)
    kept = np.load(tmp_path / "out.npz")
    assert kept["embeddings"].shape == (6, 128) and kept["labels"].tolist() == [0, 0, 1, 1, 2, 2]
    assert np.allclose(np.linalg.norm(kept["embeddings"], axis=1), 1, atol=1e-5)
    assert printed == "6 faces, 128 numbers each: out.npz\n"


def test_evaluate_your_model(tmp_path: Path) -> None:
    write_faces(gl.synthetic_faces(8, 2, size=112), tmp_path / "people")
    printed = run(ROOT / "examples/evaluate_your_model.py", "--data", "people", folder=tmp_path)
    assert all(name in printed for name in ("my model", "student", "SFace", "8 px", "16 px"))


def test_distil_student(tmp_path: Path) -> None:
    printed = run(ROOT / "examples/distil_student.py", "--out", "run", folder=tmp_path)
    assert (tmp_path / "run/student/student.safetensors").exists() and "student" in printed


def test_the_readme_opens_with_a_picture_and_five_lines_that_run(tmp_path: Path) -> None:
    before, title = re.split(r"^# ", (ROOT / "README.md").read_text(), maxsplit=1, flags=re.MULTILINE)
    picture = re.search(r"!\[.+?\]\((.+?)\)", before, re.DOTALL)
    code = re.search(r"```python\n(.*?)```", before, re.DOTALL)
    assert picture and (ROOT / picture[1]).is_file() and title.startswith("GDRD Lab")
    assert code and len(list(filter(None, code[1].splitlines()))) == 5
    printed = run("-c", code[1], folder=tmp_path)
    assert "student" in printed and "accuracy" in printed


def test_the_readme_links_to_files_that_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target

"""The commit in a result is that of the code which made it."""

import subprocess
from pathlib import Path

import pytest

from gdrd_lab.io.paths import commit


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "x@example.org")
    (tmp_path / "gdrd_lab").mkdir()
    (tmp_path / "gdrd_lab" / "code.py").write_text("a = 1")
    (tmp_path / "README.md").write_text("one")
    for argv in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *argv], check=True)
    return tmp_path


def test_changed_or_added_code_and_weights_are_marked(repository: Path) -> None:
    clean = commit(repository)
    assert len(clean) == 12 and int(clean, 16) >= 0
    (repository / "README.md").write_text("two")
    (repository / "data" / "results").mkdir(parents=True)
    (repository / "data" / "results" / "new.json").write_text("{}")
    assert commit(repository) == clean
    (repository / "gdrd_lab" / "new.py").write_text("b = 2")
    assert commit(repository) == f"{clean}+"
    (repository / "gdrd_lab" / "new.py").unlink()
    (repository / "data" / "student.safetensors").write_bytes(b"weights")
    assert commit(repository) == f"{clean}+"


def test_another_repository_is_never_taken_for_this_one(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = commit(repository)
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert commit(repository) == clean
    inside = repository / "venv" / "site-packages"  # an installed package within a user's own repository
    inside.mkdir(parents=True)
    assert commit(inside) == ""
    assert commit(other) == "unknown"  # no commit yet: git fails


def test_commit_is_the_head_of_this_checkout() -> None:
    root = Path(__file__).resolve().parents[2]
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert commit().rstrip("+") == head[:12]

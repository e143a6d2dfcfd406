"""What keeps CI honest: a missing browser or an unexpected skip fails the run, and .ci/run says what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.browser import running_browser

ROOT = Path(__file__).resolve().parents[1]
SKIPPED = "import pytest\n\ndef test_one():\n    pytest.skip('no such thing here')\n"


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
@pytest.mark.parametrize("missing", ["playwright", "Chromium"])
def test_a_missing_browser_skips_a_test_or_fails_it_where_one_is_required(
    required: str, outcome: type[BaseException], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Api:
        chromium = SimpleNamespace(executable_path="/nowhere/chrome")

        def __enter__(self) -> "Api":
            return self

        def __exit__(self, *error: object) -> None:
            return None

    fake = None if missing == "playwright" else SimpleNamespace(sync_playwright=Api)
    monkeypatch.setitem(sys.modules, "playwright.sync_api", fake)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("GDRD_REQUIRE_BROWSER", required)
    with pytest.raises(outcome, match=missing), running_browser():
        pass


@pytest.mark.parametrize(("strict", "status"), [("1", 1), ("", 0)])
def test_a_skip_fails_the_run_where_none_is_allowed(strict: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "test_skipped.py").write_text(SKIPPED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "GDRD_NO_SKIPS": strict, "PYTEST_ADDOPTS": ""}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "helpers.skips", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == status, run.stdout + run.stderr
    assert ("no such thing here" in run.stdout) == (strict == "1")


@pytest.mark.parametrize(("given", "threads"), [("3", "3"), (None, str(((os.cpu_count() or 1) + 1) // 2))])
def test_make_lab_gives_pytorch_half_of_the_cores(given: str | None, threads: str, tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "jupyter").write_text('#!/bin/sh\necho "$OMP_NUM_THREADS $@"\n')
    (tmp_path / "jupyter").chmod(0o755)
    (tmp_path / "ready").touch()
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {} if given is None else {"OMP_NUM_THREADS": given}
    words = ["make", "--silent", "lab", f"BIN={tmp_path}", f"READY={tmp_path / 'ready'}"]
    run = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == f"{threads} lab notebooks\n", run.stderr


@pytest.mark.parametrize(("user", "apt", "message"), [("1000", 0, "install it"), ("0", 1, "could not install it")])
def test_ci_says_that_the_browser_is_missing(user: str, apt: int, message: str, tmp_path: Path) -> None:
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    for name, script in (("id", f"echo {user}"), ("apt-get", f"exit {apt}"), ("make", "echo tested")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    script = str(ROOT / ".ci" / "run")
    run = subprocess.run(["bash", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert run.returncode == 1 and message in run.stderr and "tested" not in run.stdout

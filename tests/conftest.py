"""What holds for every test."""

import os
from pathlib import Path

import pytest
from helpers.skips import pytest_sessionfinish, pytest_terminal_summary  # noqa: F401 (hooks)

from gdrd_lab.machine import keep_freed_memory


def pytest_configure() -> None:
    """Networks run about twice as fast so; the command line, the app and the notebooks do the same."""
    keep_freed_memory()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # of the tests that import onnxruntime themselves


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a cache folder of its own, so that none depends on what another left there."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GDRD_CACHE", str(folder))
    return folder

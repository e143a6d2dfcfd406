"""`gdrd app`: where it listens."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from gdrd_lab.app import server
from gdrd_lab.cli import main, parser


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The addresses that the app was asked to listen on."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(server, "serve", lambda host, port, methods, mcp: calls.append((host, port, *methods, mcp)))
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_flags_win_over_the_environment_and_the_environment_over_the_default(
    served: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["app"]) == 0
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7999")
    assert main(["app"]) == 0
    assert main(["app", "--host", "localhost", "--port", "8000", "--method", "mine=a folder", "--mcp"]) == 0
    assert served == [("127.0.0.1", None, False), ("0.0.0.0", 7999, False), ("localhost", 8000, "mine=a folder", True)]


@pytest.mark.parametrize("text", ["0", "65536", "abc", "-1", "", "80.5", "²"])
def test_what_is_not_a_port_is_refused_in_a_sentence(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["app", f"--port={text}"])
    assert end.value.code == 2 and "is not a port; give a number from 1 to 65535" in capsys.readouterr().err


def test_a_bad_port_in_the_environment_stops_no_other_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", "abc")
    parser().parse_args(["results"])
    with pytest.raises(SystemExit):
        parser().parse_args(["app"])


def test_a_port_in_use_or_an_unknown_host_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["app", "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"gdrd: The app cannot listen on 127.0.0.1, port {port}. Choose another --port or --host.\n"
    )
    assert main(["app", "--host", "no such host"]) == 2
    assert capsys.readouterr().err == "gdrd: The app cannot listen on no such host. Choose another --port or --host.\n"


def test_importing_the_app_changes_nothing_in_the_process() -> None:
    code = (
        "import os, sys; before = dict(os.environ); import gdrd_lab.app.server, gdrd_lab.app.uploads; "
        "print(before == dict(os.environ), 'gradio' in sys.modules)"
    )
    env = os.environ | {"KMP_DUPLICATE_LIB_OK": "True"}  # scipy's threadpoolctl sets it
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert run.stdout.split() == ["True", "False"]


def test_the_page_comes_before_what_only_other_tabs_need() -> None:
    code = "import sys, gdrd_lab.app.layout; print(*{'diffusers', 'matplotlib', 'sklearn', 'umap'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []


def test_mcp_without_its_package_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    assert main(["app", "--mcp"]) == 2
    assert capsys.readouterr().err == "gdrd: The package mcp is not installed. Run: pip install 'mcp>=1.21,<2'.\n"

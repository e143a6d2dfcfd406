"""The app as a user starts it, for tests: in a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

APP = Path(__file__).resolve().parents[2] / "app.py"


@dataclass(frozen=True)
class Server:
    """A running app: its address, port, the folder its uploads arrive below, and its log."""

    url: str
    port: int
    folder: Path
    log: Path

    def uploads(self) -> list[Path]:
        """Every uploaded file that is still on the disk and has content."""
        return [file for file in self.folder.glob("gdrd-uploads-*/**/*") if file.is_file() and file.stat().st_size]


def get(url: str) -> tuple[int, bytes]:
    """Status and content of a page."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@contextmanager
def running_app(
    folder: Path, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start the app, wait until it answers, and end it as a service manager would.

    Args:
        folder: for its temporary files and its log.
        command: starts the app at $GRADIO_SERVER_PORT; `python app.py --port PORT` of this checkout if not given.
        environment: of its process; that of this process if not given.
    """
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", port, folder / "tmp", folder / "log.txt")
    server.folder.mkdir()
    words = list(command) or [sys.executable, str(APP), "--port", str(port)]
    variables = dict(environment or {**os.environ, "PYTHONPATH": str(APP.parent)}) | {"TMPDIR": str(server.folder)}
    variables |= {"GRADIO_SERVER_PORT": str(port)} if command else {}
    with server.log.open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=variables, cwd=folder)
        try:
            for _ in range(360):
                if process.poll() is not None:
                    raise AssertionError(f"The app ended by itself: {server.log.read_text()[-2000:]}")
                try:
                    get(server.url)
                    break
                except (urllib.error.URLError, ConnectionError, TimeoutError):
                    time.sleep(0.5)
            else:
                raise AssertionError("the page did not come within 3 minutes")
            yield server
        finally:
            process.terminate()
            process.wait(60)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

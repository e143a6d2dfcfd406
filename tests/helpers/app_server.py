"""The app as a user starts it, for tests: `python app.py` in a process of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
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
def running_app(folder: Path) -> Iterator[Server]:
    """Start the app, wait until it answers, and end it as a service manager would."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", port, folder / "tmp", folder / "log.txt")
    server.folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(server.folder), "PYTHONPATH": str(APP.parent)}
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(APP), "--port", str(port)], stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            for _ in range(360):
                if process.poll() is not None:
                    raise AssertionError(f"app.py ended by itself: {server.log.read_text()[-2000:]}")
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


def chromium() -> str | None:
    """The path of Debian's Chromium, if it is there; None leaves the choice to playwright."""
    return shutil.which("chromium")

"""Which code made a result."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from gdrd_lab.io.paths import checkout

INPUTS = ("gdrd_lab", ":(glob)data/**/*.safetensors")  # what a result depends on: the code and the shipped weights


def commit(root: Path | None = None) -> str:
    """Return the git commit of the running code: 12 digits, "" outside a checkout, "unknown" if git fails.

    A "+" at the end says that files of the package or shipped weights were changed or added since.

    Args:
        root: top folder of the checkout; that of the running code if None.
    """
    root = root or checkout()
    if root is None or not (root / ".git").exists() or shutil.which("git") is None:
        return ""
    # A hook of another repository sets GIT_DIR; the commit must be this one's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*argv: str) -> str:
        command = ["git", "-C", str(root), *argv]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", *INPUTS) else "")
    except subprocess.CalledProcessError:  # for example a checkout that belongs to another user
        return "unknown"

"""Which code made a result."""

from __future__ import annotations

import shutil
import subprocess

from gdrd_lab.io.paths import checkout


def commit() -> str:
    """Return the git commit of the code that is running ("" outside a checkout), with "+" when files were changed."""
    root = checkout()
    if root is None or not (root / ".git").exists() or shutil.which("git") is None:
        return ""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
        ).stdout.strip()

    head = git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if head and git("status", "--porcelain", "--untracked-files=no") else "")

"""Where the shipped data and the cache lie, and which code runs."""

import os
import shutil
import subprocess
from pathlib import Path

from gdrd_lab.errors import GdrdError

PACKAGE = Path(__file__).resolve().parents[1]
MARKER = "face_model.safetensors"  # a file of the shipped data by which their folder is known
INPUTS = ("gdrd_lab", ":(glob)data/**/*.safetensors")  # what a result depends on: the code and the shipped weights


def checkout(package: Path = PACKAGE) -> Path | None:
    """Return the folder of the source checkout that the package runs from; None for an installed copy.

    A folder beside the package is a checkout only with this project's pyproject.toml in it.
    """
    try:
        text = (package.parent / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return package.parent if 'name = "gdrd-lab"' in text.splitlines() else None


def data_folder(package: Path = PACKAGE) -> Path:
    """Return the folder of the shipped data: ``data/`` of the checkout, or the copy inside the installed package."""
    root = checkout(package) or package
    if not (root / "data" / MARKER).is_file():
        do = "Restore the folder with git, or install the package again: pip install --force-reinstall gdrd-lab"
        raise GdrdError(f"The shipped models are not in {root / 'data'}", do)
    return root / "data"


def cache_folder() -> Path:
    """Return the folder for files that can be made again: $GDRD_CACHE, or ~/.cache/gdrd_lab."""
    return Path(os.environ.get("GDRD_CACHE") or Path.home() / ".cache" / "gdrd_lab")


def commit(root: Path | None = None) -> str:
    """Return the git commit of the running code: 12 digits, "" outside a checkout, "unknown" if git fails.

    A "+" at the end says that files of the package or shipped weights were changed or added since.
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

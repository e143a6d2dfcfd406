"""Where the shipped data and the cache lie."""

from __future__ import annotations

import os
from pathlib import Path

from gdrd_lab.errors import GdrdError

PACKAGE = Path(__file__).resolve().parents[1]
MARKER = "face_model.safetensors"  # a file of the shipped data by which their folder is known


def checkout(package: Path = PACKAGE) -> Path | None:
    """Return the folder of the source checkout that the package runs from; None for an installed copy.

    A checkout has this project's pyproject.toml beside the package. Other folders beside an installed package
    (``site-packages/data``, a repository that it was installed into) belong to somebody else.
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
        raise GdrdError(
            f"The shipped models are not in {root / 'data'}",
            "Restore the folder with git, or install the package again: pip install --force-reinstall gdrd-lab",
        )
    return root / "data"


def cache_folder() -> Path:
    """Return the folder for files that can be made again: $GDRD_CACHE, or ~/.cache/gdrd_lab."""
    return Path(os.environ.get("GDRD_CACHE") or Path.home() / ".cache" / "gdrd_lab")

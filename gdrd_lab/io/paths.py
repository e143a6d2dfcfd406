"""Where the shipped models and the cache lie."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the folder of the shipped models: `data/` of the checkout, or the copy inside an installed package."""
    checkout = Path(__file__).resolve().parents[2] / "data"
    return checkout if checkout.is_dir() else Path(__file__).resolve().parents[1] / "data"


def cache_folder() -> Path:
    """Return the folder for things that can be made again: $GDRD_CACHE, or ~/.cache/gdrd_lab."""
    return Path(os.environ.get("GDRD_CACHE") or Path.home() / ".cache" / "gdrd_lab")

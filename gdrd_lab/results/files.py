"""Where a section's results lie: in one file, or in parts that were made by several commands."""

from __future__ import annotations

from pathlib import Path


def files_of(whole: Path) -> list[Path]:
    """Return the file itself and its parts, as far as they are there: lfw.json, lfw-student.json, ..."""
    return [path for path in (whole, *sorted(whole.parent.glob(f"{whole.stem}-*.json"))) if path.exists()]

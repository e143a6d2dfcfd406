"""Public benchmarks of low-resolution recognition, read from their official layouts. For testing only."""

from collections.abc import Sequence
from pathlib import Path

from gdrd_lab.errors import GdrdError


def find_folder(path: Path | str, inside: str, where: str) -> Path:
    """Return the folder at or just below ``path`` that holds ``inside``."""
    path = Path(path)
    for folder in (path, *sorted(path.glob("*/"))):
        if (folder / inside).exists():
            return folder
    raise GdrdError(f"{path} has no {inside}", where)


def must_exist(files: Sequence[Path], name: str) -> None:
    """Raise GdrdError if files of a protocol are missing; it names the first."""
    if missing := [file for file in files if not file.is_file()]:
        what = f"{len(missing)} of {len(files)} images of {name} are missing, among them {missing[0]}"
        raise GdrdError(what, "Unpack the whole set")

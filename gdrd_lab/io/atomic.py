"""Files and folders that are written whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from gdrd_lab.errors import GdrdError

REMEDY = "Free disk space or choose another place; nothing was lost"


class WriteError(GdrdError):
    """A file or folder could not be written: a full disk, or a place that is read-only or is not a folder."""


def with_ending(path: Path | str, ending: str, *replaced: str) -> Path:
    """Return a path that ends in ``ending``: it replaces one of ``replaced`` and is added to anything else."""
    path = Path(path)
    name = path.name.removesuffix(ending)
    for other in replaced:
        name = name.removesuffix(other)
    return path.parent / (name + ending)


@contextmanager
def atomic_write(path: Path | str, remedy: str = REMEDY, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the name ``path`` only when the block ends without an error.

    The content goes to a temporary file in the same folder, which is made if necessary. After an exception, a crash or
    on a full disk an earlier file of that name is still whole.
    """
    path = Path(path)
    with _temporary(path, remedy) as temporary:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def atomic_folder(path: Path | str, remedy: str = REMEDY) -> Iterator[Path]:
    """Give an empty folder that takes the name ``path``, flushed to disk, only when the block ends without an error."""
    path = Path(path)
    with _temporary(path, remedy) as temporary:
        temporary.mkdir()
        yield temporary
        for written in (*temporary.rglob("*"), temporary):
            _sync(written)
        old = temporary.with_name(f"{temporary.name}-old")
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        _sync(path.parent)  # the name must survive a power cut, too
        shutil.rmtree(old, ignore_errors=True)


def write_atomically(path: Path | str, content: bytes) -> Path:
    """Write ``content`` to ``path`` as ``atomic_write`` does; returns the path."""
    with atomic_write(path) as file:
        file.write(content)
    return Path(path)


@contextmanager
def _temporary(path: Path, remedy: str) -> Iterator[Path]:
    """Give a free name beside ``path``; what has this name at the end is deleted."""
    temporary = path.with_name(f".{path.name[:40]}-{uuid4().hex[:12]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
    except OSError as error:
        raise WriteError(f"{path} could not be written ({error.strerror or error})", remedy) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):
            temporary.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

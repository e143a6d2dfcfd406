"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gdrd_lab.errors import GdrdError

REMEDY = "Free disk space or choose another place; nothing was lost"


@contextmanager
def atomic_write(path: Path | str, remedy: str = REMEDY) -> Iterator[BinaryIO]:
    """Give a file to write that takes the name ``path`` only when the block ends well.

    It is a temporary neighbour, flushed to disk and then renamed over ``path``; folders above it are made. After an
    exception, a crash or on a full disk an earlier file of that name is still whole.

    Raises:
        GdrdError: the place cannot be written or the disk is full; it says ``remedy``.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files only their owner can read; give the permissions any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        raise GdrdError(f"{path} could not be written ({error.strerror or error})", remedy) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def write_atomically(path: Path | str, content: bytes) -> Path:
    """Write ``content`` to ``path`` as ``atomic_write`` does; returns the path.

    Raises:
        GdrdError: the place cannot be written or the disk is full.
    """
    with atomic_write(path) as file:
        file.write(content)
    return Path(path)

"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gdrd_lab.errors import GdrdError


def write_atomically(path: Path | str, content: bytes) -> Path:
    """Write ``content`` to ``path``: to a temporary neighbour first, flushed to disk, then renamed over it.

    Folders above it are made. After a crash or on a full disk an earlier file of that name is still whole.

    Raises:
        GdrdError: the place cannot be written or the disk is full.
    """
    path = Path(path)
    draft: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files only their owner can read; give the permissions any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, 0o666 & ~mask)
        os.replace(draft, path)
    except OSError as error:
        if draft is not None and os.path.exists(draft):
            os.unlink(draft)
        raise GdrdError(
            f"{path} could not be written ({error.strerror or error})",
            "Free disk space or choose another place; nothing was lost",
        ) from error
    return path

"""One training at a time writes to a run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import REMEDY

# After a crash the data loader's processes hold the lock until they find, every 5 seconds, that their parent is gone.
WAIT_SECONDS = 10.0


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Hold a run's folder inside the block, for all processes of the run; the lock also ends with its process."""
    lock = FileLock(out / ".lock", timeout=WAIT_SECONDS)
    with distributed.main_process_first() as main:
        if main:
            try:
                out.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            except Timeout as error:
                remedy = "Wait until it ends, or give another --out folder"
                raise GdrdError(f"Another training writes to {out}", remedy) from error
            except OSError as error:
                raise GdrdError(f"{out} cannot be written ({error.strerror or error})", REMEDY) from error
    try:
        yield
    finally:
        lock.release()

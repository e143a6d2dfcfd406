"""Photographs aligned once: their faces lie in one file of the cache folder, named by the photographs' content."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.datasets.aligned_cache.store import StoredFaces, write_store
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import cache_folder

REMEDY = (
    "Remove them, leave them out (skip_unreadable), or choose among several faces with `gdrd faces align --several`"
)
VERSION = 1  # raise it when the same photograph would be aligned otherwise than before


def aligned_copy(
    files: Sequence[Path],
    keys: Sequence[str],
    labels: np.ndarray,
    name: str,
    align: Callable[[Sequence[Path]], Iterator[np.ndarray | GdrdError]],
    *settings: object,
    skip_unreadable: bool = False,
) -> StoredFaces:
    """Open the aligned faces of photographs, aligning them first if the cache folder does not have them.

    Args:
        files: N paths.
        keys: N names.
        labels: (N,) identities.
        name: what messages and tables call the set.
        align: gives for each path its face or why there is none, see ``align_many``.
        settings: what the faces depend on besides the files.
        skip_unreadable: leave out images that cannot be used, with a warning that says how many.

    Raises:
        GdrdError: images cannot be used, all named in one line; or the cache folder cannot be written.
    """
    mark = fingerprint(zip(keys, files, strict=True), VERSION, TEMPLATE_SIZE, *settings)
    path = cache_folder() / "faces" / f"{mark}.safetensors"
    try:
        faces = StoredFaces(path, name)
    except GdrdError:  # not there, or cut off
        write_store(path, align(files), keys, labels, TEMPLATE_SIZE)
        faces = StoredFaces(path, name)
    report(faces.failed, len(files), name, skip_unreadable)
    return faces


def report(failed: Sequence[tuple[str, str]], count: int, name: str, skip: bool) -> None:
    """Raise GdrdError, or with ``skip`` warn, where images of ``count`` failed, given as (key, reason)."""
    if not failed:
        return
    what = f"{len(failed)} of {count} images of {name} cannot be used"
    if skip:
        warnings.warn(f"{what} and were left out", stacklevel=3)
        return
    named = "; ".join(f"{key}: {reason}" for key, reason in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    raise GdrdError(f"{what} ({named}{more})", REMEDY)


def fingerprint(files: Iterable[tuple[str, Path]], *settings: object) -> str:
    """Return a name for the content of files, given as (key, path), and the settings they are read with.

    Files over a megabyte count by size and time of change: reading them would take about as long as aligning them.
    """
    digest = hashlib.sha256(repr(settings).encode())
    for key, path in files:
        digest.update(key.encode("utf-8", "surrogateescape"))
        try:
            metadata = path.stat()
            content = (
                path.read_bytes()
                if metadata.st_size <= 1_000_000
                else repr((metadata.st_size, metadata.st_mtime_ns)).encode()
            )
        except OSError as error:
            raise GdrdError(f"{path} cannot be read ({error.strerror})", "Check its permissions") from error
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:24]

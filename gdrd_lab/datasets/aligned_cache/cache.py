"""Photographs are aligned once: their faces lie in one file of the cache, found by the photographs' content."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.datasets.aligned_cache.store import StoredFaces, write_store
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import cached, checksum, fingerprint

REMEDY = (
    "Remove them, leave them out (--skip-unreadable), choose among several faces (--face-selection largest), or take "
    "the images as aligned faces (--aligned)"
)
VERSION = 1  # raise it when the same photograph is aligned in another way than before


def aligned_copy(
    files: Sequence[Path],
    keys: Sequence[str],
    labels: np.ndarray,
    name: str,
    align: Callable[[Sequence[Path]], Iterator[np.ndarray | GdrdError]],
    *settings: object,
) -> StoredFaces:
    """Open the aligned faces of photographs, and align them first if the cache does not have them.

    Images that give no face are named in ``failed`` of the result.

    Args:
        files: N paths.
        keys: N names.
        labels: (N,) identities.
        align: gives for each path its face or an error, see ``align_many``.
    """
    key = fingerprint(VERSION, TEMPLATE_SIZE, keys, labels, [_content(file) for file in files], settings)
    return cached(
        "faces",
        key,
        lambda: files,
        lambda path: StoredFaces(path, name),
        lambda file, files: write_store(file, align(files), keys, labels, TEMPLATE_SIZE),
    )


def report_failed(failed: Sequence[tuple[str, str]], count: int, name: str, skip: bool) -> None:
    """Raise GdrdError, or with ``skip`` warn, if images of ``count`` failed, given as (key, reason)."""
    if not failed:
        return
    what = f"{len(failed)} of {count} images of {name} cannot be used"
    if skip:
        warnings.warn(f"{what} and were left out", stacklevel=4)
        return
    named = "; ".join(f"{key}: {reason}" for key, reason in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    raise GdrdError(f"{what} ({named}{more})", REMEDY)


def _content(file: Path) -> str | None:
    try:
        return checksum(file)
    except GdrdError:  # aligning it will give the reason
        return None

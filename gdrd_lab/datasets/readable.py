"""Encoded faces that can all be read: a damaged image is reported when a set is opened, not in the middle of a run."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from gdrd_lab.datasets.aligned_cache.cache import report_failed
from gdrd_lab.datasets.base import Concatenation, Subset
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.shards.reader import EncodedFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import cached

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset

PART = 4096  # faces handed to the threads at once


def readable(faces: EncodedFaces) -> FaceDataset:
    """Read every face once and return those that can be used, with their exact size.

    The result is kept in the cache, so a set that has not changed is not read again. A pack of `gdrd data pack` was
    checked when it was packed.
    """
    if faces.checked:
        return faces
    resolutions, reasons = _found(faces)
    good = np.flatnonzero(resolutions)
    failed = [(faces.keys[index], reason) for index, reason in sorted(reasons.items())]
    report_failed(failed, len(faces), faces.name, faces.options.skip_unreadable and len(good) > 0)
    kept: FaceDataset = Subset(faces, good) if failed else faces
    kept.left_out, kept.notes = [*faces.left_out, *failed], faces.notes
    kept.size, kept.mixed = int(resolutions.max()), len(np.unique(resolutions[good])) > 1
    return kept


def require_readable(faces: FaceDataset) -> None:
    """Raise GdrdError if a face of encoded sets, or of a part of them, cannot be read."""
    failed = [(faces.keys[index], reason) for index, reason in sorted(_damaged(faces).items())]
    report_failed(failed, len(faces), faces.name, False)


def _damaged(faces: FaceDataset) -> dict[int, str]:
    """Return the reason for each face that cannot be read."""
    if isinstance(faces, Subset):
        inner = _damaged(faces.dataset)
        return {place: inner[index] for place, index in enumerate(faces.indices.tolist()) if index in inner}
    if isinstance(faces, Concatenation):
        parts = zip(faces.starts.tolist(), faces.datasets, strict=False)
        return {start + index: reason for start, part in parts for index, reason in _damaged(part).items()}
    return _found(faces)[1] if isinstance(faces, EncodedFaces) and not faces.checked else {}


def _found(faces: EncodedFaces) -> tuple[np.ndarray, dict[int, str]]:
    return cached("readable", dataset_fingerprint(faces), lambda: _check(faces), _load, _save)


def _check(faces: EncodedFaces) -> tuple[np.ndarray, dict[int, str]]:
    """Return the resolution of each face in pixels, 0 where it cannot be read, and the reasons."""
    from tqdm.auto import tqdm

    resolutions, reasons = np.zeros(len(faces), np.uint16), {}

    def resolution(index: int) -> int | str:
        try:
            return len(faces[index])
        except GdrdError as error:
            return error.what.split(": ", 1)[-1]

    hide = not faces.options.progress or len(faces) < 1000
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(faces), desc="checking", disable=hide) as bar:
        for begin in range(0, len(faces), PART):
            for index, found in enumerate(pool.map(resolution, range(begin, min(begin + PART, len(faces)))), begin):
                if isinstance(found, str):
                    reasons[index] = found
                else:
                    resolutions[index] = found
            bar.update(min(PART, len(faces) - begin))
    return resolutions, reasons


def _save(file: BinaryIO, result: tuple[np.ndarray, dict[int, str]]) -> None:
    from safetensors.numpy import save

    file.write(save({"resolutions": result[0]}, {"reasons": json.dumps(result[1])}))


def _load(path: Path) -> tuple[np.ndarray, dict[int, str]]:
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        reasons = json.loads(file.metadata()["reasons"])
        return file.get_tensor("resolutions"), {int(index): reason for index, reason in reasons.items()}

"""Encoded faces that can all be read: a damaged image is reported when a set is opened, not in the middle of a run."""

import json
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from gdrd_lab.datasets.aligned_cache import report_failed
from gdrd_lab.datasets.base import Concatenation, FaceDataset, Subset
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.shards.reader import EncodedFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import cached
from gdrd_lab.io.threads import in_threads


def readable(faces: EncodedFaces) -> FaceDataset:
    """Read every face once, unless it was checked when packed; return those that can be used, with their exact size."""
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
    resolutions, reasons = np.zeros(len(faces), np.uint16), {}
    show = faces.options.progress and len(faces) >= 1000
    resolution = in_threads(
        lambda index: len(faces[index]), range(len(faces)), "checking", workers=os.cpu_count(), progress=show
    )
    for index, found in enumerate(resolution):
        if isinstance(found, GdrdError):
            reasons[index] = found.what.split(": ", 1)[-1]
        else:
            resolutions[index] = found
    return resolutions, reasons


def _save(file: BinaryIO, result: tuple[np.ndarray, dict[int, str]]) -> None:
    file.write(save({"resolutions": result[0]}, {"reasons": json.dumps(result[1])}))


def _load(path: Path) -> tuple[np.ndarray, dict[int, str]]:
    with safe_open(path, "numpy") as file:
        reasons = json.loads(file.metadata()["reasons"])
        return file.get_tensor("resolutions"), {int(index): reason for index, reason in reasons.items()}

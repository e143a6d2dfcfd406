"""The fingerprint of a face set: every pixel, label and key counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.datasets.base import Concatenation, Subset, Uniform, identities_of
from gdrd_lab.io.cache import checksum, fingerprint

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset

DIGEST_BYTES = 16


def dataset_fingerprint(faces: FaceDataset) -> str:
    """Return 32 hexadecimal digits that change with any pixel, identity, key or the order of the faces.

    A set in memory is read at each call. A set of files is read once in a process, and again when a file's size or
    time changes.

    Example:
        >>> from gdrd_lab.datasets.base import ArrayFaces
        >>> faces = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
        >>> dataset_fingerprint(ArrayFaces(faces)) == dataset_fingerprint(ArrayFaces(faces[::-1]))
        False
    """
    return fingerprint(face_digests(faces), names_fingerprint(faces), faces.size)


def names_fingerprint(faces: FaceDataset) -> str:
    """Return 32 hexadecimal digits that change with any label, identity name, key or the order of the faces."""
    labels, names = np.asarray(faces.labels, np.int64), identities_of(faces)
    digest = hashlib.sha256()
    for key, label in zip(faces.keys, labels.tolist(), strict=True):
        digest.update(f"{str(key)!r}{str(names[label])!r}".encode() if label >= 0 else repr(str(key)).encode())
    return fingerprint(labels, digest.digest())


def face_digests(faces: FaceDataset) -> np.ndarray:
    """Return a digest of each face's content, uint8 (N, 16).

    A face set may give its own in a method ``face_digests``, for example from the checksums of its files.
    """
    own = getattr(faces, "face_digests", None)
    if own is not None:
        return own()
    if isinstance(faces, Uniform):  # other pixels than those of its source
        return face_digests(faces.dataset) ^ np.frombuffer(faces.size.to_bytes(DIGEST_BYTES), np.uint8)
    if isinstance(faces, Subset):
        return face_digests(faces.dataset)[faces.indices]
    if isinstance(faces, Concatenation):
        return np.concatenate([face_digests(part) for part in faces.datasets])
    return _rows(_short(np.ascontiguousarray(faces[index])) for index in range(len(faces)))


def file_digests(files: Sequence[Path], *details: np.ndarray) -> np.ndarray:
    """Return a digest of each of N files and its rows of ``details``, each (N, ...), uint8 (N, 16)."""
    checksums = {file: checksum(file).encode() for file in dict.fromkeys(files)}
    return _rows(
        _short(b"".join([checksums[file], *(np.ascontiguousarray(rows[index]).tobytes() for rows in details)]))
        for index, file in enumerate(files)
    )


def place_digests(files: Sequence[object], file: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return a digest of faces in a few large files, uint8 (N, 16).

    Args:
        file: (N,) which of the files, 0 to F - 1.
        place: (N,) where in the file.
    """
    heads = np.array([int(fingerprint(content)[:16], 16) for content in files], np.uint64)
    rows = np.stack([heads[file], np.asarray(place, np.uint64)], 1)
    return rows.view(np.uint8).reshape(-1, DIGEST_BYTES)


def _short(content: bytes | np.ndarray) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]  # type: ignore[arg-type]


def _rows(digests: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)

"""The fingerprint of a face set: every pixel, label and key counts."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.base import Concatenation, FaceDataset, Subset, Uniform, identities_of
from gdrd_lab.io.cache import checksum, fingerprint

DIGEST_BYTES = 16


def dataset_fingerprint(faces: FaceDataset) -> str:
    """Return 32 hexadecimal digits that change with any pixel, identity, key or the order of the faces."""
    return fingerprint(face_digests(faces), names_fingerprint(faces), faces.size)


def names_fingerprint(faces: FaceDataset) -> str:
    """Return 32 hexadecimal digits that change with any label, identity name, key or the order of the faces."""
    labels, names = np.asarray(faces.labels, np.int64), identities_of(faces)
    digest = hashlib.sha256()
    for key, label in zip(faces.keys, labels.tolist(), strict=True):
        digest.update(f"{str(key)!r}{str(names[label])!r}".encode() if label >= 0 else repr(str(key)).encode())
    return fingerprint(labels, digest.digest())


def face_digests(faces: FaceDataset) -> np.ndarray:
    """Return a digest of each face's content, uint8 (N, 16); by the set's own method ``face_digests`` if it has one."""
    if (own := getattr(faces, "face_digests", None)) is not None:
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
    """Return digests, uint8 (N, 16), of faces in a few large files: the ``file`` (N,) and ``place`` in it (N,)."""
    heads = np.array([int(fingerprint(content)[:16], 16) for content in files], np.uint64)
    rows = np.stack([heads[file], np.asarray(place, np.uint64)], 1)
    return rows.view(np.uint8).reshape(-1, DIGEST_BYTES)


def _short(content: bytes | np.ndarray) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]  # type: ignore[arg-type]


def _rows(digests: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)

"""Aligned faces in one file: safetensors, written as the faces come, read without loading it into memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.fingerprint import place_digests
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum

HEADER = 4096  # bytes kept for the header, which is only known when all faces are written


class StoredFaces(FaceDataset):
    """The face set of a file that ``write_store`` wrote; its pixels stay on disk until they are asked for.

    Attributes:
        failed: (key, reason) of each image that gave no face.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            (count, size, _, _), (begin, end) = header["faces"]["shape"], header["faces"]["data_offsets"]
            start = 8 + HEADER
            shape = (count, size, size, 3)
            self._faces = np.memmap(path, np.uint8, "r", start + begin, shape) if count else np.zeros(shape, np.uint8)
            labels = np.fromfile(path, "<i8", count, offset=start + end)
            metadata = json.loads(
                np.fromfile(path, np.uint8, offset=start + header["keys"]["data_offsets"][0]).tobytes()
            )
            super().__init__(name, size, labels, metadata["keys"])
            self.failed: list[tuple[str, str]] = [(key, reason) for key, reason in metadata["failed"]]
            if len(self.keys) != count:
                raise ValueError("keys")
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise GdrdError(f"{path} is not a whole file of aligned faces", "Delete it; it is made again") from error

    def __reduce__(self) -> tuple[type[StoredFaces], tuple[Path, str]]:
        return StoredFaces, (self.path, self.name)  # other processes open the file instead of receiving it

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array(self._faces[index])

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face, from the checksum of the file; see ``datasets.fingerprint``."""
        return place_digests([checksum(self.path)], np.zeros(len(self), int), np.arange(len(self)))


def write_store(
    file: BinaryIO,
    results: Iterable[np.ndarray | GdrdError],
    keys: Sequence[str],
    labels: np.ndarray,
    size: int,
) -> None:
    """Write faces to one safetensors file.

    Args:
        results: for each of N images its face, uint8 (size, size, 3), or an error; taken one at a time.
        keys: N names.
        labels: (N,) identities.
        size: side of the faces in pixels.
    """
    file.write(bytes(8 + HEADER))
    failed: dict[int, GdrdError] = {}
    for index, result in enumerate(results):
        if isinstance(result, GdrdError):
            failed[index] = result
        elif result.shape == (size, size, 3) and result.dtype == np.uint8:
            file.write(result.tobytes())
        else:
            raise ValueError(f"a face is {result.dtype} {result.shape}, not uint8 ({size}, {size}, 3)")
    kept = [index for index in range(len(keys)) if index not in failed]
    count = len(kept)
    parts = [("labels", "I64", [count], np.asarray(labels, "<i8")[np.array(kept, int)].tobytes())]
    metadata = {"keys": [keys[i] for i in kept], "failed": [(keys[i], error.what) for i, error in failed.items()]}
    text = json.dumps(metadata).encode()
    parts.append(("keys", "U8", [len(text)], text))
    offset = count * size * size * 3
    header = {"faces": {"dtype": "U8", "shape": [count, size, size, 3], "data_offsets": [0, offset]}}
    for part, kind, shape, content in parts:
        file.write(content)
        header[part] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + len(content)]}
        offset += len(content)
    file.seek(0)
    file.write(HEADER.to_bytes(8, "little") + json.dumps(header).encode().ljust(HEADER))

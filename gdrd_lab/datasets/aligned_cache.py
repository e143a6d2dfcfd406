"""Photographs are aligned once: their faces lie in one file of the cache, found by the photographs' content."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.fingerprint import place_digests
from gdrd_lab.datasets.listing import Listing
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import cached, checksum, fingerprint

REMEDY = (
    "Remove them, leave them out (--skip-unreadable), choose among several faces (--face-selection largest), or take "
    "the images as aligned faces (--aligned)"
)
VERSION = 2  # raise it when the same photograph is aligned in another way than before
AlignFiles = Callable[[Sequence[Path]], Iterator[np.ndarray | GdrdError]]
HEADER = 4096  # bytes kept for the header of a file, which is only known when all faces are written


class StoredFaces(FaceDataset):
    """The face set of a file that ``write_store`` wrote, with its pixels on disk; ``failed`` has what gave no face."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        try:
            file = safe_open(path, "numpy")
            self._faces = file.get_slice("faces")
            metadata = json.loads(file.get_tensor("keys").tobytes())
            super().__init__(name, self._faces.get_shape()[1], file.get_tensor("labels"), metadata["keys"])
            self.failed: list[tuple[str, str]] = [(key, reason) for key, reason in metadata["failed"]]
            if not len(self.keys) == len(self) == self._faces.get_shape()[0]:
                raise ValueError("keys")
        except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
            raise GdrdError(f"{path} is not a whole file of aligned faces", "Delete it; it is made again") from error

    def __reduce__(self) -> "tuple[type[StoredFaces], tuple[Path, str]]":
        return StoredFaces, (self.path, self.name)  # other processes open the file instead of receiving it

    def __getitem__(self, index: int) -> np.ndarray:
        index = range(len(self))[index]
        return self._faces[index : index + 1][0]

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face, from the checksum of the file."""
        return place_digests([checksum(self.path)], np.zeros(len(self), int), np.arange(len(self)))


def write_store(
    file: BinaryIO, results: Iterable[np.ndarray | GdrdError], keys: Sequence[str], labels: np.ndarray, size: int
) -> None:
    """Write N results, each a face, uint8 (size, size, 3), or an error, to one safetensors file as they come."""
    file.write(bytes(8 + HEADER))
    kept, failed = [], []
    for index, result in enumerate(results):
        if isinstance(result, GdrdError):
            failed.append((keys[index], result.what))
            continue
        if result.shape != (size, size, 3) or result.dtype != np.uint8:
            raise ValueError(f"a face is {result.dtype} {result.shape}, not uint8 ({size}, {size}, 3)")
        file.write(result.tobytes())
        kept.append(index)
    end = len(kept) * size * size * 3
    header: dict[str, Any] = {"faces": {"dtype": "U8", "shape": [len(kept), size, size, 3], "data_offsets": [0, end]}}
    names = json.dumps({"keys": [keys[index] for index in kept], "failed": failed}).encode()
    numbers = np.asarray(labels, "<i8")[np.array(kept, int)]
    for part, kind, array in (("labels", "I64", numbers), ("keys", "U8", np.frombuffer(names, np.uint8))):
        file.write(array.tobytes())
        header[part] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    file.seek(0)
    file.write(HEADER.to_bytes(8, "little") + json.dumps(header).encode().ljust(HEADER))


def aligned_copy(listing: Listing, name: str, align: AlignFiles, *settings: object) -> StoredFaces:
    """Open the aligned faces of listed photographs; ``align`` them first if the cache does not have them."""
    files, keys, labels = listing.files, listing.keys, listing.labels
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

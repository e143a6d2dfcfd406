"""InsightFace's training sets and im2rec's files: `.rec` with `.idx`, read without mxnet.

RecordIO: each record is the number 0xced7230a, a word whose upper 3 bits say which part of a record it is and whose
lower 29 bits give its length, the content, and zeros up to a multiple of 4. An image's content starts with
flag (uint32), label (float32) and two uint64; if flag > 0, that many float32 labels follow, the identity first.
InsightFace's record 0 and its records of each identity have labels but no image.

Source: mxnet/recordio.py and dmlc-core's recordio.h; InsightFace's recognition data sets.
"""

import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.fingerprint import place_digests
from gdrd_lab.datasets.labels import number_parts
from gdrd_lab.datasets.shards.reader import EncodedFaces, files_of
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum

MAGIC = 0xCED7230A
LENGTH = (1 << 29) - 1
HEADER = struct.Struct("<IfQQ")


@dataclass(frozen=True)
class RecordTable:
    """The images of a .rec file: number, byte offset and first label of each, and what a user should know."""

    numbers: np.ndarray
    places: np.ndarray
    labels: np.ndarray
    notes: tuple[str, ...]


class RecordFaces(EncodedFaces):
    """The faces of .rec files with an .idx beside each; only the place and identity of each face stays in memory."""

    def __init__(self, paths: Path | str | Sequence[Path], options: ReadOptions = ReadOptions()) -> None:
        self.paths = [Path(paths)] if isinstance(paths, Path | str) else list(paths)
        tables = [read_records(path) for path in self.paths]
        stems = [path.stem for path in self.paths]
        labels, names, notes = number_parts([table.labels.tolist() for table in tables], stems)
        self._files = np.repeat(np.arange(len(tables)), [len(table.places) for table in tables])
        self._places = np.concatenate([table.places for table in tables])
        keys = [str(number) for table in tables for number in table.numbers.tolist()]
        if len(tables) > 1:
            keys = [f"{stems[file]}/{key}" for file, key in zip(self._files.tolist(), keys, strict=True)]
        super().__init__(self.paths[0].resolve().parent.name, options, labels, keys, names)
        others = [file.name for file in files_of(self.paths[0].parent, ".rec") if file not in self.paths]
        notes += [f"{', '.join(others)} in the same folder: not opened"] if others else []
        self.notes = [*notes, *(note for table in tables for note in table.notes)]

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        path = self.paths[self._files[index]]
        try:
            with path.open("rb") as file:
                file.seek(int(self._places[index]))
                record = _record(file.read)
            flag = HEADER.unpack_from(record)[0]
        except (OSError, struct.error) as error:
            raise GdrdError(f"{path} is damaged at record {self.keys[index]}", "Get the file again") from error
        return record[HEADER.size + 4 * flag :]

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face, from the checksums of the files."""
        return place_digests([(checksum(path), self._salt()) for path in self.paths], self._files, self._places)


def find_records(path: Path) -> list[Path]:
    """Return the .rec files that a path names: itself, or in a folder train.rec if it is there, else all."""
    found = files_of(path, ".rec")
    return [file for file in found if file.name == "train.rec"] or found


def read_records(path: Path) -> RecordTable:
    """Return the images of a .rec file. One that is cut off in its last image is used without it, with a warning."""
    numbers, places = read_index(path.with_suffix(".idx"))
    try:
        size = path.stat().st_size
        words = np.memmap(path, "<u4", "r", shape=size // 4)
    except (OSError, ValueError) as error:
        raise GdrdError(f"{path} cannot be read ({error})", "Name a whole .rec file") from error
    headed = places + 8 + HEADER.size <= size
    starts = np.where(headed, places, 0) // 4
    ends = _ends(words, starts)
    whole = headed & (ends <= size)
    last = places == places.max()
    if (words[starts[headed]] != MAGIC).any() or (~whole & ~last).any() or not whole.any():
        raise GdrdError(f"{path} is cut off or does not fit {path.with_suffix('.idx').name}", "Get both files again")
    notes = []
    if not whole.all():
        notes.append(f"{path.name} is cut off in its last image, {numbers[last][0]}, which is left out")
    elif missing := size - int((ends - places).sum()):
        notes.append(f"{path.with_suffix('.idx').name} does not name {missing:,} bytes of {path.name}: images are lost")
    for note in notes:
        warnings.warn(note, stacklevel=4)
    heads, flags = words[starts + 1], words[starts + 2].astype(np.int64)
    # A record of several parts (kind 1 to 3) holds an image: labels alone are never cut.
    images = whole & ((heads >> 29 > 0) | ((heads & LENGTH) > HEADER.size + 4 * flags))
    # The label is in the header, or, where flag > 0, the first of the list that follows it.
    labels = words[np.where(flags > 0, np.minimum(starts + 2 + HEADER.size // 4, len(words) - 1), starts + 3)]
    if not images.any():
        raise GdrdError(f"{path} has no images in it", "Name InsightFace's train.rec, or a file of im2rec")
    return RecordTable(numbers[images], places[images], labels.view("<f4")[images], tuple(notes))


def _ends(words: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the byte offset of the end of each record, in words from ``starts``; a part that is cut off ends late."""
    heads = words[starts + 1]
    ends = 4 * starts + 8 + (heads & LENGTH).astype(np.int64) + (-(heads & LENGTH).astype(np.int64)) % 4
    for row in np.flatnonzero(heads >> 29 == 1):  # rare: an image that holds the magic number is written in parts
        kind = 1
        while kind != 3 and ends[row] + 8 <= 4 * len(words):
            head = int(words[ends[row] // 4 + 1])
            kind = head >> 29
            ends[row] += 8 + (head & LENGTH) + -(head & LENGTH) % 4
        if kind != 3:
            ends[row] = 4 * len(words) + 4
    return ends


def read_index(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an .idx file, lines of "number<tab>place": record numbers and byte offsets, int64 (N,), in number order."""
    try:
        if not path.read_bytes().strip():
            raise ValueError("it is empty")
        rows = np.loadtxt(path, np.int64, ndmin=2)
        if rows.shape[1] != 2 or (rows < 0).any() or (rows[:, 1] % 4).any():
            raise ValueError("not two columns of numbers and places")
    except (OSError, ValueError) as error:
        what = f"{path} is not the index of a .rec file ({str(error)[:80]})"
        raise GdrdError(what, "Put the .idx file beside the .rec file") from error
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return rows[:, 0], rows[:, 1]


def _record(read: Callable[[int], bytes]) -> bytes:
    """Read one record and join its parts with the magic number that was cut out between them."""
    out: list[bytes] = []
    while True:
        magic, word = struct.unpack("<II", read(8))
        if magic != MAGIC:
            raise struct.error("not a record")
        length = word & LENGTH
        part = read(length + -length % 4)
        if len(part) < length:
            raise struct.error("cut off")
        out.append(part[:length])
        if word >> 29 in (0, 3):
            return struct.pack("<I", MAGIC).join(out)

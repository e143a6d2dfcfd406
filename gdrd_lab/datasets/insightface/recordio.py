"""InsightFace's training sets: `train.rec` with `train.idx` and `property`, read without mxnet.

RecordIO: each record is the number 0xced7230a, a word whose upper 3 bits say which part of a record it is and whose
lower 29 bits give its length, the content, and zeros up to a multiple of 4. An image's content starts with
flag (uint32), label (float32) and two uint64; if flag > 0, that many float32 labels follow. InsightFace's record 0 is
no image: its two labels are the first number of the per-identity records and the number after the last.

Source: mxnet/recordio.py and dmlc-core's recordio.h; InsightFace's recognition data sets.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.shards.reader import EncodedFaces
from gdrd_lab.errors import GdrdError

MAGIC = 0xCED7230A
HEADER = struct.Struct("<IfQQ")


class RecordFaces(EncodedFaces):
    """The faces of a .rec file; only the place and identity of each stays in memory.

    Args:
        path: the .rec file; its .idx lies beside it.
        options: how images become faces.

    Raises:
        GdrdError: a file is missing, is no RecordIO file, or is cut off.
    """

    def __init__(self, path: Path | str, options: ReadOptions = ReadOptions()) -> None:
        self.path = Path(path)
        super().__init__(self.path.resolve().parent.name, options)
        numbers, places = read_index(self.path.with_suffix(".idx"))
        try:
            words = np.memmap(self.path, "<u4", "r", shape=self.path.stat().st_size // 4)
        except (OSError, ValueError) as error:
            raise GdrdError(f"{self.path} cannot be read ({error})", "Name a whole .rec file") from error
        if len(places) and (places.max() // 4 + 8 > len(words) or (words[places // 4] != MAGIC).any()):
            raise GdrdError(
                f"{self.path} is cut off or does not fit {self.path.with_suffix('.idx').name}", "Get both files again"
            )
        self._places, self._flags = places, words[places // 4 + 2]
        labels = self._first_labels(words)
        if numbers[0] == 0 and self._flags[0] == 2:
            end = int(labels[0])  # images are the records before the per-identity ones
            images = (numbers > 0) & (numbers < end)
            labels, self._places, numbers = labels[images], places[images], numbers[images]
        if not len(labels):
            raise GdrdError(f"{self.path} has no images in it", "Name InsightFace's train.rec")
        # Identities numbered from 0 without gaps, as everywhere here.
        self.labels = np.unique(labels.astype(np.int64), return_inverse=True)[1].astype(np.int64)
        self.keys = [str(number) for number in numbers]

    def _first_labels(self, words: np.ndarray) -> np.ndarray:
        """The label of each record: in its header, or, where flag > 0, the first of the list that follows it."""
        start = self._places // 4 + 2
        inside, after = start + 1, np.minimum(start + HEADER.size // 4, len(words) - 1)
        return words[np.where(self._flags > 0, after, inside)].view("<f4")

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        try:
            with self.path.open("rb") as file:
                file.seek(int(self._places[index]))
                record = _record(file.read(8), file.read)
        except (OSError, struct.error) as error:
            raise GdrdError(f"{self.path} is cut off at record {self.keys[index]}", "Get the file again") from error
        flag = HEADER.unpack_from(record)[0]
        return record[HEADER.size + 4 * flag :]


def read_index(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an .idx file, lines of "number<tab>place": record numbers and byte offsets, int64 (N,), in number order.

    Raises:
        GdrdError: it is missing or is none.
    """
    try:
        rows = np.loadtxt(path, np.int64, ndmin=2)
        if rows.shape[1] != 2 or (rows < 0).any() or (rows[:, 1] % 4).any():
            raise ValueError("not two columns of numbers and places")
    except (OSError, ValueError) as error:
        raise GdrdError(
            f"{path} is no index of a .rec file ({str(error)[:80]})", "Put the .idx file beside the .rec file"
        ) from error
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return rows[:, 0], rows[:, 1]


def read_property(path: Path) -> tuple[int, int, int]:
    """Read InsightFace's `property` file: identities, height, width ("85742,112,112").

    Raises:
        GdrdError: it is missing or is none.
    """
    try:
        identities, height, width = (int(word) for word in path.read_text().strip().split(","))
    except (OSError, ValueError) as error:
        raise GdrdError(f"{path} is no InsightFace property file", 'It holds one line: "85742,112,112"') from error
    return identities, height, width


def write_record(content: bytes) -> bytes:
    """Encode one record (for tests and tools); content that holds the magic number is split as the format asks."""
    parts = _split_at_magic(content)
    out = []
    for place, part in enumerate(parts):
        kind = 0 if len(parts) == 1 else 1 if place == 0 else 3 if place == len(parts) - 1 else 2
        out.append(struct.pack("<II", MAGIC, kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4))
    return b"".join(out)


def _split_at_magic(content: bytes) -> list[bytes]:
    """Cut content where an aligned word equals the magic number, which is left out."""
    mark, parts, start = struct.pack("<I", MAGIC), [], 0
    for place in range(0, len(content) - 3, 4):
        if content[place : place + 4] == mark:
            parts.append(content[start:place])
            start = place + 4
    return [*parts, content[start:]]


def _record(head: bytes, read: object) -> bytes:
    """Read one record, joining its parts with the magic number that was cut out between them."""
    out: list[bytes] = []
    while True:
        magic, word = struct.unpack("<II", head)
        if magic != MAGIC:
            raise struct.error("no record")
        kind, length = word >> 29, word & (1 << 29) - 1
        padded = read(length + -length % 4)  # type: ignore[operator]
        if len(padded) < length:
            raise struct.error("cut off")
        out.append(padded[:length])
        if kind in (0, 3):
            return struct.pack("<I", MAGIC).join(out)
        head = read(8)  # type: ignore[operator]

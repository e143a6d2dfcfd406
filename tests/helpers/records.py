"""Records written in exactly the layout of RecordIO."""

import struct

from gdrd_lab.datasets.insightface.recordio import MAGIC


def write_record(content: bytes) -> bytes:
    """Encode one record ; content that holds the magic number is split as the format demands."""
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

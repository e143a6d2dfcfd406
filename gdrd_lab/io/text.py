"""Text files of any common encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NAMES = ("utf-32", "utf-32", "utf-16", "utf-16")


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 or UTF-32 as its byte order mark or its zeros say."""
    content = path.read_bytes()
    for mark, name in zip(_MARKS, _NAMES, strict=True):
        if content.startswith(mark):
            return content.decode(name)
    if b"\0" in content[:4]:  # UTF-16 without a mark: one byte of each Latin letter is zero
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")
    return content.decode("utf-8-sig")

"""Text files of any common encoding."""

from __future__ import annotations

import json
from pathlib import Path


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 or UTF-32 as its byte order mark or its zeros say."""
    content = path.read_bytes()
    return content.decode(json.detect_encoding(content))

"""The index of a packed shard: position and identity of each face, a teacher's embeddings.

A set of millions opens without reading its tar files. An index is used only for the shard that it was made for.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum

if TYPE_CHECKING:
    from torch import Tensor

DIGITS = 9  # of a face's number in a tar file
PARTS = ("offsets", "sizes", "labels", "resolutions")


@dataclass(frozen=True)
class ShardIndex:
    """The N faces of one shard."""

    first: int  # number of its first face in the whole set; the others follow without gaps
    offsets: np.ndarray  # (N,) uint64, where in the tar file each image starts
    sizes: np.ndarray  # (N,) uint32, bytes of each image
    labels: np.ndarray  # (N,) int64 identities of the whole set, -1 where unknown
    resolutions: np.ndarray  # (N,) uint16, in pixels
    identities: dict[int, str] = field(default_factory=dict)  # name of each identity number in ``labels``
    teacher: str | None = None  # fingerprint of the recogniser whose embeddings are stored with the faces
    sha256: str = ""  # checksum of the shard; ``index_content`` computes it


def index_path(shard: Path) -> Path:
    """Return the path of a shard's index."""
    return shard.with_name(f"{shard.stem}.index.safetensors")


def index_content(index: ShardIndex, shard: Path, embeddings: np.ndarray | None) -> bytes:
    """Return a shard's index file; embeddings (N, d) become float16, which changes a cosine by less than 1e-3."""
    parts: dict[str, np.ndarray] = {name: getattr(index, name) for name in PARTS}
    if embeddings is not None:
        parts["embeddings"] = embeddings.astype(np.float16)
    state = shard.stat()
    metadata = {
        "first": index.first,
        "identities": index.identities,
        "teacher": index.teacher,
        "tar_bytes": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "sha256": checksum(shard),
    }
    return save(parts, {"index": json.dumps(metadata)})


def read_shard_index(shard: Path) -> ShardIndex | None:
    """Return a shard's index, or None where there is none, it is damaged or it belongs to another shard.

    After a copy, which changes the time, the shard is read once and gets its recorded time back if it can be written.
    """
    try:
        with safe_open(index_path(shard), "numpy") as file:
            metadata = json.loads((file.metadata() or {})["index"])
            parts = {name: file.get_tensor(name) for name in PARTS}
        state, recorded = shard.stat(), int(metadata["mtime_ns"])
        if metadata["tar_bytes"] != state.st_size or len({len(part) for part in parts.values()}) != 1:
            return None
        if recorded != state.st_mtime_ns:
            if metadata["sha256"] != checksum(shard):
                return None
            with suppress(OSError):
                os.utime(shard, ns=(state.st_atime_ns, recorded))
        names = {int(label): str(name) for label, name in metadata["identities"].items()}
        first, teacher, sha256 = int(metadata["first"]), metadata["teacher"], metadata["sha256"]
        return ShardIndex(first, **parts, identities=names, teacher=teacher, sha256=sha256)
    except (OSError, GdrdError, SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_shard_embeddings(shard: Path) -> "Tensor":
    """Return the embeddings float16 (N, d) stored with a shard."""
    try:
        with safe_open(index_path(shard), "pt") as file:
            return file.get_tensor("embeddings")
    except (OSError, SafetensorError) as error:
        raise GdrdError(f"{shard} has no stored embeddings", "Pack the faces again with --embed") from error

"""What `gdrd data pack` writes beside each shard: where each face lies, its identity, and a teacher's embedding.

A shard `faces-000012.tar` has `faces-000012.index.safetensors`, so that a set of millions opens without reading its
tar files. An index whose shard has another size is not believed.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError

if TYPE_CHECKING:
    from torch import Tensor

DIGITS = 9  # of a face's number in a tar file


@dataclass(frozen=True)
class ShardIndex:
    """The faces of one shard.

    Args:
        first: number of its first face in the whole set; the others follow without gaps.
        offsets: (N,) uint64, where in the tar file each image starts.
        sizes: (N,) uint32, bytes of each image.
        labels: (N,) int64 identities of the whole set, -1 where unknown.
        teacher: name of the recogniser whose embeddings are cached, or None.
    """

    first: int
    offsets: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    teacher: str | None = None


class NumberedKeys(Sequence[str]):
    """Keys "faces-000012/000024017", made when they are asked for: a list of ten million would take a gigabyte."""

    def __init__(self, prefixes: Sequence[str], firsts: Sequence[int], counts: Sequence[int]) -> None:
        self._prefixes, self._firsts = list(prefixes), list(firsts)
        self._ends = list(accumulate(counts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        shard = bisect_right(self._ends, index)
        start = self._ends[shard - 1] if shard else 0
        return f"{self._prefixes[shard]}{self._firsts[shard] + index - start:0{DIGITS}d}"


def index_path(shard: Path) -> Path:
    """Return where the index of a shard lies."""
    return shard.with_name(f"{shard.stem}.index.safetensors")


def index_content(index: ShardIndex, tar_bytes: int, embeddings: np.ndarray | None) -> bytes:
    """Return the file of an index; ``embeddings`` (N, d) are kept as float16 (a cosine changes by less than 1e-3)."""
    from safetensors.numpy import save

    parts = {"offsets": index.offsets, "sizes": index.sizes, "labels": index.labels}
    if embeddings is not None:
        parts["embeddings"] = embeddings.astype(np.float16)
    metadata = {"first": index.first, "tar_bytes": tar_bytes, "teacher": index.teacher}
    return save(parts, {"index": json.dumps(metadata)})


def read_shard_index(shard: Path) -> ShardIndex | None:
    """Return a shard's index, or None where there is none, it is damaged or the shard has changed since."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(index_path(shard), "numpy") as file:
            metadata = json.loads((file.metadata() or {})["index"])
            parts = {name: file.get_tensor(name) for name in ("offsets", "sizes", "labels")}
        if metadata["tar_bytes"] != shard.stat().st_size or len({len(part) for part in parts.values()}) != 1:
            return None
        return ShardIndex(int(metadata["first"]), **parts, teacher=metadata["teacher"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def read_shard_embeddings(shard: Path) -> Tensor:
    """Return the embeddings float16 (N, d) cached with a shard.

    Raises:
        GdrdError: there are none.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(index_path(shard), "pt") as file:
            return file.get_tensor("embeddings")
    except (OSError, SafetensorError) as error:
        raise GdrdError(f"{shard} has no cached embeddings", "Pack the faces again with --embed") from error

"""Large sets: WebDataset shards (tar) and datasets saved by Hugging Face `datasets`, read face by face.

Only images and small texts are read from a file: pickled members are never opened.
"""

from __future__ import annotations

import json
import tarfile
from array import array
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import Aligner
from gdrd_lab.datasets.base import FaceDataset, ReadOptions
from gdrd_lab.datasets.shards.index import NumberedKeys, ShardIndex, read_shard_embeddings, read_shard_index
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import SUFFIXES, read_image

if TYPE_CHECKING:
    from torch import Tensor

IDENTITY_FIELDS = ("identity", "label", "cls", "class", "person", "id")


class EncodedFaces(FaceDataset):
    """A face set whose images lie somewhere as files' bytes: subclasses set ``keys``, ``labels`` and give ``content``.

    Args:
        name: what messages and tables call the set.
        options: how images become faces, when they are asked for.
    """

    size = TEMPLATE_SIZE
    keys: Sequence[str]
    labels: np.ndarray

    def __init__(self, name: str, options: ReadOptions) -> None:
        self.name, self.options = name, options
        self._aligner: Aligner | None = None

    @property
    def takes_as_it_is(self) -> bool:
        """Whether an image of the right size is taken for an aligned face."""
        return self.options.align != "always"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> np.ndarray:
        index = range(len(self))[index]
        try:
            self._aligner = self._aligner or Aligner()
            return self._aligner.face(read_image(self.content(index)), self.options.align, self.options.face_selection)
        except GdrdError as error:
            raise GdrdError(f"{self.keys[index]} in {self.name}: {error.what}", error.do) from error

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        raise NotImplementedError


class ShardFaces(EncodedFaces):
    """Faces in WebDataset shards: tar files with ``key.jpg`` and ``key.cls`` or ``key.json`` for each.

    The tar files' tables are read once, or their indices where `gdrd data pack` wrote them; after that a face is one
    seek and one read, in any order, and only the place of each face stays in memory. The identity is the number in
    .cls, or a field of .json: identity, label, cls, class, person or id; without one it is unknown (-1).

    Args:
        paths: tar files, not compressed.
        options: how images become faces.
        name: what messages and tables call the set; the first file's folder if None.

    Raises:
        GdrdError: a file is missing, no tar file, compressed or cut off, or there are no images.
    """

    teacher: str | None = None
    _shards: array | np.ndarray
    _offsets: array | np.ndarray
    _sizes: array | np.ndarray

    def __init__(
        self,
        paths: Sequence[Path | str],
        options: ReadOptions = ReadOptions(),
        *,
        name: str | None = None,
    ) -> None:
        self.paths = [Path(path) for path in paths]
        if not self.paths:
            raise GdrdError("There are no shards", "Name at least one .tar file")
        super().__init__(name or self.paths[0].resolve().parent.name, options)
        indices = [read_shard_index(path) for path in self.paths]
        if all(indices):
            self._open_indexed([index for index in indices if index])
            return
        self._shards, self._offsets, self._sizes = array("I"), array("Q"), array("Q")
        keys: list[str] = []
        identities: list[str | None] = []
        for number, path in enumerate(self.paths):
            for key, offset, size, identity in _index(path):
                self._shards.append(number)
                self._offsets.append(offset)
                self._sizes.append(size)
                keys.append(key if len(self.paths) == 1 else f"{path.stem}/{key}")
                identities.append(identity)
        if not keys:
            raise GdrdError(f"{self.paths[0]} has no images in it", "Name WebDataset shards with .jpg or .png members")
        self.keys, self.labels = keys, number_identities(identities)

    def _open_indexed(self, indices: Sequence[ShardIndex]) -> None:
        counts = [len(index.offsets) for index in indices]
        self._shards = np.repeat(np.arange(len(indices), dtype=np.uint32), counts)
        self._offsets = np.concatenate([index.offsets for index in indices])
        self._sizes = np.concatenate([index.sizes for index in indices])
        labels = np.concatenate([index.labels for index in indices])
        known = labels >= 0
        self.labels = np.full(len(labels), -1)
        self.labels[known] = np.unique(labels[known], return_inverse=True)[1]
        prefixes = [""] if len(indices) == 1 else [f"{path.stem}/" for path in self.paths]
        self.keys = NumberedKeys(prefixes, [index.first for index in indices], counts)
        if all(index.teacher and index.teacher == indices[0].teacher for index in indices):
            self.teacher = indices[0].teacher

    def cached_embeddings(self, teacher: str) -> Tensor | None:
        """Return the embeddings (N, d) that `gdrd data pack` cached with the faces, or None if not this teacher's."""
        if self.teacher != teacher:
            return None
        import torch

        return torch.cat([read_shard_embeddings(path) for path in self.paths]).float()

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        path = self.paths[self._shards[index]]
        try:
            with path.open("rb") as file:  # opened anew: safe in threads and after a fork
                file.seek(int(self._offsets[index]))
                return file.read(int(self._sizes[index]))
        except OSError as error:
            raise GdrdError(
                f"{path} cannot be read ({error.strerror})", "Leave it in place while it is used"
            ) from error


def number_identities(identities: Sequence[str | None]) -> np.ndarray:
    """Number identities from 0 in the order of their names (numbers as numbers): int64 (N,), -1 for None."""
    names = {name for name in identities if name is not None}
    ordered = sorted(names, key=lambda name: (not name.isdigit(), len(name) if name.isdigit() else 0, name))
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(ordered)}
    return np.array([numbers.get(name, -1) for name in identities], np.int64)


def find_shards(path: Path) -> list[Path]:
    """Return the tar files that a path names: itself, or those in the folder."""
    return [path] if path.suffix == ".tar" and path.is_file() else sorted(path.glob("*.tar"))


def _index(path: Path) -> list[tuple[str, int, int, str | None]]:
    """Return (key, offset, size, identity) of each image in a tar file, reading headers and labels only."""
    images: dict[str, tuple[int, int]] = {}
    identities: dict[str, str | None] = {}
    try:
        end = path.stat().st_size
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isreg() or member.issparse():
                    continue
                if member.offset_data + member.size > end:
                    raise tarfile.ReadError("cut off")
                key, ending = _split(member.name)
                if ending in SUFFIXES:
                    images.setdefault(key, (member.offset_data, member.size))
                elif ending in (".cls", ".json", ".txt") and member.size <= 1_000_000:
                    file = tar.extractfile(member)
                    found = _identity(file.read() if file else b"", ending)
                    if found is not None:
                        identities[key] = found
                tar.members = []  # type: ignore[attr-defined]  # else tarfile keeps every member's record
    except (OSError, tarfile.TarError, EOFError) as error:
        raise GdrdError(
            f"{path} cannot be read as a tar file ({error})", "Name a whole, uncompressed .tar file"
        ) from error
    return [(key, *place, identities.get(key)) for key, place in images.items()]


def _split(name: str) -> tuple[str, str]:
    """Split as WebDataset does, at the first dot of the file's name: "a/b.left.jpg" is key "a/b", ending ".jpg"."""
    path = PurePosixPath(name)
    stem, _, _ = path.name.partition(".")
    return (path.parent / stem).as_posix(), path.suffix.lower()


def _identity(content: bytes, ending: str) -> str | None:
    try:
        text = content.decode().strip()
        if ending == ".json":
            fields = json.loads(text)
            found = next((fields[field] for field in IDENTITY_FIELDS if field in fields), None)
            return None if found is None or found == -1 else str(found)
        return None if ending == ".txt" or text in ("", "-1") else text
    except (ValueError, TypeError):
        return None

"""Face sets whose images are encoded: the base of all, and WebDataset shards (tar), read face by face."""

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import Aligner, is_crop
from gdrd_lab.datasets.aligned_cache import VERSION
from gdrd_lab.datasets.base import FaceDataset, ReadOptions
from gdrd_lab.datasets.fingerprint import place_digests
from gdrd_lab.datasets.labels import NumberedKeys
from gdrd_lab.datasets.shards.index import DIGITS, ShardIndex, read_shard_embeddings, read_shard_index
from gdrd_lab.datasets.shards.tar import read_tar
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum
from gdrd_lab.io.images import read_image

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE = 16  # images whose resolution is read when a set is opened


class EncodedFaces(FaceDataset):
    """A face set of encoded images (JPEG, PNG ...): subclasses give ``content`` and ``face_digests``.

    ``names`` are the keys and the names of the identities, see ``FaceDataset``.
    """

    def __init__(self, name: str, options: ReadOptions, labels: Any, *names: Sequence[str] | None) -> None:
        super().__init__(name, TEMPLATE_SIZE, labels, *names)
        self.options, self.checked = options, False
        self._aligner: Aligner | None = None
        if len(self):
            resolutions = {self._resolution(index) for index in range(0, len(self), -(-len(self) // SAMPLE))}
            self.size, self.mixed = max(resolutions), len(resolutions) > 1

    def __getitem__(self, index: int) -> np.ndarray:
        index = range(len(self))[index]
        try:
            self._aligner = self._aligner or Aligner()
            return self._aligner.face(read_image(self.content(index)), self.options.align, self.options.face_selection)
        except GdrdError as error:
            do = f"{error.do}, or leave out what cannot be used (--skip-unreadable)"
            raise GdrdError(f"{self.keys[index]} in {self.name}: {error.what}", do) from error

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        raise NotImplementedError

    def takes_whole(self, height: int, width: int) -> bool:
        """Whether an image of this size is taken as a face, and not as a photograph that must be aligned."""
        return self.options.align == "never" or (self.options.align == "auto" and is_crop(height, width))

    def _resolution(self, index: int) -> int:
        try:
            with Image.open(io.BytesIO(self.content(index))) as image:
                return max(image.size) if self.takes_whole(image.height, image.width) else TEMPLATE_SIZE
        except Exception:  # reported when the face is read
            return TEMPLATE_SIZE

    def _salt(self) -> int:
        """Return a number for what faces depend on besides their images' content; part of every face's digest."""
        return zlib.crc32(repr((VERSION, self.options.align, self.options.face_selection)).encode())


class ShardFaces(EncodedFaces):
    """Faces in WebDataset shards: uncompressed tar files with ``key.jpg`` and ``key.cls`` or ``key.json`` for each.

    The tables of the tar files are read once, or their indices where `gdrd data pack` wrote them. Then a face is one
    seek and one read, in any order, and only the place of each face stays in memory. The identity is the text of .cls,
    or a field of .json: identity, label, cls, class, person or id; see ``labels.identity_name`` for unknown ones.
    """

    def __init__(
        self, paths: Sequence[Path | str], options: ReadOptions = ReadOptions(), *, name: str | None = None
    ) -> None:
        self.paths = [Path(path) for path in paths]
        if not self.paths:
            raise GdrdError("There are no shards", "Name at least one .tar file")
        name = name or self.paths[0].resolve().parent.name
        prefixes = [""] if len(self.paths) == 1 else [f"{path.stem}/" for path in self.paths]
        found = [read_shard_index(path) for path in self.paths]
        indices = [index for index in found if index]
        whole = len(indices) == len(found)  # a pack: every image was decoded when it was packed, and has not changed
        tables: Sequence[Any] = indices if whole else [read_tar(path) for path in self.paths]
        counts = [len(table.offsets) for table in tables]
        if not sum(counts):
            raise GdrdError(f"{self.paths[0]} has no images in it", "Name WebDataset shards with .jpg or .png members")
        self._shards = np.repeat(np.arange(len(tables), dtype=np.uint32), counts)
        self._offsets = np.concatenate([np.asarray(table.offsets, np.uint64) for table in tables])
        self._sizes = np.concatenate([np.asarray(table.sizes, np.uint32) for table in tables])
        self._checksums = [index.sha256 for index in indices] if whole else None
        self.teacher = indices[0].teacher if whole and len({index.teacher for index in indices}) == 1 else None
        if whole:
            keys = NumberedKeys(*counts, prefixes=prefixes, firsts=[index.first for index in indices], digits=DIGITS)
            labels, people = _renumbered(indices)
            super().__init__(name, options, labels, keys, people)
            resolutions = np.unique(np.concatenate([index.resolutions for index in indices]))
            self.size, self.mixed, self.checked = int(resolutions.max()), len(resolutions) > 1, True
        else:
            named = [f"{prefix}{key}" for prefix, table in zip(prefixes, tables, strict=True) for key in table.keys]
            super().__init__(name, options, [person for table in tables for person in table.identities], named)
            self.notes = [note for table in tables for note in table.notes]

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        path = self.paths[self._shards[index]]
        try:
            with path.open("rb") as file:  # opened anew: safe in threads and after a fork
                file.seek(int(self._offsets[index]))
                return file.read(int(self._sizes[index]))
        except OSError as error:
            raise GdrdError(f"{path} cannot be read ({error.strerror})", "Leave it in place while in use") from error

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face, from the checksums of the shards."""
        found = self._checksums or [checksum(path) for path in self.paths]
        return place_digests([(name, self._salt()) for name in found], self._shards, self._offsets)

    def cached_embeddings(self, teacher: str | None) -> "Tensor | None":
        """Return the embeddings (N, d) that `gdrd data pack` stored for the teacher of this fingerprint, or None."""
        if teacher is None or self.teacher != teacher:
            return None
        import torch

        return torch.cat([read_shard_embeddings(path) for path in self.paths]).float()


def _renumbered(indices: Sequence[ShardIndex]) -> tuple[np.ndarray, list[str]]:
    """Number the identities of a pack from 0 without gaps: labels (N,), and the name of each identity."""
    labels = np.concatenate([index.labels for index in indices])
    names = {label: name for index in indices for label, name in index.identities.items()}
    people, numbers = np.unique(labels[labels >= 0], return_inverse=True)
    labels[labels >= 0] = numbers
    return labels, [names.get(person, str(person)) for person in people.tolist()]


def find_shards(path: Path) -> list[Path]:
    """Return the tar files that a path names: itself, or those in the folder."""
    return files_of(path, ".tar")


def files_of(path: Path, suffix: str) -> list[Path]:
    """Return the files of a suffix, in any capitals, that a path names: itself, or those in the folder."""
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in found if file.suffix.lower() == suffix and file.name[0] != "." and file.is_file()]

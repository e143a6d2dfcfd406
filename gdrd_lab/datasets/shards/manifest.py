"""The manifest of packed shards: what they were made of, their checksums, and whether both still hold."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from gdrd_lab.datasets.base import FaceDataset, ReadOptions, identities_of
from gdrd_lab.datasets.fingerprint import file_digests
from gdrd_lab.datasets.listing import list_images
from gdrd_lab.datasets.registry import is_plain_folder, load_dataset
from gdrd_lab.datasets.shards.index import index_path, read_shard_index
from gdrd_lab.datasets.shards.reader import EncodedFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.io.cache import checksum


class FolderImages(EncodedFaces):
    """The images of a folder, each read and aligned when it is asked for; identities are their folders."""

    def __init__(self, path: Path, options: ReadOptions = ReadOptions()) -> None:
        found = list_images(path)
        self.files = found.files
        super().__init__(path.resolve().name, options, found.labels, found.keys, found.identities)
        self.left_out, self.notes = found.left_out, found.notes

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        try:
            return self.files[index].read_bytes()
        except OSError as error:
            raise GdrdError(f"The image cannot be read ({error.strerror})", "Check the disk") from error

    def face_digests(self) -> np.ndarray:
        """Return a digest of each image's content and of how it is aligned."""
        return file_digests(self.files, np.full(len(self), self._salt()))


@dataclass(frozen=True)
class Source:
    """Faces by name or path, as for ``load_dataset``."""

    name_or_path: str
    options: ReadOptions = ReadOptions()

    def open(self, out: Path | None = None) -> FaceDataset:
        """Open the faces; the photographs of a folder are aligned one by one when asked for, and not kept."""
        path = Path(self.name_or_path)
        if out is not None and path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise GdrdError(f"{out} lies in {path}, whose faces it would join", "Choose a folder elsewhere")
        if is_plain_folder(path):
            return FolderImages(path, self.options)
        return load_dataset(self.name_or_path, options=self.options)

    def record(self) -> dict[str, Any]:
        """Return the source for the manifest, with its whole path."""
        path = Path(self.name_or_path)
        return {**asdict(self), "name_or_path": str(path.resolve()) if path.exists() else self.name_or_path}


@dataclass(frozen=True)
class PackCheck:
    """What ``check_pack`` found."""

    damaged: tuple[str, ...]  # names of shards that are missing or differ from their checksum
    outdated: tuple[str, ...]  # names of shards whose images have changed in the source
    compared: bool  # whether the source was there to compare with


def check_pack(out: Path, progress: bool = True) -> PackCheck:
    """Compare every shard with its checksum, and with the source if it is still there."""
    manifest = read_manifest(out)
    if manifest is None:
        raise GdrdError(f"{out} has no manifest.json", "Name a folder that `gdrd data pack` wrote")
    shards = manifest["shards"]
    names = tqdm(shards, desc="checking", unit="shard", disable=not progress)
    damaged = [name for name in names if not _is_whole(out / name, shards[name])]
    faces = _reopen(manifest.get("origin"))
    if faces is None:
        return PackCheck(tuple(damaged), (), False)
    ranges = shard_ranges(len(faces), manifest["config"]["faces_per_shard"])
    outdated = set(shards) ^ set(ranges)
    for name in tqdm(sorted(set(shards) & set(ranges)), desc="comparing", unit="shard", disable=not progress):
        if shards[name].get("source") != source_digest(faces, ranges[name]):
            outdated.add(name)
    return PackCheck(tuple(damaged), tuple(sorted(outdated)), True)


def shard_ranges(count: int, faces_per_shard: int) -> dict[str, range]:
    """Return the faces of each shard of a pack of ``count``, by the shard's file name."""
    ranges = (range(first, min(first + faces_per_shard, count)) for first in range(0, count, faces_per_shard))
    return {f"faces-{number:06d}.tar": rows for number, rows in enumerate(ranges)}


def source_digest(faces: FaceDataset, rows: Sequence[int]) -> str:
    """Return a digest of the images of some faces as the source has them, and of their keys and identities."""
    digest, names = hashlib.sha256(), identities_of(faces)
    for index in rows:
        try:
            content = faces.content(index) if isinstance(faces, EncodedFaces) else faces[index].tobytes()
        except GdrdError as error:
            content = error.what.encode("utf-8", "surrogateescape")
        label = int(faces.labels[index])
        described = [faces.keys[index], label, names[label] if label >= 0 else None, len(content)]
        digest.update(repr(described).encode() + content)
    return digest.hexdigest()[:32]


def _is_whole(path: Path, entry: dict[str, Any]) -> bool:
    if not path.is_file() or not index_path(path).is_file() or checksum(path) != entry["sha256"]:
        return False
    return "source" not in entry or read_shard_index(path) is not None  # earlier versions wrote indices of another form


def _reopen(origin: dict[str, Any] | None) -> FaceDataset | None:
    """Open the recorded source; None where it was not recorded or does not exist any more."""
    if origin is None or not (Path(origin["name_or_path"]).exists() or origin["name_or_path"] == "synthetic"):
        return None
    try:
        return Source(origin["name_or_path"], ReadOptions(**origin["options"])).open()
    except GdrdError:
        return None


def is_done(out: Path, name: str, manifest: dict[str, Any]) -> bool:
    """Whether a shard of the manifest exists in its size (`gdrd data check` compares the checksums)."""
    entry, path = manifest["shards"].get(name), out / name
    return bool(entry) and path.is_file() and path.stat().st_size == entry["bytes"] and index_path(path).is_file()


def read_manifest(out: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder, or None where there is none."""
    path = out / "manifest.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise GdrdError(f"{path} is damaged ({error})", "Delete it to pack again") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("shards"), dict):
        raise GdrdError(f"{path} is not the manifest of a pack", "Delete it to pack again")
    return manifest


def open_manifest(out: Path, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of an earlier call that is to be continued, or a new one."""
    manifest = read_manifest(out)
    if manifest is None:
        return {**metadata, "complete": False, "shards": {}}
    # A setting that an earlier version did not record cannot be compared; the shards themselves are, by their source.
    different = [name for name, value in metadata.items() if name in manifest and manifest[name] != value]
    if different:
        what = f"{out} holds a pack of other faces or settings ({', '.join(different)})"
        raise GdrdError(what, "Choose another folder")
    return {**manifest, **metadata}


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, whole or not at all."""
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=1).encode())

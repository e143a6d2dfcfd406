"""The manifest of packed shards: what they were made of, and the checksum of each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.datasets.shards.index import index_path
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import write_atomically

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset


def name_of(number: int) -> str:
    """Return the file name of shard ``number``."""
    return f"faces-{number:06d}.tar"


def check_pack(out: Path, progress: bool = True) -> list[str]:
    """Compare every shard with its checksum: return the names of those that are missing or changed.

    Raises:
        GdrdError: there is no manifest.
    """
    from tqdm.auto import tqdm

    manifest = read_manifest(out)
    if manifest is None:
        raise GdrdError(f"{out} has no manifest.json", "Name a folder that `gdrd data pack` wrote")
    wrong = []
    for name, entry in tqdm(manifest["shards"].items(), desc="checking", unit="shard", disable=not progress):
        path = out / name
        if not path.is_file() or checksum(path) != entry["sha256"] or not index_path(path).is_file():
            wrong.append(name)
    return wrong


def fingerprint(faces: FaceDataset) -> str:
    """Return a mark of a set's identities and keys, by which another source is told from it."""
    digest = hashlib.sha256(np.ascontiguousarray(faces.labels, np.int64).tobytes())
    for key in faces.keys:
        digest.update(key.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def checksum(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_done(out: Path, name: str, manifest: dict[str, Any]) -> bool:
    """Whether a shard of the manifest is there in its size (`gdrd data check` compares the checksums)."""
    entry, path = manifest["shards"].get(name), out / name
    return bool(entry) and path.is_file() and path.stat().st_size == entry["bytes"] and index_path(path).is_file()


def read_manifest(out: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder, or None where there is none.

    Raises:
        GdrdError: it is damaged.
    """
    try:
        manifest = json.loads((out / "manifest.json").read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise GdrdError(f"{out / 'manifest.json'} is damaged ({error})", "Delete it to pack again") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("shards"), dict):
        raise GdrdError(f"{out / 'manifest.json'} is no manifest of a pack", "Delete it to pack again")
    return manifest


def open_manifest(out: Path, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest to go on with, or a new one.

    Raises:
        GdrdError: the folder holds a pack of other faces or settings.
    """
    manifest = read_manifest(out)
    if manifest is None:
        return {**metadata, "complete": False, "shards": {}}
    different = [name for name, value in metadata.items() if manifest.get(name) != value]
    if different:
        raise GdrdError(
            f"{out} holds a pack of other faces or settings ({', '.join(different)})", "Choose another folder"
        )
    return manifest


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, whole or not at all."""
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=1).encode())

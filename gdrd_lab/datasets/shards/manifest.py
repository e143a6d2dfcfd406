"""The manifest of packed shards: what they were made of, and the checksum of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gdrd_lab.datasets.shards.index import index_path
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import write_atomically


def name_of(number: int) -> str:
    """Return the file name of shard ``number``."""
    return f"faces-{number:06d}.tar"


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
        raise GdrdError(
            f"{out} holds a pack of other faces or settings ({', '.join(different)})", "Choose another folder"
        )
    return {**manifest, **metadata}


def write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, whole or not at all."""
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=1).encode())

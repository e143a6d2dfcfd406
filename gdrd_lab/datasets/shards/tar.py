"""The table of a WebDataset shard: images and persons in a tar file. Pickled members are never opened."""

import json
import tarfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gdrd_lab.datasets.labels import identity_name
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import SUFFIXES

IDENTITY_FIELDS = ("identity", "label", "cls", "class", "person", "id")
LARGEST_TEXT = 1_000_000  # bytes
REMEDY = "Name a whole, uncompressed .tar file"


@dataclass
class TarTable:
    """The images of a tar file: parallel lists, and a sentence on everything that a user should know."""

    keys: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    identities: list[str | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_tar(path: Path) -> TarTable:
    """Return the images of a tar file with their identities; a missing mark of the archive's end gives a warning.

    WebDataset's rule is kept: a sample's key is its name up to the first dot, so "a/7.left.jpg" and "a/7.cls" are the
    sample "a/7". Where several images share such a key ("ann.001.jpg", "ann.002.jpg") each is a face, and its key is
    its name up to the last dot. Hidden members are left out, as in folders.
    """
    images: dict[str, tuple[int, int]] = {}
    texts: dict[str, str] = {}
    table, repeated, unreadable = TarTable(), 0, 0
    try:
        end = path.stat().st_size
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # else tarfile keeps the record of every member
                name = PurePosixPath(member.name)
                hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in name.parts)
                if not member.isreg() or member.issparse() or hidden:
                    continue
                if member.offset_data + member.size > end:
                    raise tarfile.ReadError("cut off")
                if name.suffix.lower() in SUFFIXES:
                    repeated += str(name) in images
                    images[str(name)] = (member.offset_data, member.size)  # the last of equal names, as tar extracts
                elif name.suffix.lower() in (".cls", ".json") and member.size <= LARGEST_TEXT:
                    file = tar.extractfile(member)
                    try:
                        if found := _identity(file.read() if file else b"", name.suffix.lower()):
                            texts[str(name.with_suffix(""))] = found
                    except (ValueError, TypeError):
                        unreadable += 1
            table.notes += _check_end(path, tar.offset, len(images))
    except (OSError, tarfile.TarError, EOFError) as error:
        raise GdrdError(f"{path} cannot be read as a tar file ({error})", REMEDY) from error
    if repeated:
        table.notes.append(f"{repeated} images of {path.name} have the name of a later one, which is used")
    if unreadable:
        table.notes.append(f"{unreadable} labels of {path.name} cannot be read: those people are unknown")
    return _filled(table, images, texts, path.name)


def _filled(table: TarTable, images: dict[str, tuple[int, int]], texts: dict[str, str], file: str) -> TarTable:
    """Give each image its key and its identity."""
    samples, stems = Counter(map(_sample, images)), Counter(str(PurePosixPath(name).with_suffix("")) for name in images)
    # The text of a sample with one image may have any further ending: "7.jpg" and "7.meta.json".
    loose = {_sample(name): found for name, found in texts.items()}
    if several := sum(count > 1 for count in samples.values()):
        table.notes.append(f"{several} samples of {file} hold several images, and each is taken as a face")
    for name, (offset, size) in images.items():
        sample, stem = _sample(name), str(PurePosixPath(name).with_suffix(""))
        single = samples[sample] == 1
        table.keys.append(sample if single else stem if stems[stem] == 1 else name)
        table.offsets.append(offset)
        table.sizes.append(size)
        table.identities.append(texts.get(stem) or texts.get(sample) or (loose.get(sample) if single else None))
    return table


def _sample(name: str) -> str:
    path = PurePosixPath(name)
    return (path.parent / path.name.partition(".")[0]).as_posix()


def _check_end(path: Path, offset: int, count: int) -> list[str]:
    """Check that nothing but zeros follows the last member that was read, and that there is an end."""
    with path.open("rb") as file:
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
        if block.strip(b"\0"):
            raise tarfile.ReadError(f"damaged at byte {offset}")
        while rest := file.read(1 << 20):
            if rest.strip(b"\0"):
                raise tarfile.ReadError("a second archive follows the end of the first")
    if block:
        return []
    note = f"{path.name} has no end of archive and may be cut off: {count} whole images are used"
    warnings.warn(note, stacklevel=5)
    return [note]


def _identity(content: bytes, ending: str) -> str | None:
    """Return the identity in a text, or None where it is unknown or absent."""
    text = content.decode()
    if ending == ".cls":
        return identity_name(text)
    fields: Any = json.loads(text)
    if not isinstance(fields, dict):
        raise TypeError("not an object")
    names = (identity_name(fields[key]) for key in IDENTITY_FIELDS if key in fields)
    return next((name for name in names if name is not None), None)

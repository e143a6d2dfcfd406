"""The image files below a folder and the person each of them shows, as its folders say; and its text files."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from gdrd_lab.datasets.labels import identity_name, number_identities, restarts
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import SUFFIXES

ENROLLED = frozenset(("gallery", "probe", "probes"))  # the people of a gallery are those of its probes
SPLITS = ENROLLED | {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"}
DEEPEST = 12  # folders below the root; a circle of links could nest them without end


@dataclass(frozen=True)
class Listing:
    """N image files, their names and the person that each shows, and what a user should know about it."""

    files: Sequence[Path]
    keys: Sequence[str]
    labels: np.ndarray  # (N,) identities, -1 where unknown
    identities: Sequence[str] | None = None  # name of each identity number
    left_out: Sequence[tuple[str, str]] = ()  # (name, reason) of what cannot be read
    notes: Sequence[str] = ()  # how the folders were understood, where there is a choice


def list_images(path: Path) -> Listing:
    """Return the image files below a folder and their identities; hidden ones are left out, links are followed."""
    if not path.is_dir():
        problem = "is a file, not a folder of images" if path.exists() else "does not exist"
        raise GdrdError(f"{path} {problem}", "Name a folder of images, or of one folder per identity")
    left_out: list[tuple[str, str]] = []
    files = sorted(_walk(path, "", (), left_out), key=lambda file: file.relative_to(path).as_posix())
    if not files:
        unread = "".join(f"; {name}: {reason}" for name, reason in left_out[:3])
        do = "Name a folder of JPEG or PNG files, or of one folder per identity"
        raise GdrdError(f"{path} has no images in it{unread}", do)
    inner = [file.relative_to(path) for file in files]
    keys = [file.with_suffix("").as_posix() for file in inner]
    if len(set(keys)) < len(keys):
        keys = [file.as_posix() for file in inner]
    names, notes = identities_of_folders([PurePosixPath(key).parent for key in keys])
    return Listing(files, keys, *number_identities(names, numeric=False), left_out, notes)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 or UTF-32 as its byte order mark or its zeros say."""
    content = path.read_bytes()
    return content.decode(json.detect_encoding(content))


def identities_of_folders(folders: Sequence[PurePosixPath]) -> tuple[list[str | None], list[str]]:
    """Return the person that each of N images shows, from the folder it lies in, and how the folders were understood.

    - A folder around all others is ignored, and so are folders of splits ("train", "Test", "gallery"): the same name in
      two splits is the same person, except where identities are numbers that restart in each split.
    - "ann/2019/1.jpg" shows ann: folders in a person's folder are sessions. Only where few folders hold ten or more
      others each, with no name twice ("A/ann", "B/bob"), the outer folders are groups and the inner ones people.
    - An image in no folder, or in one whose name means "unknown" (``labels.identity_name``), is of unknown identity.
    """
    parts, splits, notes = [folder.parts for folder in folders], [""] * len(folders), []
    while len({part[:1] for part in parts}) == 1 and all(len(part) > 1 for part in parts) and not _split_folders(parts):
        parts = [part[1:] for part in parts]
    if outer := _split_folders(parts):
        splits = [part[0].lower() if part and part[0] in outer else "" for part in parts]
        parts = [part[1:] if split else part for part, split in zip(parts, splits, strict=True)]
    grouped = _are_groups(parts)
    people = [part[: 1 + grouped] for part in parts]
    names = ["/".join(person) if person and identity_name(person[-1]) else None for person in people]
    if grouped:
        notes.append("The outer folders are taken as groups of people")
    elif any(len(part) > 1 for part in parts):
        notes.append("Folders inside a person's folder are taken as sessions of that person")
    by_split: dict[str, set[str]] = defaultdict(set)
    for name, split in zip(names, splits, strict=True):
        if name is not None:
            by_split[split].add(name)
    if not ENROLLED & set(by_split) and restarts(list(by_split.values())):
        names = [name and f"{split}/{name}" for name, split in zip(names, splits, strict=True)]
        found = ", ".join(sorted(by_split))
        notes.append(f"The numbers of identities restart in {found}, so equal numbers are taken as different people")
    return names, notes


def _split_folders(parts: Sequence[tuple[str, ...]]) -> set[str]:
    """Return the outermost folders that are splits: two or more of them, or all folders."""
    outer = {part[0] for part in parts if part}
    found = {name for name in outer if name.lower() in SPLITS}
    return found if len(found) > 1 or found == outer else set()


def _are_groups(parts: Sequence[tuple[str, ...]]) -> bool:
    inner: dict[str, set[str]] = defaultdict(set)
    for part in parts:
        if len(part) > 1:
            inner[part[0]].add(part[1])
    total = sum(map(len, inner.values()))
    return total >= max(10, len(inner) + 1) * len(inner) > 0 and total == len(set().union(*inner.values()))


def _walk(folder: Path, name: str, above: tuple[str, ...], left_out: list[tuple[str, str]]) -> Iterator[Path]:
    """Yield the image files below a folder; folders that cannot be read go to ``left_out``."""
    place = os.path.realpath(folder)
    if place in above or len(above) > DEEPEST:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        left_out.append((name or str(folder), f"The folder cannot be read ({error.strerror})"))
        return
    for entry in entries:
        inner = f"{name}/{entry.name}".lstrip("/")
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if os.path.isdir(entry.path):
            yield from _walk(Path(entry.path), inner, (*above, place), left_out)
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            yield Path(entry.path)
        elif entry.is_symlink() and not os.path.exists(entry.path):
            left_out.append((inner, "The link leads nowhere"))

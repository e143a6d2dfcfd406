"""Splits by identity that stay the same when people are added, and records of who was trained on."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gdrd_lab.datasets.base import FaceDataset, identities_of, subset
from gdrd_lab.errors import GdrdError

NUMBERED = re.compile(r"(.*/)?[A-Za-z]*[ _-]?\d+")
DIGITS = 8  # hexadecimal digits of a recorded name
MOST_RECORDED = 20_000  # names of each part; of larger parts those with the smallest hashes are recorded


def split_identities(
    dataset: FaceDataset, fraction: float, seed: int = 0, records: Iterable[dict[str, Any]] = ()
) -> tuple[FaceDataset, FaceDataset]:
    """Hold out about ``fraction`` of the identities: (the rest, held out), with no identity in both.

    A person is held out if  SHA-256(seed, name) / 2^256 < fraction,  so a split depends on names alone: the people held
    out at 0.2 are among those held out at 0.3, and adding people moves nobody. At least two identities (one of two or
    three) are held out and as many stay. Faces of unknown identity stay with the rest; they may show people who are
    held out (``training.teacher_targets.remove_identity_leakage`` leaves those out).

    Args:
        records: ``split_records`` of models; people of this set whom all held out are held out.

    Raises:
        GdrdError: the fraction is not between 0 and 1, or is less than half an identity.

    Example:
        >>> from gdrd_lab.datasets.base import ArrayFaces
        >>> faces = ArrayFaces(np.zeros((100, 8, 8, 3), np.uint8), np.arange(100))
        >>> fifth, third = (set(split_identities(faces, fraction)[1].keys) for fraction in (0.2, 0.3))
        >>> len(fifth), len(third), fifth <= third
        (22, 31, True)
    """
    labels = np.asarray(dataset.labels)
    people, names = np.unique(labels[labels >= 0]), identities_of(dataset)
    if held := [set(known) for record in records if (known := _recorded(record, "held_out", dataset))]:
        wanted = set.intersection(*held)
        out = np.array([person for person in people if names[person] in wanted], np.int64)
        if not len(out):
            raise GdrdError(f"Nobody of {dataset.name} was held out from all models", "Name fewer models at once")
    else:
        if not 0 < fraction < 1 or not 0 < round(fraction * len(people)) < len(people):
            what = f"A fraction of {fraction} of the {len(people)} identities of {dataset.name} leaves a part empty"
            raise GdrdError(what, "Give a fraction between 0 and 1 and a set with enough identities")
        places = np.array([int(_sha256(f"{seed}/{names[person]}")[:14], 16) / 2**56 for person in people])
        least = min(2, len(people) // 2)
        count = min(max(int((places < fraction).sum()), least), len(people) - least)
        out = people[np.argsort(places, kind="stable")[:count]]
    chosen = np.isin(labels, out)
    return (
        subset(dataset, np.flatnonzero(~chosen), f"{dataset.name} (training part)"),
        subset(dataset, np.flatnonzero(chosen), f"{dataset.name} (held out)"),
    )


def split_record(trained: FaceDataset, held_out: FaceDataset | None, fraction: float = 0, seed: int = 0) -> dict:
    """Return who was trained on and held out, for a student's metadata: 8 digits of the SHA-256 of each name."""
    parts: dict[str, Any] = {"data": trained.name.removesuffix(" (training part)"), "fraction": fraction, "seed": seed}
    for part, faces in (("trained", trained), ("held_out", held_out)):
        hashes = _hashes(faces) if faces is not None else {}
        parts[f"{part}_people"] = len(hashes)
        parts[part] = "".join(sorted(hashes)[:MOST_RECORDED])
    return parts


def split_records(*models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ``split_record``s in metadata of models, and of what these learned from, each split of people once."""
    found = [r for known in models for r in (known.get("split"), *known.get("upstream_splits", ())) if r]
    people = [(record["data"], record.get("trained"), record.get("held_out")) for record in found]
    return [record for place, record in enumerate(found) if people[place] not in people[:place]]


def overlap(record: dict[str, Any], faces: FaceDataset) -> list[str]:
    """Return the names of the identities of ``faces`` that a ``split_record`` says were trained on.

    A number, alone or after a word ("17", "person_17"), identifies a person within one set only. Such names count if
    both sets have one of their ``set_names`` in common.
    """
    return _recorded(record, "trained", faces)


def _recorded(record: dict[str, Any], part: str, faces: FaceDataset) -> list[str]:
    """Return the names of the identities of ``faces`` in one part of a record."""
    known = {record[part][begin : begin + DIGITS] for begin in range(0, len(record[part]), DIGITS)}
    same_set = bool(set_names(record["data"]) & set_names(faces.name))
    found = [name for digest, name in _hashes(faces).items() if digest in known]
    return sorted(name for name in found if same_set or not NUMBERED.fullmatch(name))


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def _hashes(faces: FaceDataset) -> dict[str, str]:
    labels, names = np.asarray(faces.labels), identities_of(faces)
    return {_sha256(names[person])[:DIGITS]: names[person] for person in np.unique(labels[labels >= 0])}


def set_names(name: str) -> set[str]:
    """Return the names of the sets in a name, lower case: celeba, utkface of "celeba10k + UTKFace (held out)"."""
    parts = (re.split(r" \(|,", part)[0].strip().lower() for part in name.split(" + "))
    return {re.sub(r"(?<=[a-z])\d+k$", "", part) for part in parts}

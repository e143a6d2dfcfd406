"""What was found in a source of faces, and what of it is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset


@dataclass(frozen=True)
class DatasetReport:
    """What was found in a source and what of it is used.

    Args:
        name: of the set.
        seen: faces in the source.
        used: faces in the set.
        people: identities with a face in the set.
        unknown: faces of unknown identity.
        left_out: reason and number of the faces left out.
        notes: what else a user should know.
    """

    name: str
    seen: int
    used: int
    people: int
    unknown: int
    left_out: dict[str, int]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Return all of it in one line."""
        faces, people = "face" if self.used == 1 else "faces", "person" if self.people == 1 else "people"
        parts = [f"{self.name}: {self.used:,} {faces} of {self.people:,} {people}"]
        if self.unknown:
            parts.append(f"{self.unknown:,} of unknown identity")
        if self.left_out:
            reasons = "; ".join(f"{count:,}: {reason}" for reason, count in self.left_out.items())
            parts.append(f"{self.seen - self.used:,} of {self.seen:,} left out ({reasons})")
        return ", ".join(parts) + "".join(f". {note}" for note in self.notes)


def report(dataset: FaceDataset) -> DatasetReport:
    """Return how many faces of a set are used, left out and unknown, and how many people it shows.

    Example:
        >>> from gdrd_lab.datasets.base import ArrayFaces
        >>> print(report(ArrayFaces(np.zeros((3, 16, 16, 3), np.uint8), ["ann", "bob", ""], name="two")))
        two: 3 faces of 2 people, 1 of unknown identity
    """
    labels = np.asarray(dataset.labels)
    left_out = Counter(reason for _, reason in getattr(dataset, "left_out", ()))
    return DatasetReport(
        dataset.name,
        len(dataset) + left_out.total(),
        len(dataset),
        len(np.unique(labels[labels >= 0])),
        int((labels < 0).sum()),
        dict(left_out.most_common()),
        tuple(getattr(dataset, "notes", ())),
    )

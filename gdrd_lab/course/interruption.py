"""A face set whose plug is pulled in the middle of a run, to try whether training goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gdrd_lab.datasets.base import FaceDataset


class PowerCut(Exception):
    """The power went."""


class Unplugged:
    """The same faces as ``faces``, until ``reads`` of them have been read; then ``PowerCut``."""

    def __init__(self, faces: FaceDataset, reads: int) -> None:
        self.faces, self.left = faces, reads
        self.name, self.size = faces.name, faces.size
        self.labels: np.ndarray = faces.labels
        self.keys: Sequence[str] = faces.keys

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> np.ndarray:
        if self.left <= 0:
            raise PowerCut("the power went")
        self.left -= 1
        return self.faces[index]

"""A face set whose plug is pulled in the middle of a run, to try whether training goes on where it was."""

from __future__ import annotations

import numpy as np

from gdrd_lab.datasets.base import FaceDataset, identities_of


class PowerCut(Exception):
    """The power went."""


class Unplugged(FaceDataset):
    """The same faces as ``faces``, until ``reads`` of them have been read; then ``PowerCut``."""

    def __init__(self, faces: FaceDataset, reads: int) -> None:
        self.faces, self.left = faces, reads
        super().__init__(faces.name, faces.size, faces.labels, faces.keys, identities_of(faces))

    def __getitem__(self, index: int) -> np.ndarray:
        if self.left <= 0:
            raise PowerCut("the power went")
        self.left -= 1
        return self.faces[index]

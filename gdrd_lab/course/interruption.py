"""A face set that interrupts a training run, to test that the run resumes where it stopped."""

from __future__ import annotations

import numpy as np

from gdrd_lab.datasets.base import FaceDataset, Subset


class Interruption(Exception):
    """Stands for whatever ends a training run early."""


class InterruptedFaces(Subset):
    """The same faces as ``faces`` until ``reads`` of them have been read; then each read raises ``Interruption``."""

    def __init__(self, faces: FaceDataset, reads: int) -> None:
        super().__init__(faces, np.arange(len(faces)))
        self.left = reads

    def __getitem__(self, index: int) -> np.ndarray:
        if self.left <= 0:
            raise Interruption("the run was interrupted")
        self.left -= 1
        return super().__getitem__(index)

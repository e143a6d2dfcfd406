"""The made-up people of lessons 1, 2, 3 and 6: split before anything is trained, so that nobody who judges was seen."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gdrd_lab.analysis.probe import linear_probe, pooled
from gdrd_lab.datasets.base import FaceDataset, Subset, to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.models.sface import load_sface
from gdrd_lab.training.teacher_targets import teacher_embeddings
from gdrd_lab.transforms.resize import downscale

PEOPLE, PER_PERSON, LEARN = 60, 5, 45


@dataclass(frozen=True, eq=False)
class LessonFaces:
    """Faces, and the split of their people: the first 45 are trained on, the other 15 only judge."""

    faces: FaceDataset  # 64 px
    hr: Tensor  # (N, 3, 64, 64)
    lr: Tensor  # (N, 3, 16, 16)
    targets: Tensor  # (N, 128) SFace's unit embeddings of ``hr``
    learn: np.ndarray  # (N,) bool

    @property
    def held_out(self) -> np.ndarray:
        """The faces of the people who judge, (N,) bool."""
        return ~self.learn

    @property
    def labels(self) -> Tensor:
        """Who is on each face, (N,) int64."""
        return torch.from_numpy(self.faces.labels)

    @property
    def training(self) -> FaceDataset:
        """The faces to train on."""
        return Subset(self.faces, np.flatnonzero(self.learn), f"{self.faces.name} (training part)")

    def identity(self, features: Tensor, grid: int = 4) -> float:
        """Return the R^2 of ``linear_probe`` from features (N, C, h, w), averaged over a grid, on the people who judge."""
        return linear_probe(pooled(features, grid), self.targets.numpy(), self.learn)


def lesson_faces() -> LessonFaces:
    """Return 60 people with five faces each at 64 and 16 px, and SFace's embeddings of the sharp ones."""
    faces = synthetic_faces(PEOPLE, PER_PERSON, size=64, seed=0)
    hr = to_tensor([faces[k] for k in range(len(faces))])
    targets = teacher_embeddings(load_sface(), faces, progress=False)
    return LessonFaces(faces, hr, downscale(hr, 16), targets, faces.labels < LEARN)

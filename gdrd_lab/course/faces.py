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


@dataclass(frozen=True, eq=False)
class LessonFaces:
    """60 people with five faces each: people 0 to 44 are trained on, the other 15 only judge."""

    faces: FaceDataset  # 64 px
    training: FaceDataset  # those to train on
    lr: Tensor  # (N, 3, 16, 16), the same faces
    hr: Tensor  # (N, 3, 64, 64)
    targets: Tensor  # (N, 128) SFace's unit embeddings of ``hr``
    labels: Tensor  # (N,) int64: who it is
    learn: np.ndarray  # (N,) bool: the faces to train on
    held_out: np.ndarray  # (N,) bool: the faces of the people who judge

    def identity(self, features: Tensor, grid: int = 4) -> float:
        """Return R^2 of ``linear_probe`` from features (N, C, h, w) to the targets, on the people who judge."""
        return linear_probe(pooled(features, grid), self.targets.numpy(), self.learn)


def lesson_faces() -> LessonFaces:
    """Make the faces, and SFace's embeddings of them."""
    faces = synthetic_faces(60, 5, size=64, seed=0)
    learn, hr = faces.labels < 45, to_tensor([faces[k] for k in range(len(faces))])
    training = Subset(faces, np.flatnonzero(learn), f"{faces.name} (training part)")
    targets = teacher_embeddings(load_sface(), faces, progress=False)
    return LessonFaces(faces, training, downscale(hr, 16), hr, targets, torch.from_numpy(faces.labels), learn, ~learn)

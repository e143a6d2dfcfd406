"""Training with cameras: batches do not depend on who makes them, and the teacher sees what the recipe says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.split import split_identities, split_record
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import from_dict, to_dict
from gdrd_lab.models.recogniser import RecogniserNetwork
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.config import Recipe
from gdrd_lab.training.data import StepBatches
from gdrd_lab.training.stages.head import HeadStage
from gdrd_lab.training.teacher_targets import validation_split
from gdrd_lab.transforms.augmentation import AugmentConfig
from gdrd_lab.transforms.camera import Camera, scene, training
from gdrd_lab.transforms.resize import downscale

FACES = synthetic_faces(identities=10, per_identity=2)


class MeanColour(RecogniserNetwork):
    """A teacher that reads the mean colour."""

    name, embedding_size = "mean colour", 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, faces: Tensor) -> Tensor:
        return self.scale * faces.mean((2, 3))


@pytest.mark.parametrize("camera", [None, training()])
@pytest.mark.parametrize("light", [None, scene()])
def test_rows_of_a_batch_are_the_same_in_any_part(camera: Camera | None, light: Camera | None) -> None:
    batches = StepBatches(FACES, 12, (8, 16), AugmentConfig(), 0, 3, light, camera)
    whole, rows = batches.part(1, np.arange(12)), np.array([7, 2, 9])
    part = batches.part(1, rows)
    assert torch.equal(part.hr, whole.hr[rows]) and torch.equal(part.lr, whole.lr[rows])
    assert whole.lr.shape[-1] in (8, 16) and float(whole.lr.min()) >= 0 and float(whole.lr.max()) <= 1
    if camera is None:
        assert torch.equal(whole.lr, downscale(whole.hr, whole.lr.shape[-1]))
    else:  # three in ten faces are left as they are
        clean = (whole.lr - downscale(whole.hr, whole.lr.shape[-1])).abs().amax((1, 2, 3)) == 0
        assert 0 < int(clean.sum()) < 12


@pytest.mark.parametrize("camera", [None, training()])
def test_a_device_augments_the_faces_itself_unless_there_are_cameras(camera: Camera | None) -> None:
    """On the device "meta", which computes shapes alone; and no difference on a CPU."""
    batches = StepBatches(FACES, 6, (8,), AugmentConfig(), 0, 3, None, camera)
    batch = next(batches.iterate(1, 0, np.array([4, 1]), torch.device("meta")))
    assert batch.step == 1 and batch.hr.is_meta == batch.lr.is_meta == (camera is None)
    assert batch.lr.shape == (2, 3, 8, 8) and torch.equal(batch.rows, torch.tensor([4, 1]))
    assert torch.equal(batch.indices, batches[1].indices[[4, 1]])
    ours = next(batches.iterate(1, 0, np.array([4, 1]), torch.device("cpu")))
    assert torch.equal(ours.lr, batches[1].lr[[4, 1]])


def test_each_step_has_cameras_of_its_own() -> None:
    one_face = FACES[0][None].repeat(8, 0)
    still = AugmentConfig(flip=False, shift=0.0, scale=0.0, rotate=0.0, colour=0.0)
    batches = StepBatches(ArrayFaces(one_face), 4, (16,), still, 0, 2, None, replace(training(), untouched=0.0))
    first, second = batches.part(0, np.arange(4)), batches.part(1, np.arange(4))
    assert torch.equal(first.hr, second.hr)
    assert len({tuple(face.flatten().tolist()) for face in torch.cat([first.lr, second.lr])}) == 8


@pytest.mark.parametrize("matching", [False, True])
def test_function_matching_reads_the_augmented_face(matching: bool) -> None:
    """L_kd against a teacher's embedding of the augmented face, or of the stored one."""
    student = Student(StudentConfig(32, (16, 32), (1, 1), 32, 1, embedding_size=3))
    config = replace(recipes.smoke().head, function_matching=matching, weight_rcd=0.0, weight_cls=0.0, weight_kd=1.0)
    stored = torch.nn.functional.normalize(torch.rand(20, 3), dim=1)
    stage = HeadStage(config, student, stored, 0, 0, teacher=MeanColour()).eval()
    batch = StepBatches(FACES, 8, (16,), AugmentConfig(), 0, 1, scene(), training()).part(0, np.arange(8))
    target = MeanColour().embed(batch.hr) if matching else stored[batch.indices]
    with torch.no_grad():
        expected = (1 - (student.embed(batch.lr) * target).sum(1)).mean()
        found = stage(batch)["kd"]
    assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_function_matching_without_a_network_is_refused() -> None:
    """It would otherwise train on the stored embeddings, or fail where the networks go to the device."""
    student = Student(StudentConfig(32, (16, 32), (1, 1), 32, 1, embedding_size=3))
    config = replace(recipes.smoke().head, function_matching=True)
    with pytest.raises(GdrdError, match="needs a teacher that is a torch network"):
        HeadStage(config, student, torch.rand(20, 3), 0, 0)


def test_cameras_survive_a_file() -> None:
    for recipe in (recipes.best(), recipes.assistant(), recipes.paper()):
        assert from_dict(Recipe, to_dict(recipe)) == recipe
    assert recipes.paper().head.camera is None and recipes.assistant().head.camera == training()
    assert recipes.best().head.camera == replace(training(), untouched=0.6)


def test_people_held_out_before_are_held_out_again() -> None:
    """A model that is trained further keeps its held-out people, whatever share is asked for."""
    rest, held_out = split_identities(FACES, 0.3, seed=5)
    record = split_record(rest, held_out, 0.3, seed=5)
    again = validation_split(FACES, 0.1, MeanColour(), records=[record])
    assert [list(part.keys) for part in again] == [list(rest.keys), list(held_out.keys)]
    fresh = validation_split(FACES, 0.1, MeanColour())
    assert list(fresh[1].keys) == list(split_identities(FACES, 0.1)[1].keys)

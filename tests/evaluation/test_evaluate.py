"""Evaluation in one call, on a recogniser that averages pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.datasets.base import ArrayFaces, subset
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.datasets.split import split_identities, split_record
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.evaluate import evaluate, overlap_notes, unseen_part
from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Setting
from gdrd_lab.transforms.degradation import Degradation


class Pooled:
    """Somebody's own recogniser: it has no base class."""

    name, embedding_size = "my own", 48

    def embed(self, faces: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(faces, 4).flatten(1) - 0.5, dim=1)


@pytest.fixture(scope="module")
def faces() -> ArrayFaces:
    return synthetic_faces(6, 3, size=32)


def test_one_call_measures_and_saves(faces: ArrayFaces, tmp_path: Path) -> None:
    noisy = Degradation(noise=0.1)
    scores = evaluate(
        Pooled(), faces, (8, 16, 112), degradation=noisy, settings=["same"], identification=True, options=QUIET
    )
    assert {(s.resolution, s.setting, s.degradation["noise"]) for s in scores} == {
        (8, "same resolution", 0.1),
        (16, "same resolution", 0.1),
    }
    assert {"accuracy", "rank-1"} <= {s.metric for s in scores} and not {"mAP"} & {s.metric for s in scores}
    assert scores.notes[0].startswith("112 px left out: the faces of")
    assert "8 px, noise 0.1" in repr(scores) and "112 px left out" in repr(scores)
    read = read_json(scores.save(tmp_path / "run-0.1"))
    np.testing.assert_array_equal([s.value for s in read], [s.value for s in scores])
    with pytest.raises(GdrdError, match="have 32 px, too few for 64, 112 px"):
        evaluate(Pooled(), faces, (64, 112), options=QUIET)


def test_settings_are_members_or_their_names(faces: ArrayFaces) -> None:
    by_name, by_member = (
        evaluate([Pooled()], faces, [8], settings=[which], options=QUIET) for which in ("gallery", Setting.GALLERY)
    )
    np.testing.assert_array_equal([s.value for s in by_name], [s.value for s in by_member])
    with pytest.raises(GdrdError, match="no setting called both"):
        evaluate(Pooled(), faces, [8], settings=["both"], options=QUIET)


def test_embeddings_of_another_length_are_refused(faces: ArrayFaces) -> None:
    class Scaled(Pooled):
        def embed(self, faces: Tensor) -> Tensor:
            return super().embed(faces) * (1 + 9 * faces.mean((1, 2, 3)))[:, None]

    with pytest.raises(GdrdError, match="my own returned embeddings of length"):
        evaluate(Scaled(), faces, [8], options=QUIET)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_embeddings_without_a_direction_are_refused(faces: ArrayFaces, value: float) -> None:
    class Broken(Pooled):
        def embed(self, faces: Tensor) -> Tensor:
            out = super().embed(faces)
            out[:2] = torch.full_like(out[:2], value)
            return out

    with pytest.raises(
        GdrdError, match=r"embeddings of my own are not finite for 2 of 18 faces|my own returned embeddings of len"
    ):
        evaluate(Broken(), faces, [8], options=QUIET)


def test_people_a_student_was_trained_on_are_told(faces: ArrayFaces) -> None:
    learned, held_out = split_identities(faces, 0.4)
    student = Pooled()
    student.metadata = {"split": split_record(learned, held_out, 0.4)}  # type: ignore[attr-defined]
    count, total = (len(np.unique(part.labels)) for part in (learned, faces))
    assert 0 < count < total
    (note,) = evaluate(student, faces, [8], options=QUIET).notes[:1]
    said = f"my own, or what it learned from, was trained on {count} of the {total} people of {faces.name}"
    assert "--unseen" in note and note.startswith(said)
    assert overlap_notes([student, Pooled()], held_out) == []
    part = unseen_part([Pooled(), student], faces)
    assert [*part.keys] == [*held_out.keys] and unseen_part([student], part) is part
    few = Pairs(np.array([0, 3, 1, 4]), np.array([1, 4, 3, 6]), np.arange(4) < 2, np.array([0, 1, 0, 1]))
    assert len(part) > 6 and evaluate(student, faces, [8], pairs=few, unseen=True, options=QUIET).notes[0][:3] == "TAR"


def test_people_whom_a_students_start_or_teacher_saw_are_told(faces: ArrayFaces) -> None:
    learned, held_out = split_identities(faces, 0.4)
    own, upstream = split_record(held_out, learned), split_record(learned, held_out, 0.4)
    student = Pooled()
    student.metadata = {"split": own, "upstream_splits": [upstream]}  # type: ignore[attr-defined]
    total = len(np.unique(faces.labels))
    assert f"trained on {total} of the {total} people" in overlap_notes([student], faces)[0]
    assert len(unseen_part([student], faces)) == 0


def test_a_student_without_a_record_of_its_people_is_told(faces: ArrayFaces) -> None:
    student = Pooled()
    student.metadata = {"data": f"others + {faces.name} (training part)"}  # type: ignore[attr-defined]
    (note,) = overlap_notes([student], faces)
    assert "does not record on which people" in note
    student.metadata = {"data": "others"}  # type: ignore[attr-defined]
    assert overlap_notes([student], faces) == []


def test_the_pairs_of_the_sets_own_protocol_are_scored() -> None:
    faces = synthetic_faces(6, 3, size=32)
    faces.pairs = Pairs(np.array([0, 3, 0, 3]), np.array([1, 4, 3, 6]), np.arange(4) < 2, np.array([0, 1, 0, 1]))
    assert {s.n for s in evaluate(Pooled(), faces, [8], options=QUIET) if s.metric == "accuracy"} == {4}
    part = subset(faces, np.arange(17))
    assert {s.n for s in evaluate(Pooled(), part, [8], options=QUIET) if s.metric == "accuracy"} != {4}


def test_cameras_all_pairs_open_set_and_photographs_in_one_call(tmp_path: Path) -> None:
    faces = synthetic_faces(8, 3, size=32)
    scores = evaluate(
        Pooled(), faces, (16,), settings=["same"], all_pairs=True, open_set=True, photographs=faces, options=QUIET,
        further=[Degradation(16, camera="surveillance")],
    )  # fmt: skip
    found = {(s.metric, s.setting, s.degradation["camera"]): s for s in scores}
    impostors = 24 * 23 // 2 - 8 * 3
    assert found["all pairs, TAR@FAR=0.001", "same resolution", "clean"].n == impostors
    assert np.isnan(found["all pairs, TAR@FAR=1e-05", "same resolution", "clean"].value)  # 252 pairs are too few
    tpir = found["TPIR@FPIR=0.1", "same resolution", "surveillance"]
    assert tpir.n == 4 * 2  # four people enrolled by one face
    assert tpir.spread >= 0 and (tpir.spread > 0) == (0 < tpir.value < 1)
    clean, camera = (found["AUC", "same resolution", name].value for name in ("clean", "surveillance"))
    assert camera != clean
    assert found["detection rate", "aligned at the low resolution", "clean"].n == 24
    read = read_json(scores.save(tmp_path / "cameras"))
    assert [s.degradation for s in read] == [s.degradation for s in scores]
    assert "16 px, surveillance camera" in repr(scores)


def test_photographs_of_a_part_are_those_of_the_part() -> None:
    """Held-out people only: their photographs are found by their keys."""
    faces = synthetic_faces(8, 3, size=64)
    part = subset(faces, np.arange(12), "part")
    scores = evaluate(Pooled(), part, (32,), settings=["same"], photographs=faces, options=QUIET)
    assert {s.n for s in scores if s.metric == "detection rate"} == {12}

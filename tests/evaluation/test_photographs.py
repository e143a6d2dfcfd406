"""Faces aligned at the low resolution, on synthetic faces in larger pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gdrd_lab.alignment.template import similarity, template
from gdrd_lab.alignment.yunet import Aligner, Detection
from gdrd_lab.cli import main
from gdrd_lab.datasets.base import ArrayFaces, to_tensor
from gdrd_lab.datasets.embed import QUIET, EmbedOptions
from gdrd_lab.datasets.folder import write_faces
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.photographs import (
    SETTING,
    accuracy_where_found,
    align_reduced,
    detection_scores,
    verify_photographs,
)
from gdrd_lab.evaluation.results import read_json


class Pooled:
    """A recogniser that averages pixels."""

    name, embedding_size = "pooled", 48

    def embed(self, faces: Tensor) -> Tensor:
        return torch.nn.functional.normalize(torch.nn.functional.adaptive_avg_pool2d(faces, 4).flatten(1), dim=1)


@pytest.fixture(scope="module")
def photographs() -> ArrayFaces:
    """Seven photographs of 200 px with a face of 112 px, and an eighth without."""
    made = synthetic_faces(identities=4, per_identity=2, size=112)
    images = np.full((8, 200, 200, 3), 90, np.uint8)
    for index in range(7):
        images[index, 50:162, 40:152] = made[index]
    return ArrayFaces(images, made.labels)


def test_faces_are_found_and_have_the_resolution_asked_for(photographs: ArrayFaces) -> None:
    faces, found = align_reduced(photographs, 32, progress=False)
    assert found.tolist() == [True] * 7 + [False] and faces.size == 32
    assert (faces[7] == 128).all()  # grey where no face was found
    # Aligned at 32 px they resemble the same faces aligned at full resolution and then reduced.
    sharp = to_tensor([Aligner().align(photographs[index]) for index in range(7)])
    reduced = torch.nn.functional.interpolate(sharp, (32, 32), mode="area")
    assert float((to_tensor([faces[index] for index in range(7)]) - reduced).abs().mean()) < 0.06


def test_the_photograph_is_reduced_until_the_crop_needs_no_zoom(
    photographs: ArrayFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    choose = Aligner.choose

    def watched(self: Aligner, image: np.ndarray, face_selection: str) -> object:
        face = choose(self, image, face_selection)  # type: ignore[arg-type]
        seen.append((len(image), np.hypot(*similarity(face.landmarks, template(24))[:, 0])))
        return face

    monkeypatch.setattr(Aligner, "choose", watched)
    align_reduced(ArrayFaces(photographs.images[:1]), 24, progress=False)
    (full, zoom), (small, one) = seen
    assert full == 200 and small == round(200 * zoom) and one == pytest.approx(1, abs=0.12)


def test_a_face_that_is_not_found_counts_as_wrong(photographs: ArrayFaces) -> None:
    """A recogniser that knows everybody is wrong in the pairs with the photograph without a face, of either kind."""

    class Known:
        name, embedding_size = "known", 4

        def embed(self, faces: Tensor) -> Tensor:
            return torch.eye(4)[torch.from_numpy(photographs.labels)]

    first, second = np.array([0, 2, 4, 6, 0, 2, 4, 7]), np.array([1, 3, 5, 7, 2, 4, 6, 1])
    pairs = Pairs(first, second, photographs.labels[first] == photographs.labels[second], np.arange(8) % 2)
    scores = {score.metric: score for score in verify_photographs([Known()], photographs, pairs, [32], QUIET)}
    assert scores["accuracy"].value == 6 / 8 and scores["detection rate"].value == 7 / 8
    assert {score.setting for score in scores.values()} == {SETTING}


def test_pairs_that_are_not_found_cannot_be_right_at_any_threshold() -> None:
    """Half of the pairs are found and decided rightly: 0.5, not what accepting every pair would score."""
    genuine, fold = np.arange(16) < 12, np.arange(16) % 2
    pairs = Pairs(np.zeros(16, int), np.ones(16, int), genuine, fold)
    scores, found = np.where(genuine, 0.9, 0.1), (np.arange(16) // 2) % 2 == 0
    assert accuracy_where_found(scores, pairs, found) == (0.5, 0.0)
    assert accuracy_where_found(scores, pairs, found & (fold == 0)) == pytest.approx((np.nan, np.nan), nan_ok=True)
    assert accuracy_where_found(scores, pairs, np.zeros(16, bool)) == (0.0, 0.0)
    uneven = np.where(fold == 0, True, found)
    assert accuracy_where_found(scores, pairs, uneven) == pytest.approx((0.75, 0.25))


def test_a_photograph_is_searched_once_at_full_resolution(
    photographs: ArrayFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    choose = Aligner.choose
    watched = lambda self, image, selection: (searched.append(len(image)), choose(self, image, selection))[1]  # noqa: E731
    monkeypatch.setattr(Aligner, "choose", watched)
    pairs = Pairs(np.array([0, 2, 0, 1]), np.array([1, 3, 2, 3]), np.array([1, 1, 0, 0], bool), np.array([0, 1, 0, 1]))
    part = ArrayFaces(photographs.images[:4], photographs.labels[:4])
    scores = verify_photographs([Pooled()], part, pairs, [16, 32], EmbedOptions(flip=True, progress=False))
    assert searched.count(200) == 4 and len(searched) == 4 + 2 * 4
    assert {score.method for score in scores} == {"pooled, flips averaged"}
    assert all(score.seconds > 0 for score in scores)


def test_detection_counts_faces_and_measures_landmarks(
    photographs: ArrayFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that errs by a tenth of the distance between the eyes, and only sees what is enlarged 4 times."""
    right = Aligner().choose(photographs[0], "central").landmarks
    eyes = np.linalg.norm(right[0] - right[1])

    def search(self: Aligner, image: np.ndarray, scale: float, margin: float = 0.0) -> list[Detection]:
        shift, zoom = np.array([0.1 * eyes, 0]) * (len(image) < 200), len(image) / 200
        far = Detection(np.zeros(4), np.zeros((5, 2)) - 99, 0.9)  # a false face elsewhere
        face = Detection(np.zeros(4), (right + shift + 0.5) * zoom - 0.5, 0.9)
        return [far, face] if scale == 4 else [far] if scale == 2 else []

    monkeypatch.setattr(Aligner, "detect_at", search)
    monkeypatch.setattr(Aligner, "choose", lambda *_: Detection(np.zeros(4), right, 0.9))
    scores = {(s.method, s.metric): s for s in detection_scores(ArrayFaces(photographs.images[:3]), [16], False)}
    assert scores["enlarged 4 times", "landmark error"].value == pytest.approx(0.1, abs=1e-6)
    rates = [scores[way, "detection rate"].value for way in ("as it is", "enlarged 2 times", "enlarged 4 times")]
    assert rates == [0, 0, 1] and scores["as it is", "detection rate"].n == 3 and len(scores) == 4
    with pytest.raises(GdrdError, match="no faces as large as"):
        detection_scores(ArrayFaces(photographs.images[:1]), [200], False)


def test_small_faces_are_found_by_enlarging(tmp_path: Path, photographs: ArrayFaces) -> None:
    write_faces(ArrayFaces(photographs.images[:2]), tmp_path / "photographs")
    argv = ["faces", "detection", str(tmp_path / "photographs"), "--resolutions", "24", "--out", str(tmp_path / "d")]
    assert main([*argv, "--quiet"]) == 0
    rates = {s.method: s.value for s in read_json(tmp_path / "d.json") if s.metric == "detection rate"}
    assert rates["enlarged 4 times"] == 1 >= rates["as it is"]

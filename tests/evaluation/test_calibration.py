"""Thresholds and shares of known pairs against their definitions; what is kept is what would be computed."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from gdrd_lab.datasets.base import subset
from gdrd_lab.datasets.embed import QUIET, EmbedOptions, embed_all
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import (
    FAR,
    RESOLUTIONS,
    SHIPPED,
    Calibration,
    calibrate,
    calibration_faces,
    shipped_key,
)
from gdrd_lab.evaluation.compare import compare
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.registry import load_model
from gdrd_lab.models.student.model import Student
from gdrd_lab.transforms.degradation import Degradation


def toy() -> Calibration:
    """Forty unit vectors of ten people at two resolutions, the lower one noisier."""
    random, labels = np.random.default_rng(0), np.repeat(np.arange(10), 4)
    people = random.normal(size=(10, 16))[labels]
    table = np.stack([people + noise * random.normal(size=(40, 16)) for noise in (1.0, 0.3)])
    return Calibration((8, 32), (table / np.linalg.norm(table, axis=-1, keepdims=True)).astype(np.float32), labels)


def test_threshold_lets_the_stated_share_of_impostors_through() -> None:
    known = toy()
    for size, limit in zip(known.resolutions, known.thresholds(0.05), strict=True):
        scores, genuine = known.pairs(size)
        assert len(scores) == 40 * 39 // 2 and genuine.sum() == 10 * 6
        assert np.mean(scores[~genuine] >= limit) <= 0.05 < np.mean(scores[~genuine] >= limit - 0.02)


def test_between_resolutions_the_threshold_lies_between_and_the_nearest_pairs_count() -> None:
    known = toy()
    low, high = known.thresholds(FAR)
    assert known.threshold(16, FAR) == pytest.approx((low + high) / 2)  # 16 lies half-way on a logarithmic scale
    assert [known.nearest(size) for size in (6, 15, 17, 112)] == [8, 8, 32, 32]


def test_shares_are_counts() -> None:
    known = toy()
    scores, genuine = known.pairs(8)
    expected = (sum(s >= 0.4 for s in scores[~genuine]) / 720, sum(s >= 0.4 for s in scores[genuine]) / 60)
    assert known.shares(8, 0.4) == pytest.approx(expected)


def test_what_is_kept_is_what_would_be_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path))
    student, faces = Student().eval(), synthetic_faces(3, 2, size=32)
    fresh = calibrate(student, faces, (16, 8), QUIET)
    kept = calibrate(student, faces, (8, 16), QUIET)
    assert fresh.resolutions == (8, 16) and len(list((tmp_path / "calibration").iterdir())) == 1
    assert np.array_equal(fresh.embeddings, kept.embeddings)
    assert np.allclose(fresh.embeddings[0], embed_all(student, faces, Degradation(8), QUIET), atol=2e-3)
    other = calibrate(student, synthetic_faces(3, 2, size=32, seed=1), (8, 16), QUIET)
    assert not np.allclose(other.embeddings, fresh.embeddings, atol=2e-3)
    flipped = calibrate(student, faces, (8, 16), EmbedOptions(flip=True, progress=False))
    assert not np.allclose(flipped.embeddings, fresh.embeddings, atol=2e-3)
    files = list((tmp_path / "calibration").iterdir())
    assert len(files) == 3
    for file in files:
        file.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged"):
        again = calibrate(student, faces, (8, 16), QUIET)
    assert np.allclose(again.embeddings, fresh.embeddings, atol=2e-3)


@pytest.mark.parametrize("name", ["sface", "student", "assistant", "paper-student"])
def test_shipped_embeddings_are_those_of_the_shipped_network(name: str) -> None:
    recogniser, faces = load_model(name), calibration_faces()
    tables, key = load_file(data_folder() / SHIPPED), shipped_key(recogniser)
    assert key in tables, f"{SHIPPED} is of an earlier {name}: run python -m gdrd_lab.evaluation.calibration"
    assert len(tables) == 4 and tables[key].shape == (len(RESOLUTIONS), len(faces), recogniser.embedding_size)
    some = (0, 17, 59)
    for k, size in ((0, 6), (3, 16), (7, 112)):
        fresh = embed_all(recogniser, subset(faces, some), Degradation(size), QUIET)
        assert np.allclose((fresh * tables[key][k, some]).sum(1), 1, atol=2e-3)


def test_the_shipped_file_is_used_for_its_own_faces_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Computed(Exception):
        pass

    def compute(*_: object) -> None:
        raise Computed

    monkeypatch.setattr("gdrd_lab.evaluation.calibration.embeddings_at", compute)
    student = load_model("student")
    assert calibrate(student).resolutions == RESOLUTIONS
    with torch.no_grad():
        changed = load_model("student")
        next(changed.parameters()).add_(1e-3)  # type: ignore[attr-defined]
    for arguments in (
        (student, synthetic_faces(2, 2)),
        (student, None, (8, 16)),
        (student, None, RESOLUTIONS, EmbedOptions(flip=True)),
        (changed,),
    ):
        with pytest.raises(Computed):
            calibrate(*arguments)


def test_a_calibration_of_nothing_finite_is_refused() -> None:
    known = toy()
    broken = known.embeddings.copy()
    broken[1, 3, 0] = np.nan
    with pytest.raises(GdrdError, match="embeddings of the calibration are not finite for 1 of 40 faces"):
        Calibration(known.resolutions, broken, known.labels)
    with pytest.raises(GdrdError, match="1 of 1 scores are not finite"):
        known.shares(8, math.nan)


def test_compare_takes_further_degradations_and_seeds() -> None:
    faces, student = synthetic_faces(2, 1, size=112), load_model("student")
    plain = compare(faces[0], faces[1], [student], (8, 16))
    same = compare(faces[0], faces[1], [student], (8, 16), Degradation(32), (3, 4))
    assert plain.scores == same.scores  # nothing random, and the resolution is each one's own
    noisy = [
        compare(faces[0], faces[1], [student], (16,), Degradation(noise=0.2), (s, s + 1)).scores for s in (0, 0, 5)
    ]
    assert noisy[0] == noisy[1] != noisy[2]

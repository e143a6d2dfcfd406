"""Thresholds and shares of known pairs against their definitions; what is kept is what would be computed."""

from pathlib import Path

import numpy as np
import pytest

from gdrd_lab.datasets.embed import QUIET, embed_all
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.evaluation.calibration import (
    FAR,
    RESOLUTIONS,
    SHIPPED,
    Calibration,
    calibrate,
    calibration_faces,
    calibration_key,
)
from gdrd_lab.evaluation.compare import compare, reduced, thresholds
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
    other = calibration_key(student, synthetic_faces(3, 2, size=32, seed=1), (8, 16))
    assert other != calibration_key(student, faces, (8, 16))
    (file,) = (tmp_path / "calibration").iterdir()
    file.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged .* and is made again"):
        again = calibrate(student, faces, (8, 16), QUIET)
    assert np.allclose(again.embeddings, fresh.embeddings, atol=2e-3)


@pytest.mark.parametrize("name", ["sface", "student"])
def test_shipped_embeddings_are_those_of_the_shipped_network(name: str) -> None:
    from safetensors.numpy import load_file

    recogniser, faces = load_model(name), calibration_faces()
    tables, key = load_file(data_folder() / SHIPPED), calibration_key(recogniser, faces, RESOLUTIONS)
    if key not in tables:
        pytest.skip(f"{SHIPPED} is of an earlier {name}: run python -m gdrd_lab.evaluation.calibration")
    import torch

    for k, size in ((0, 6), (3, 16), (7, 112)):
        with torch.inference_mode():
            low = torch.cat([reduced(faces[index], Degradation(size)) for index in (0, 17, 59)])
            fresh = recogniser.embed(low).numpy()
        assert np.allclose((fresh * tables[key][k, [0, 17, 59]]).sum(1), 1, atol=2e-3)


def test_compare_takes_further_degradations_and_seeds() -> None:
    faces, student = synthetic_faces(2, 1, size=112), load_model("student")
    plain = compare(faces[0], faces[1], [student], (8, 16))
    same = compare(faces[0], faces[1], [student], (8, 16), Degradation(32), (3, 4))
    assert plain.scores == same.scores  # nothing random, and the resolution is each one's own
    noisy = [
        compare(faces[0], faces[1], [student], (16,), Degradation(noise=0.2), (s, s + 1)).scores for s in (0, 0, 5)
    ]
    assert noisy[0] == noisy[1] != noisy[2]


def test_thresholds_of_a_set_are_its_calibrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path))
    student, faces = Student().eval(), synthetic_faces(4, 3, size=32)
    found = thresholds(student, faces, (16,), 0.1)
    assert found == {16: calibrate(student, faces, (16,), QUIET).thresholds(0.1)[0]}

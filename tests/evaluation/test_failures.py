"""Failures: the right pairs, in words that follow from the pixels, kept in a file."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.failures import describe, failures, image_statistics, read_failures
from gdrd_lab.evaluation.results import write_rows


def flat_faces(values: list[int]) -> ArrayFaces:
    pixels = np.stack([np.full((16, 16, 3), value, np.uint8) for value in values])
    return ArrayFaces(pixels, np.arange(len(values)) // 2, name="flat")


def test_measures_of_flat_and_of_half_lit_faces() -> None:
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    pixels[0] = 128
    pixels[1, :, 8:] = 255
    found = image_statistics(ArrayFaces(pixels, np.zeros(2, int)))
    assert found["brightness"] == pytest.approx([128 / 255, 0.5], abs=1e-5)
    assert found["side light"] == pytest.approx([0, 1], abs=1e-5)
    assert found["asymmetry"] == pytest.approx([0, 1], abs=1e-5)
    assert found["contrast"][0] == pytest.approx(0, abs=1e-4) and found["contrast"][1] > 0.49
    assert found["detail"][0] == pytest.approx(0, abs=1e-5) and found["detail"][1] > 0.05


def test_words_name_the_one_unusual_pair() -> None:
    faces = flat_faces([100] * 38 + [10, 250])
    pairs = Pairs(np.arange(0, 40, 2), np.arange(1, 40, 2), np.ones(20, bool), np.zeros(20, int))
    words = describe(image_statistics(faces), pairs)
    assert "brightness 0.04 against 0.98" in words[19]
    assert not any("brightness" in text for text in words[:19])


def circle(degrees: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], 1)


def test_hardest_pairs_are_the_ones_planted(tmp_path: Path) -> None:
    """20 genuine pairs 10 degrees apart and 20 impostor pairs 80; pair 3 and pair 25 are planted the other way."""
    gaps = np.concatenate([np.full(20, 10.0), np.full(20, 80.0)]) + np.arange(40) / 100
    gaps[3], gaps[25] = 90, 5
    angles = np.stack([np.zeros(40), gaps], 1).ravel()
    faces = flat_faces([100] * 80)
    first = np.arange(0, 80, 2)
    pairs = Pairs(first, first + 1, np.arange(40) < 20, np.arange(40) % 4)
    hr = circle(np.stack([np.zeros(40), np.r_[np.full(20, 1.0), np.full(20, 85.0)]], 1).ravel())
    words = describe(image_statistics(faces), pairs)
    found = failures("m", faces.name, pairs, circle(angles), {"judge": hr}, words, resolution=16, count=3)
    assert [(item.kind, item.pair) for item in found.hardest] == [("genuine", 3), ("impostor", 25)]
    assert found.errors == 2 and found.pairs == 40
    assert found.hardest[0].score == pytest.approx(np.cos(np.radians(90)), abs=1e-6)
    assert found.hardest[0].sharp == pytest.approx(np.cos(np.radians(1)), abs=1e-6)
    assert found.hardest[1].fold == 25 % 4
    assert 0.6 < found.agreement["judge"] < 1
    assert kendalltau(gaps, np.arange(40) >= 20).statistic > 0.5  # the planted pairs do not hide the order
    write_rows(tmp_path / "f.json", [found])
    assert read_failures(tmp_path / "f.json") == [found]
    (tmp_path / "f.json").write_text("{}")
    with pytest.raises(GdrdError, match="no failures"):
        read_failures(tmp_path / "f.json")
    with pytest.raises(GdrdError, match="no recogniser"):
        failures("m", faces.name, pairs, circle(angles), {}, words, resolution=16)

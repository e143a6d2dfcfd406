"""Searching a gallery: values by hand, and agreement with scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.identification import tpir_at_fpir
from gdrd_lab.evaluation.metrics.retrieval import search


def unit(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def test_average_precision_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    gallery, probes = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in random.normal(size=(2, 30, 5)))
    labels, shown = random.integers(0, 6, 30), random.integers(0, 6, 30)
    found = search(probes, shown, gallery, labels, chunk=7).average_precision
    for probe, label, value in zip(probes, shown, found, strict=True):
        assert value == pytest.approx(average_precision_score(labels == label, gallery @ probe))


def test_ties_count_against_and_missing_people_are_named() -> None:
    same = np.ones((3, 1))
    assert search(same[:1], [0], same, [0, 1, 2]).average_precision.tolist() == [pytest.approx(1 / 3)]
    with pytest.raises(GdrdError, match="1 of 2 probes have no face in the gallery"):
        search(same[:2], [0, 9], same, [0, 1, 2])


def test_open_set_by_hand() -> None:
    gallery, labels = unit(0, 90, 180), np.array([0, 1, 2])
    mated, shown = unit(10, 80, 150, 60), np.array([0, 1, 2, 0])  # own scores: cos 10, 10, 30, 60; the last ranks 2
    non_mated = unit(20, 45, 225, 250)  # their highest: cos 20, 45, 45, 110 (the gallery's best for 250 is 180: cos 70)
    found = tpir_at_fpir(mated, shown, non_mated, gallery, labels, fpirs=(1.0, 0.75, 0.25, 0.0), rank=2)
    # FPIR 1: all pass. 0.75: above cos 70. 0.25: above cos 45. 0: above cos 20.
    assert found.tolist() == [1.0, 1.0, 0.75, 0.5]
    assert tpir_at_fpir(mated, shown, non_mated, gallery, labels, fpirs=(1.0,), rank=1).tolist() == [0.75]
    with pytest.raises(GdrdError, match="needs non-mated probes"):
        tpir_at_fpir(mated, shown, non_mated[:0], gallery, labels)

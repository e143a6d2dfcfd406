"""TAR at FAR on all pairs against the definition, which lists every pair."""

import itertools
import math

import numpy as np
import pytest

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import tar_at_far, tar_at_far_of_all_pairs

FARS = (0.5, 0.1, 0.01, 0.001, 1e-6)


def faces(seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(-1, 14), random.integers(1, 6, 15))
    probe = random.normal(size=(len(labels), 6)).round(decimals) + (labels[:, None] % 5)  # few decimals: many ties
    probe /= np.linalg.norm(probe, axis=1, keepdims=True)
    gallery = probe + random.normal(0, 0.1, probe.shape)
    return probe, gallery / np.linalg.norm(gallery, axis=1, keepdims=True), labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("same", [True, False])
def test_every_pair_counts_once(seed: int, same: bool) -> None:
    probe, gallery, labels = faces(seed, decimals=6)
    gallery = probe if same else gallery
    known = np.flatnonzero(labels >= 0)
    pairs = list(itertools.combinations(known, 2) if same else itertools.permutations(known, 2))
    scores = np.array([probe[i] @ gallery[j] for i, j in pairs])
    genuine = np.array([labels[i] == labels[j] for i, j in pairs])
    expected = tar_at_far(scores, genuine, FARS)
    for block in (3, 512):
        found, impostors = tar_at_far_of_all_pairs(probe, gallery, labels, FARS, block)
        assert impostors == int((~genuine).sum())
        assert [rate for rate, _ in found] == pytest.approx(expected.tolist(), nan_ok=True)
    assert math.isnan(found[-1][0]) and found[0][1] > 0


def test_tied_impostors_are_rejected_together() -> None:
    """Twelve impostor pairs score alike: no threshold accepts a part of them."""
    probe = np.eye(4)[[0, 0, 1, 1, 2, 2]]
    found, impostors = tar_at_far_of_all_pairs(probe, probe, np.repeat(np.arange(3), 2), (0.25, 1.0))
    assert impostors == 12 and [rate for rate, _ in found] == [1.0, 1.0]
    found, _ = tar_at_far_of_all_pairs(np.ones((4, 1)), np.ones((4, 1)), np.array([0, 0, 1, 1]), (0.25, 1.0))
    assert [rate for rate, _ in found] == [0.0, 1.0]


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [-1, -1, 0]])
def test_pairs_of_both_kinds_are_needed(labels: list[int]) -> None:
    with pytest.raises(GdrdError, match="two people"):
        tar_at_far_of_all_pairs(np.eye(3), np.eye(3), np.array(labels), (0.1,))

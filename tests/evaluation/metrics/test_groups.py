import math

import numpy as np
import pytest

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.groups import group_errors, group_rates, pair_groups

SCORES = np.array([0.9, 0.6, 0.2, 0.7, 0.1, 0.5, 0.4, 0.8])
GENUINE = np.array([True, False, True, False, False, True, False, True])
GROUPS = np.array([0, 0, 0, 0, 1, 1, 1, -1])


def test_rates_by_hand_and_equality_accepts() -> None:
    one, two = group_errors(SCORES, GENUINE, GROUPS, 0.5)
    assert (one.false_match.value, one.false_match.count) == (1.0, 2)
    assert (one.false_non_match.value, one.false_non_match.count) == (0.5, 2)
    assert (two.false_match.value, two.false_non_match.value) == (0.0, 0.0)


def test_interval_is_wilsons() -> None:
    n, p, z = 2, 1.0, 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = group_errors(SCORES, GENUINE, GROUPS, 0.5)[0].false_match
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_mixed_pairs_have_no_group() -> None:
    assert pair_groups(np.array([0, 0, 1, -1]), np.array([0, 0, 3]), np.array([1, 2, 3])).tolist() == [0, -1, -1]


def test_a_group_without_genuine_pairs_has_no_rate() -> None:
    (only,) = group_errors(SCORES[:1], np.array([False]), np.array([2]), 0.5)
    assert only.group == 2 and math.isnan(only.false_non_match.value) and only.false_non_match.count == 0


def test_bad_input() -> None:
    with pytest.raises(GdrdError, match="one of each"):
        group_errors(SCORES, GENUINE, GROUPS[:3], 0.5)
    with pytest.raises(GdrdError, match="No pair has a group"):
        group_errors(SCORES, GENUINE, np.full(8, -1), 0.5)


def test_rates_of_faces_against_themselves_and_each_other_by_hand() -> None:
    """Group "a": of 3 x 2 pairs of different faces two are accepted, and one face is rejected against itself."""
    accepted = np.zeros((6, 6), bool)
    accepted[[0, 1, 3, 4], [0, 1, 3, 4]] = True  # face 2 is rejected
    accepted[0, 1] = accepted[2, 0] = accepted[0, 3] = True  # the last pair is of two groups
    rates = group_rates(accepted, np.array(["a", "a", "a", "b", "b", "alone"]))
    assert set(rates) == {"a", "b"} and rates["b"] == ((0.0, 0.0), (0.0, 0.0))
    (false_match, _), (false_non_match, _) = rates["a"]
    assert false_match == pytest.approx(2 / 6) and false_non_match == pytest.approx(1 / 3)


def test_bootstrap_errors_over_faces_match_theory() -> None:
    """Rejections are binomial; matches that hang on single faces vary more than independent pairs would."""
    random, n = np.random.default_rng(1), 300
    accepted = np.repeat(random.random((n, 1)) < 0.1, n, 1)
    np.fill_diagonal(accepted, random.random(n) < 0.8)
    (match, match_error), (miss, miss_error) = group_rates(accepted, np.zeros(n, int), samples=400)["0"]
    assert miss_error == pytest.approx(np.sqrt(miss * (1 - miss) / n), rel=0.15)
    assert match_error == pytest.approx(np.sqrt(match * (1 - match) / n), rel=0.15)  # n faces, not n (n - 1) pairs

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import (
    auc,
    best_threshold,
    bootstrap,
    eer,
    interval,
    lfw_accuracy,
    roc,
    spread,
    tar_at_far,
    threshold_at_far,
)


def noisy_pairs(
    seed: int, pairs: int = 200, gap: float = 1.0, decimals: int = 6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    genuine = random.permutation(np.arange(pairs) % 2 == 0)
    return np.round(random.normal(genuine * gap, 1), decimals), genuine, random.permutation(np.arange(pairs) % 10)


def slow_best(scores: np.ndarray, genuine: np.ndarray) -> float:
    """Most pairs any threshold decides rightly, by trying each."""
    return max(np.mean((scores >= t) == genuine) for t in [*scores, np.inf])


@pytest.mark.parametrize("decimals", [6, 1, 0])  # fewer decimals make ties
def test_threshold_search_is_exact(decimals: int) -> None:
    for seed in range(20):
        scores, genuine, _ = noisy_pairs(seed, decimals=decimals)
        assert np.mean((scores >= best_threshold(scores, genuine)) == genuine) == slow_best(scores, genuine)


def test_threshold_lies_half_way_and_the_middle_of_equals_is_taken() -> None:
    assert best_threshold([0.0, 1.0], [False, True]) == 0.5
    # Thresholds 1.5 and 3.5 both err once, and rejecting everything errs twice.
    assert best_threshold([1, 2, 3, 4], [False, True, False, True]) == 3.5
    # Everything backwards: accepting all or nothing is the best there is.
    assert np.mean((np.array([1.0, 0.0]) >= best_threshold([1, 0], [False, True])) == [False, True]) == 0.5


def test_neighbouring_floats_are_still_told_apart() -> None:
    low, high = 0.1, np.nextafter(0.1, 1)
    threshold = best_threshold([low, high], [False, True])
    assert low < threshold <= high


def test_lfw_accuracy_on_four_pairs_by_hand() -> None:
    # Trained on fold 1 (0.8 | 0.2) the threshold is 0.5: fold 0 has 0.9 right and 0.6 wrong. Trained on fold 0
    # (0.9 | 0.6) it is 0.75: fold 1 is right twice.
    result = lfw_accuracy([0.9, 0.6, 0.8, 0.2], [True, False, True, False], [0, 0, 1, 1])
    np.testing.assert_allclose(result.per_fold, [0.5, 1.0])
    np.testing.assert_allclose(result.thresholds, [0.5, 0.75])
    assert result.mean == 0.75
    assert result.standard_error == pytest.approx(math.sqrt(0.125) / math.sqrt(2))


def test_lfw_accuracy_uses_no_score_of_the_fold_it_judges() -> None:
    scores, genuine, fold = noisy_pairs(0)
    before = lfw_accuracy(scores, genuine, fold)
    moved = np.where(fold == 3, scores * 7 - 2, scores)
    assert lfw_accuracy(moved, genuine, fold).thresholds[3] == before.thresholds[3]


def test_perfect_and_random_scores() -> None:
    _, genuine, fold = noisy_pairs(1, 4000)
    perfect = lfw_accuracy(genuine * 1.0, genuine, fold)
    assert (perfect.mean, perfect.standard_error) == (1.0, 0.0)
    assert eer(genuine * 1.0, genuine) == 0.0 and auc(genuine * 1.0, genuine) == 1.0
    noise = np.random.default_rng(2).normal(size=4000)
    assert lfw_accuracy(noise, genuine, fold).mean == pytest.approx(0.5, abs=0.03)
    assert eer(noise, genuine) == pytest.approx(0.5, abs=0.03)
    assert auc(noise, genuine) == pytest.approx(0.5, abs=0.03)


def test_a_recogniser_that_always_says_the_same_is_worth_nothing() -> None:
    _, genuine, fold = noisy_pairs(3)
    constant = np.ones(len(genuine))
    assert auc(constant, genuine) == eer(constant, genuine) == 0.5
    assert lfw_accuracy(constant, genuine, fold).mean == pytest.approx(0.5, abs=0.1)
    assert tar_at_far(constant, genuine, [0.1])[0] == 0.0


def test_auc_counts_ties_one_half() -> None:
    scores, genuine, _ = noisy_pairs(4, decimals=0)
    wins = [(g > i) + 0.5 * (g == i) for g in scores[genuine] for i in scores[~genuine]]
    assert auc(scores, genuine) == pytest.approx(np.mean(wins)) == pytest.approx(roc_auc_score(genuine, scores))


def test_eer_by_hand() -> None:
    # At threshold 0.7 one genuine pair of four is rejected and one impostor pair of four accepted.
    scores = [0.9, 0.8, 0.7, 0.1, 0.75, 0.3, 0.2, 0.0]
    assert eer(scores, [True] * 4 + [False] * 4) == pytest.approx(0.25)
    # The ROC's flat piece from (0, 0.5) to (0.5, 0.5) meets TAR = 1 - FAR at its end.
    assert eer([3, 1, 2, 0], [True, True, False, False]) == pytest.approx(0.5)


def test_roc_keeps_every_threshold_and_counts_pairs() -> None:
    curve = roc([3, 1, 2, 0], [True, True, False, False])
    np.testing.assert_allclose(curve.far, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve.tar, [0, 0.5, 0.5, 1, 1])
    assert (curve.genuine, curve.impostors) == (2, 2)


def test_tar_at_far_by_hand() -> None:
    scores = np.array([0.95, 0.65, 0.45, 0.05, 0.9, 0.6, 0.5, 0.4, 0.3])
    genuine = np.array([True] * 4 + [False] * 5)
    # One impostor of five may pass at 0.2, so the threshold is just above 0.6: the genuine 0.65.
    assert threshold_at_far(scores, genuine, 0.2) == 0.65
    np.testing.assert_allclose(tar_at_far(scores, genuine, [0.2, 0.39, 0.4, 0.6, 1.0]), [0.5, 0.5, 0.5, 0.75, 1.0])
    assert np.isnan(tar_at_far(scores, genuine, [0.19])).all()


def test_tar_at_far_against_every_threshold_tried_with_ties() -> None:
    for seed in range(20):
        scores, genuine, _ = noisy_pairs(seed, decimals=1)
        for far in (0.01, 0.05, 0.3, 0.999):
            tried = [t for t in [*scores, np.inf] if np.mean(scores[~genuine] >= t) <= far]
            expected = max(np.mean(scores[genuine] >= t) for t in tried)
            assert tar_at_far(scores, genuine, [far])[0] == expected
            assert np.mean(scores[~genuine] >= threshold_at_far(scores, genuine, far)) <= far


def test_a_far_the_pairs_just_about_show_is_not_lost_to_rounding() -> None:
    genuine = np.arange(6000) < 3000
    assert not np.isnan(tar_at_far(np.arange(6000), genuine, [0.001, 1 / 3000])).any()
    assert np.isnan(tar_at_far(np.arange(6000), genuine, [0.0003])).all()


def test_bootstrap_of_a_rate_has_the_binomial_spread() -> None:
    random = np.random.default_rng(0)
    genuine = np.repeat([True, False], 400)
    scores = np.concatenate([(random.random(400) < 0.8) * 1.0, np.zeros(400)])

    def rate(s: np.ndarray, g: np.ndarray) -> float:
        return float(s[g].mean())

    values = bootstrap(rate, scores, genuine, samples=600)
    assert spread(values) == pytest.approx(math.sqrt(0.8 * 0.2 / 400), rel=0.15)
    low, high = interval(values)
    assert low < rate(scores, genuine) < high and high - low == pytest.approx(2 * 1.96 * 0.02, rel=0.25)
    np.testing.assert_array_equal(values[:50], bootstrap(rate, scores, genuine, samples=50))
    assert (values[:50] != bootstrap(rate, scores, genuine, samples=50, seed=1)).any()


def test_bootstrap_over_people_knows_that_pairs_hang_together() -> None:
    # Twenty people, each with 25 genuine pairs that all succeed or all fail: only twenty independent outcomes.
    people = np.repeat(np.arange(20), 25)
    others = np.stack([np.arange(20), (np.arange(20) + 1) % 20], 1)
    identities = np.concatenate([np.stack([people, people], 1), others])
    genuine = identities[:, 0] == identities[:, 1]
    scores = np.where(genuine, identities[:, 0] % 2, 0).astype(float)

    def rate(s: np.ndarray, g: np.ndarray) -> float:
        return float(s[g].mean())

    people_spread = spread(bootstrap(rate, scores, genuine, identities=identities, samples=400))
    pair_spread = spread(bootstrap(rate, scores, genuine, samples=400))
    assert people_spread == pytest.approx(math.sqrt(0.25 / 20), rel=0.2)
    assert pair_spread == pytest.approx(math.sqrt(0.25 / 500), rel=0.2)


def test_spread_and_interval_without_values() -> None:
    nothing = np.full(3, np.nan)
    assert math.isnan(spread(nothing)) and all(map(math.isnan, interval(nothing)))


@pytest.mark.parametrize(
    ("scores", "genuine", "words"),
    [
        ([0.1, 0.2], [True, True], "no impostor pairs"),
        ([0.1, 0.2], [False, False], "no genuine pairs"),
        ([], [], "no genuine pairs"),
        ([0.1, float("nan")], [True, False], "1 of 2 scores are not finite"),
        ([0.1], [True, False], "differ in shape"),
    ],
)
def test_bad_pairs_are_one_clear_line(scores: list, genuine: list, words: str) -> None:
    for measure in (
        auc,
        eer,
        roc,
        lambda s, g: tar_at_far(s, g, [0.5]),
        lambda s, g: lfw_accuracy(s, g, np.arange(len(s))),
    ):
        with pytest.raises(GdrdError, match=words) as raised:
            measure(scores, genuine)
        assert "\n" not in str(raised.value)


def test_one_fold_and_a_senseless_far_are_refused() -> None:
    with pytest.raises(GdrdError, match="at least two folds"):
        lfw_accuracy([0.1, 0.2], [True, False], [0, 0])
    for far in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(GdrdError, match="is not a false accept rate"):
            tar_at_far([0.1, 0.2], [True, False], [far])

"""Random pairs are what they say: balanced, different, and of different people in different folds."""

import time
from itertools import combinations

import numpy as np
import pytest

from gdrd_lab.datasets.pairs import Pairs, enrol, random_pairs
from gdrd_lab.errors import GdrdError

LABELS = np.concatenate([np.repeat(np.arange(60), 5), np.arange(60, 100), np.full(30, -1)])


def test_pairs_are_balanced_true_and_different() -> None:
    pairs = random_pairs(LABELS, folds=10, per_fold=30, seed=0)
    assert len(pairs) == 600
    np.testing.assert_array_equal(LABELS[pairs.first] == LABELS[pairs.second], pairs.genuine)
    assert (LABELS[pairs.first] >= 0).all() and (LABELS[pairs.second] >= 0).all()
    assert (pairs.first != pairs.second).all()
    assert len({tuple(sorted(pair)) for pair in zip(pairs.first, pairs.second, strict=True)}) == 600
    for fold in range(10):
        assert pairs.genuine[pairs.fold == fold].sum() == 30 and (pairs.fold == fold).sum() == 60


def test_nobody_is_in_two_folds() -> None:
    pairs = random_pairs(LABELS, folds=5, per_fold=20)
    people = [set(LABELS[pairs.first[pairs.fold == f]]) | set(LABELS[pairs.second[pairs.fold == f]]) for f in range(5)]
    assert sum(map(len, people)) == len(set().union(*people))


def test_seed_decides() -> None:
    one, same, other = (random_pairs(LABELS, 5, 20, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.first, same.first)
    np.testing.assert_array_equal(one.second, same.second)
    assert not np.array_equal(one.first, other.first)


def test_every_identity_gives_a_pair_before_one_gives_two() -> None:
    labels = np.concatenate([np.zeros(40, int), np.repeat(np.arange(1, 20), 2)])
    pairs = random_pairs(labels, folds=2, per_fold=10)
    assert max(np.unique(labels[pairs.first[pairs.genuine]], return_counts=True)[1]) == 1


def test_small_sets_get_what_there_is_balanced() -> None:
    labels = np.repeat(np.arange(4), 2)
    pairs = random_pairs(labels, folds=2, per_fold=300)
    assert pairs.genuine.sum() == (~pairs.genuine).sum() == 4


@pytest.mark.parametrize("labels", [np.arange(30), np.zeros(30, int), np.full(30, -1), np.array([], int)])
def test_too_few_identities_are_explained(labels: np.ndarray) -> None:
    with pytest.raises(GdrdError, match="folds of pairs need"):
        random_pairs(labels, folds=10)


def test_a_large_identity_does_not_list_all_its_pairs() -> None:
    labels = np.concatenate([np.zeros(20_000, int), np.repeat(np.arange(1, 9), 2)])
    assert len(random_pairs(labels, folds=2, per_fold=50)) > 0


def test_parts_of_different_length_are_refused() -> None:
    with pytest.raises(GdrdError, match="differ in length"):
        Pairs(np.arange(3), np.arange(2), np.ones(3, bool), np.zeros(3, int))


def genuine_pairs_by_definition(labels: np.ndarray, folds: int, per_fold: int, seed: int) -> list[tuple[int, int]]:
    """The genuine pairs of the first fold, drawn one by one and sorted by (turn of its identity, a random number)."""
    random = np.random.default_rng(seed)
    identities, counts = np.unique(labels[labels >= 0], return_counts=True)
    several, single = random.permutation(identities[counts > 1]), random.permutation(identities[counts == 1])
    members = {*several[::folds].tolist(), *single[folds - 1 :: folds].tolist()}
    drawn = []
    for identity in sorted(members):
        own = random.permutation(np.flatnonzero(labels == identity))
        pairs = list(combinations(own.tolist(), 2))[: 2 * per_fold]
        for turn, place in enumerate(random.permutation(len(pairs))):
            drawn.append((turn, int(random.integers(2**31)), *pairs[place]))
    return [pair[2:] for pair in sorted(drawn)[:per_fold]]


@pytest.mark.parametrize("seed", [0, 1])
def test_genuine_pairs_are_those_of_the_definition(seed: int) -> None:
    labels = np.random.default_rng(5).permutation(LABELS)
    pairs = random_pairs(labels, folds=4, per_fold=25, seed=seed)
    chosen = pairs.genuine & (pairs.fold == 0)
    assert list(zip(pairs.first[chosen], pairs.second[chosen], strict=True)) == genuine_pairs_by_definition(
        labels, 4, 25, seed
    )


def test_cost_is_linear_in_the_number_of_people() -> None:
    def seconds(people: int) -> float:
        labels = np.random.default_rng(0).permutation(np.repeat(np.arange(people), 2))
        begin = time.perf_counter()
        random_pairs(labels, per_fold=30)
        enrol(labels)
        return time.perf_counter() - begin

    few, many = (min(seconds(people) for _ in range(2)) for people in (1000, 10_000))
    assert many / few < 40  # 100 if it were quadratic

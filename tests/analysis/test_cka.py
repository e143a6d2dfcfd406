"""CKA against a direct formula and its invariances; probes against known answers."""

import numpy as np
import pytest
import torch

from gdrd_lab.analysis.cka import linear_cka
from gdrd_lab.analysis.probe import adapter_errors, linear_probe, pooled
from gdrd_lab.analysis.projection import pca_map, trustworthiness
from gdrd_lab.errors import GdrdError

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(30, 5)), RANDOM.normal(size=(30, 8))


def test_cka_equals_the_feature_space_formula() -> None:
    x, y = X - X.mean(0), Y - Y.mean(0)
    direct = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert linear_cka(X, Y) == pytest.approx(direct)


def test_cka_ignores_turns_scale_and_shift_but_not_order() -> None:
    turn = np.linalg.qr(RANDOM.normal(size=(5, 5)))[0]
    assert linear_cka(X, 3 * X @ turn + 7) == pytest.approx(1)
    assert linear_cka(X, X[::-1]) < 0.5


def test_cka_refuses_what_it_cannot_compare() -> None:
    for first, second in ((X, Y[:5]), (X, np.ones((30, 2))), (X[0], Y[0])):
        with pytest.raises(GdrdError):
            linear_cka(first, second)


def test_matrix_holds_every_pair() -> None:
    found = np.array([[linear_cka(a, b) for b in (Y, X, -X)] for a in (X, Y)])
    assert found.shape == (2, 3) and found[1, 0] == pytest.approx(1) and found[0, 2] == pytest.approx(1)


def test_probe_finds_a_linear_relation_and_none_in_noise() -> None:
    train = np.arange(200) < 150
    features = RANDOM.normal(size=(200, 10))
    assert linear_probe(features, features @ RANDOM.normal(size=(10, 4)), train, penalty=1e-6) == pytest.approx(
        1, abs=1e-3
    )
    assert abs(linear_probe(features, RANDOM.normal(size=(200, 4)), train)) < 0.2
    with pytest.raises(GdrdError):
        linear_probe(features, features, np.ones(200, bool))


def test_pooled_averages_cells() -> None:
    features = torch.arange(32.0).reshape(1, 2, 4, 4)
    assert pooled(features, 2)[0, 0] == pytest.approx(np.mean([0, 1, 4, 5]))
    assert pooled(features, 1)[0].tolist() == [7.5, 23.5]


def test_adapter_reaches_a_target_that_is_linear_in_the_features() -> None:
    generator = torch.Generator().manual_seed(0)
    features, others = (torch.randn(20, 6, 4, 4, generator=generator) for _ in range(2))
    mixing = torch.randn(3, 6, generator=generator)

    def target(x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("dc,nchw->ndhw", mixing, x) * 5 + 2

    lr, other = adapter_errors((features, target(features)), (others, target(others)), ridge=1e-9)
    assert lr < 1e-6 and other < 1e-6
    noise = torch.randn(20, 3, 4, 4, generator=generator)
    assert 0.9 < adapter_errors((features, noise), (others, noise))[0] <= 1.0


def test_values_that_are_not_finite_are_refused() -> None:
    good = np.random.default_rng(0).normal(size=(8, 4))
    bad = good.copy()
    bad[3, 1] = np.nan
    with pytest.raises(GdrdError, match="not finite"):
        linear_cka(good, bad)
    with pytest.raises(GdrdError, match="not finite"):
        linear_probe(bad, good, np.arange(8) < 4)
    for mapped in (pca_map, lambda x: trustworthiness(x, X[:8, :2])):
        with pytest.raises(GdrdError, match="1 faces are not finite"):
            mapped(bad)

"""Embedding a face set, and the one check that every embedding passes before it is compared or written."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET, EmbedOptions, embed_all, embed_faces, require_finite
from gdrd_lab.datasets.pairs import Enrolment, Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.failures import failures
from gdrd_lab.evaluation.metrics.groups import group_errors
from gdrd_lab.evaluation.metrics.identification import ranks, tpir_at_fpir
from gdrd_lab.evaluation.metrics.retrieval import retrieve, search
from gdrd_lab.evaluation.protocol import identify_embeddings, pair_scores, verify_embeddings
from gdrd_lab.transforms.degradation import Degradation


class Pooled(nn.Module):
    """Embeds a face as its pixels averaged to 2 x 2."""

    name, embedding_size = "pooled", 12

    def embed(self, faces: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(faces, 2).flatten(1), dim=1)


def some_faces(count: int = 9) -> ArrayFaces:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)
    return ArrayFaces(pixels, np.arange(count) // 3)


def test_rows_of_unit_length_are_kept_bit_for_bit_and_others_are_divided() -> None:
    unit = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert require_finite(unit, "m") is unit
    lengths = np.array([1, 2, 1e-8, 1e30, 5], np.float32)[:, None]
    np.testing.assert_allclose(require_finite(unit * lengths, "m"), unit, rtol=1e-6)
    assert require_finite(unit.astype(np.float16), "m").dtype == np.float16


@pytest.mark.parametrize(("value", "what"), [(np.nan, "not finite"), (np.inf, "not finite"), (0.0, "zero")])
def test_rows_without_a_direction_are_counted_and_the_model_is_named(value: float, what: str) -> None:
    table = np.ones((5, 4))
    table[[0, 3]] = value
    with pytest.raises(GdrdError, match=f"embeddings of my model are {what} for 2 of 5 faces"):
        require_finite(table, "my model")


def test_no_metric_takes_values_that_are_not_finite() -> None:
    good = np.eye(6)
    bad = good.copy()
    bad[2, 2] = np.nan
    labels, half = np.arange(6) // 2, np.arange(6) % 2 == 0
    pairs = Pairs(np.arange(6), np.roll(np.arange(6), 1), half, np.arange(6) // 3)
    enrolment = Enrolment(np.array([0, 2, 4]), np.array([1, 3, 5]))
    cases = {
        "pairs": lambda a, b: pair_scores(a, b, pairs),
        "verification": lambda a, b: verify_embeddings(a, b, pairs),
        "identification": lambda a, b: identify_embeddings(a[[0, 2, 1, 3, 4, 5]], b, labels, enrolment),
        "ranks": lambda a, b: ranks(a, labels, b, labels),
        "search": lambda a, b: search(a, labels, b, labels),
        "retrieval": lambda a, b: retrieve(a, b, labels),
        "mated": lambda a, b: tpir_at_fpir(a, labels, good, b, labels),
        "non-mated": lambda a, b: tpir_at_fpir(good, labels, a, b, labels),
        "failures": lambda a, b: failures("m", "faces", pairs, a, {"reference": b}, [""] * 6, resolution=16),
    }
    for name, measure in cases.items():
        for a, b in ((bad, good), (good, bad)):
            with pytest.raises(GdrdError, match="not finite for 1 of"):
                measure(a, b)
                pytest.fail(f"{name} took a value that is not finite")
    with pytest.raises(GdrdError, match="1 of 6 scores are not finite"):
        group_errors(bad[2], half, labels, 0.5)


def test_the_whole_set_is_counted_over_all_batches() -> None:
    class Broken(Pooled):
        def embed(self, faces: Tensor) -> Tensor:
            dark = faces.mean((1, 2, 3), keepdim=True)[..., 0] < 0.5
            return torch.where(dark, torch.nan, super().embed(faces).unsqueeze(-1))[..., 0]

    faces = some_faces()
    dark = int((faces.images.mean((1, 2, 3)) / 255 < 0.5).sum())
    assert 0 < dark < 9
    with pytest.raises(GdrdError, match=f"not finite for {dark} of 9 faces"):
        embed_all(Broken().eval(), faces, options=EmbedOptions(batch_size=2, progress=False))


def test_a_network_without_weights_and_embeddings_of_another_shape() -> None:
    faces = some_faces()
    assert embed_all(Pooled().eval(), faces, options=QUIET).shape == (9, 12)

    class Single(Pooled):
        def embed(self, faces: Tensor) -> Tensor:
            return super().embed(faces)[:1]  # would be copied to every face

    with pytest.raises(GdrdError, match=r"shape \(1, 12\) for 9 faces"):
        embed_all(Single().eval(), faces, options=QUIET)
    with pytest.raises(GdrdError, match="training mode"):
        network = Pooled()
        network.dropout = nn.Dropout()
        embed_all(network.train(), faces, options=QUIET)


def test_options_reach_every_face() -> None:
    faces, network = some_faces(), Pooled().eval()
    noisy = Degradation(8, noise=0.2)
    one, again, other = (
        embed_all(network, faces, noisy, EmbedOptions(batch_size=b, seed=s, progress=False))
        for b, s in ((9, 0), (2, 0), (9, 1))
    )
    np.testing.assert_allclose(one, again, atol=1e-6)
    assert np.abs(one - other).max() > 1e-3
    batch = torch.from_numpy(faces.images).permute(0, 3, 1, 2).float() / 255
    mirrored = embed_faces(network, batch) + embed_faces(network, batch.flip(-1))
    mirrored /= np.linalg.norm(mirrored, axis=1, keepdims=True)
    np.testing.assert_allclose(embed_faces(network, batch, flip=True), mirrored, atol=1e-6)


def test_embeddings_of_two_widths_are_not_compared() -> None:
    pairs = Pairs(np.array([0]), np.array([1]), np.array([True]), np.array([0]))
    with pytest.raises(GdrdError, match="Embeddings of 2 and of 3 numbers cannot be compared"):
        pair_scores(np.eye(2), np.eye(3), pairs)
    with pytest.raises(GdrdError, match="Embeddings of 2 and of 3 numbers cannot be compared"):
        ranks(np.eye(2), np.arange(2), np.eye(3), np.arange(3))

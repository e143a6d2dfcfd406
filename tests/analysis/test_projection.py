"""Embedding maps: known geometry, an independent trustworthiness, neighbours in the original space."""

import numpy as np
import pytest

from gdrd_lab.analysis.projection import across_resolutions, nearest, pca_map, seed_agreement, trustworthiness, umap_map
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.sface import load_sface
from gdrd_lab.plots import alt_text, map_figure, map_plot


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Six well-parted groups of ten unit vectors in 32 dimensions."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 10)
    return unit(random.normal(size=(6, 32))[labels] + 0.15 * random.normal(size=(60, 32))), labels


def test_pca_is_the_svd(groups: tuple[np.ndarray, np.ndarray]) -> None:
    embeddings, _ = groups
    found = pca_map(embeddings)
    centred = embeddings - embeddings.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    assert np.allclose(np.abs(found.points), np.abs(centred @ axes.T), atol=1e-4)
    assert np.allclose(found.place(embeddings[:5]), found.points[:5], atol=1e-4)


def test_umap_keeps_groups_together_and_repeats(groups: tuple[np.ndarray, np.ndarray]) -> None:
    embeddings, labels = groups
    found, again, other = umap_map(embeddings, 0, 8), umap_map(embeddings, 0, 8), umap_map(embeddings, 1, 8)
    assert np.array_equal(found.points, again.points)
    assert not np.array_equal(found.points, other.points)
    gaps = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (labels[gaps.argmin(1)] == labels).mean() > 0.95
    assert trustworthiness(embeddings, found.points) > trustworthiness(embeddings, pca_map(embeddings).points)
    placed = found.place(embeddings[:10])
    assert np.linalg.norm(placed - found.points[:10].mean(0), axis=1).max() < 5


def test_trust_by_its_own_formula(groups: tuple[np.ndarray, np.ndarray]) -> None:
    embeddings, _ = groups
    points, k, count = pca_map(embeddings).points, 5, len(embeddings)
    distances = 1 - embeddings @ embeddings.T
    in_map = np.linalg.norm(points[:, None] - points[None], axis=2)
    for matrix in (distances, in_map):
        np.fill_diagonal(matrix, np.inf)
    ranks = distances.argsort(1).argsort(1) + 1
    penalty = sum(max(0, ranks[i, j] - k) for i in range(count) for j in in_map[i].argsort()[:k])
    expected = 1 - 2 / (count * k * (2 * count - 3 * k - 1)) * penalty
    assert trustworthiness(embeddings, points, k) == pytest.approx(expected, abs=1e-6)


def test_seed_agreement_ignores_turns_and_scale_but_not_shuffling() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(40, 2))
    turned = 3 * points @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 5
    assert seed_agreement(points, turned) == 1
    assert seed_agreement(points, random.permutation(points)) < 0.4
    with pytest.raises(GdrdError, match="40 and 39"):
        seed_agreement(points, points[1:])


def test_nearest_are_those_of_the_original_space() -> None:
    embeddings = unit(np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0.5, 0.5, 0], [-1, 0, 0]]))
    assert nearest(embeddings, 0, 3).tolist() == [1, 3, 2]
    assert len(nearest(embeddings, 0, 99)) == 4
    assert nearest(embeddings, 0, 1, queries=embeddings[::-1]).tolist() == [4]
    with pytest.raises(GdrdError, match="no face 5"):
        nearest(embeddings, 5)


def test_a_face_moves_away_from_itself_as_its_pixels_go() -> None:
    path = across_resolutions(load_sface(), synthetic_faces(1, 1, size=112)[0], (112, 32, 8))
    assert path.shape == (3, 128)
    assert 1 > float(path[0] @ path[1]) > float(path[0] @ path[2])


def test_too_few_faces_are_refused() -> None:
    with pytest.raises(GdrdError, match="2 faces"):
        pca_map(np.eye(2, 8, dtype=np.float32))


@pytest.mark.parametrize("colourbar_label", ["", "resolution"])
def test_figures_hold_every_point(groups: tuple[np.ndarray, np.ndarray], colourbar_label: str) -> None:
    embeddings, labels = groups
    points = pca_map(embeddings).points
    figure = map_figure(points, labels, title="PCA", colourbar_label=colourbar_label, path=points[:4], selected=[1, 2])
    assert alt_text(figure) == "PCA. 60 points. 2 are selected."
    options = {"colourbar_label": colourbar_label, "path": points[:4], "selected": [1, 2]}
    plot = map_plot(points, labels, [str(i) for i in labels], **options)
    assert len(plot.data[0].x) == 60 and list(plot.data[0].selectedpoints) == [1, 2]
    assert len(plot.data[1].x) == 4
    with pytest.raises(GdrdError, match="Give one"):
        map_plot(points, labels[1:], [""] * 60)
    with pytest.raises(GdrdError, match="Give one"):
        map_figure(points, labels[1:])

"""Maps of embeddings: PCA and UMAP to two dimensions, and numbers that say how far such a map can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.errors import GdrdError
from gdrd_lab.transforms.resize import downscale

if TYPE_CHECKING:
    from gdrd_lab.models.recogniser import Recogniser


@dataclass(frozen=True)
class EmbeddingMap:
    """A map of N embeddings.

    Args:
        method: "PCA" or "UMAP".
        points: float32 (N, 2).
        seed: of the layout (PCA has none that matters).
        model: the fitted model of scikit-learn or umap-learn.
    """

    method: str
    points: np.ndarray
    seed: int
    model: Any = field(repr=False)

    def place(self, embeddings: np.ndarray) -> np.ndarray:
        """Place further embeddings (M, d) in the same map: float32 (M, 2)."""
        return np.asarray(self.model.transform(np.ascontiguousarray(embeddings, np.float32)), np.float32)


def pca_map(embeddings: np.ndarray) -> EmbeddingMap:
    """Map embeddings (N, d) to their two directions of largest variance."""
    from sklearn.decomposition import PCA

    model = PCA(2, svd_solver="full").fit(_checked(embeddings))
    return EmbeddingMap("PCA", model.transform(embeddings).astype(np.float32), 0, model)


def umap_map(embeddings: np.ndarray, seed: int = 0, neighbours: int = 15, min_dist: float = 0.1) -> EmbeddingMap:
    """Map unit embeddings (N, d) by UMAP on their cosine distances; the same seed gives the same map.

    Args:
        embeddings: (N, d), rows of unit length.
        neighbours: how many neighbours count as near; at most N - 1 are used.
        min_dist: how tightly points may lie, 0 to 1.

    Source: McInnes, Healy and Melville (arXiv 1802.03426); umap-learn.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what numba and umap-learn say about themselves is no matter of the user's
        from umap import UMAP

        count = len(_checked(embeddings, 4))
        # The spectral start needs more points than dimensions of its solver; PCA's start serves any number.
        model = UMAP(
            n_neighbors=min(neighbours, count - 1),
            min_dist=min_dist,
            metric="cosine",
            init="pca",
            random_state=seed,
            n_jobs=1,
        ).fit(np.ascontiguousarray(embeddings, np.float32))
    return EmbeddingMap("UMAP", np.asarray(model.embedding_, np.float32), seed, model)


def trustworthiness(embeddings: np.ndarray, points: np.ndarray, neighbours: int = 5) -> float:
    """Trustworthiness of a map in [0, 1]: 1 where nobody is near in the map who is not near in the original space.

    T = 1 - 2 / (N k (2N - 3k - 1)) sum_i sum_{j near i in the map only} (rank_i(j) - k)

    Args:
        embeddings: (N, d), cosine distances.
        points: (N, 2).
        neighbours: k, below N / 2; a larger one is cut down.

    Source: Venna and Kaski, ICANN 2001; scikit-learn.
    """
    from sklearn.manifold import trustworthiness

    k = max(1, min(neighbours, (len(_checked(embeddings)) - 1) // 2))
    return float(trustworthiness(embeddings, points, n_neighbors=k, metric="cosine"))


def seed_agreement(first: np.ndarray, second: np.ndarray, neighbours: int = 5) -> float:
    """Share of each point's k nearest in one map (N, 2) who are so in the other too, averaged: 1 for equal maps.

    Turning, mirroring and scaling a map change nothing.
    """
    if first.shape != second.shape:
        raise GdrdError(f"Maps of {len(first)} and {len(second)} points", "Compare two maps of the same faces")
    k = max(1, min(neighbours, len(first) - 1))
    near = [_nearest_in_map(points, k) for points in (first, second)]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*near, strict=True)]))


def nearest(embeddings: np.ndarray, index: int, count: int = 5, queries: np.ndarray | None = None) -> np.ndarray:
    """Return the ``count`` faces most alike in the ORIGINAL space (cosine), the face itself left out: int64 (count,).

    Args:
        embeddings: (N, d) unit embeddings searched in.
        count: how many; at most N - 1 are returned.
        queries: (N, d) the faces as asked with, for example at low resolution; ``embeddings`` if None.
    """
    if not 0 <= index < len(embeddings):
        raise GdrdError(f"There is no face {index}", f"Choose one from 0 to {len(embeddings) - 1}")
    scores = embeddings @ (embeddings if queries is None else queries)[index]
    order = np.argsort(-scores, kind="stable")
    return order[order != index][:count].astype(np.int64)


@torch.no_grad()
def across_resolutions(recogniser: Recogniser, face: np.ndarray, resolutions: Sequence[int]) -> np.ndarray:
    """Embed one face, uint8 (S, S, 3), at every resolution: float32 (R, d); ``EmbeddingMap.place`` makes it a path."""
    hr = to_tensor([face])
    return np.concatenate([recogniser.embed(downscale(hr, r)).float().cpu().numpy() for r in resolutions])


def _nearest_in_map(points: np.ndarray, k: int) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)


def _checked(embeddings: np.ndarray, least: int = 3) -> np.ndarray:
    if len(embeddings) < least:
        raise GdrdError(f"{len(embeddings)} faces make no map", f"Give at least {least}")
    return embeddings

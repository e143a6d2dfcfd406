"""Maps of embeddings: PCA and UMAP to two dimensions, and measures of how faithful such a map is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError

if TYPE_CHECKING:
    from gdrd_lab.models.recogniser import Recogniser


@dataclass(frozen=True)
class EmbeddingMap:
    """A map of N embeddings."""

    method: str  # "PCA" or "UMAP"
    points: np.ndarray  # float32 (N, 2)
    seed: int  # of the layout; PCA does not depend on it
    model: Any = field(repr=False)  # the fitted model of scikit-learn or umap-learn

    def place(self, embeddings: np.ndarray) -> np.ndarray:
        """Place further embeddings (M, d) in the same map: float32 (M, 2)."""
        return np.asarray(self.model.transform(np.ascontiguousarray(embeddings, np.float32)), np.float32)


def pca_map(embeddings: np.ndarray) -> EmbeddingMap:
    """Project embeddings (N, d) onto their two directions of largest variance."""
    from sklearn.decomposition import PCA

    model = PCA(2, svd_solver="full").fit(_checked(embeddings))
    return EmbeddingMap("PCA", model.transform(embeddings).astype(np.float32), 0, model)


def umap_map(embeddings: np.ndarray, seed: int = 0, neighbours: int = 15, min_dist: float = 0.1) -> EmbeddingMap:
    """Map unit embeddings (N, d) by UMAP on their cosine distances; the same seed gives the same map.

    ``neighbours`` is the size of the neighbourhood; ``min_dist``, 0 to 1, the smallest distance in the map.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of numba and umap-learn about their own code
        from umap import UMAP

        _keep_compiled()
        count = len(_checked(embeddings, 4))
        # Spectral initialisation fails for few points; PCA works for any number.
        how = {"metric": "cosine", "init": "pca", "random_state": seed, "n_jobs": 1}
        model = UMAP(min(neighbours, count - 1), min_dist=min_dist, **how)
        model.fit(np.ascontiguousarray(embeddings, np.float32))
    return EmbeddingMap("UMAP", np.asarray(model.embedding_, np.float32), seed, model)


def _keep_compiled() -> None:
    """Let numba keep in files what it compiles for UMAP: 35 s once, and not in every process (0.1 s a map)."""
    from numba.extending import is_jitted
    from umap import distances, layouts, umap_, utils

    for function in (item for module in (distances, layouts, umap_, utils) for item in vars(module).values()):
        if is_jitted(function):
            with suppress(RuntimeError):  # no folder can be written
                function.enable_caching()


def trustworthiness(embeddings: np.ndarray, points: np.ndarray, neighbours: int = 5) -> float:
    """Return the trustworthiness in [0, 1] of a map (N, 2): 1 if its neighbours are all neighbours in the space (N, d).

    T = 1 - 2 / (N k (2N - 3k - 1)) sum_i sum_{j a neighbour of i in the map only} (rank_i(j) - k)

    Distances in the space are cosines; ``neighbours`` k is N / 2 at most. Source: Venna and Kaski, ICANN 2001.
    """
    from sklearn.manifold import trustworthiness

    k = max(1, min(neighbours, (len(_checked(embeddings)) - 1) // 2))
    return float(trustworthiness(embeddings, points, n_neighbors=k, metric="cosine"))


def seed_agreement(first: np.ndarray, second: np.ndarray, neighbours: int = 5) -> float:
    """Return the mean share of a point's k nearest in one map (N, 2) that are also nearest in the other."""
    from sklearn.neighbors import NearestNeighbors

    if first.shape != second.shape:
        raise GdrdError(f"Maps of {len(first)} and {len(second)} points", "Compare two maps of the same faces")
    k = max(1, min(neighbours, len(first) - 1))
    near = [NearestNeighbors(n_neighbors=k).fit(p).kneighbors(return_distance=False) for p in (first, second)]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*near, strict=True)]))


def nearest(embeddings: np.ndarray, index: int, count: int = 5, queries: np.ndarray | None = None) -> np.ndarray:
    """Return the ``count`` faces most similar to face ``index`` in the original space (cosine), without itself: int64.

    ``queries`` (N, d) are embeddings of the probes, for example at low resolution; ``embeddings`` (N, d) if None.
    """
    if not 0 <= index < len(embeddings):
        raise GdrdError(f"There is no face {index}", f"Choose one from 0 to {len(embeddings) - 1}")
    scores = embeddings @ (embeddings if queries is None else queries)[index]
    order = np.argsort(-scores, kind="stable")
    return order[order != index][:count].astype(np.int64)


def across_resolutions(recogniser: Recogniser, face: np.ndarray, resolutions: Sequence[int]) -> np.ndarray:
    """Embed one face, uint8 (S, S, 3), at R resolutions: float32 (R, d), a path for ``EmbeddingMap.place``."""
    import torch  # here, so that maps do without it

    from gdrd_lab.datasets.base import to_tensor
    from gdrd_lab.transforms.resize import downscale

    hr = to_tensor([face])
    with torch.no_grad():
        return np.concatenate([recogniser.embed(downscale(hr, r)).float().cpu().numpy() for r in resolutions])


def _checked(embeddings: np.ndarray, least: int = 3) -> np.ndarray:
    if len(embeddings) < least:
        raise GdrdError(f"{len(embeddings)} faces are too few for a map", f"Give at least {least}")
    if bad := int((~np.isfinite(embeddings).all(1)).sum()):
        raise GdrdError(f"The embeddings of {bad} faces are not finite", "Check the weights of the recogniser")
    return embeddings

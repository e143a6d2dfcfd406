"""Comparison of two faces across resolutions, for the app and the notebooks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.embed import embed_faces
from gdrd_lab.evaluation.sweep import require_unique_names
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.transforms.resize import downscale


@dataclass(frozen=True)
class Comparison:
    """Cosine scores of one pair of faces, one per resolution (in pixels), by the name of the recogniser."""

    resolutions: tuple[int, ...]
    scores: dict[str, tuple[float, ...]]


def shown(face: np.ndarray, resolution: int, side: int = 224) -> np.ndarray:
    """Return a face at a resolution as uint8 (side, side, 3) in which every pixel is a square."""
    small = (downscale(to_tensor([face]), resolution) * 255).round().byte()
    return torch.nn.functional.interpolate(small, (side, side), mode="nearest")[0].permute(1, 2, 0).numpy()


def reduced(face: np.ndarray, degradation: Degradation, seed: int = 0) -> torch.Tensor:
    """Return a degraded copy (1, 3, r, r) in [0, 1] of an aligned face, uint8 (S, S, 3)."""
    return degradation(to_tensor([face]), seeds=[seed])


def embed_reduced(face: np.ndarray, recogniser: Recogniser, degradation: Degradation, seed: int = 0) -> np.ndarray:
    """Return the embedding (d,) of a degraded face; the face is uint8 (S, S, 3), RGB."""
    return embed_faces(recogniser, reduced(face, degradation, seed))[0]


def compare(
    first: Any,
    second: Any,
    recognisers: Sequence[Recogniser],
    resolutions: Sequence[int],
    degradation: Degradation | None = None,
    seeds: tuple[int, int] = (0, 1),
    embed: Callable[[Any, Recogniser, Degradation, int], np.ndarray] = embed_reduced,
) -> Comparison:
    """Score two aligned faces with every recogniser at every resolution, both faces degraded alike.

    Args:
        first: uint8 (S, S, 3), RGB.
        second: uint8 (S, S, 3), RGB.
        recognisers: the networks.
        resolutions: in pixels.
        degradation: what else happens to the faces; its own resolution is not used.
        seeds: seeds of the degradation, one per face.
        embed: returns the embedding (d,) of a face; a caller that keeps embeddings gives its own, for its own faces.

    Example:
        >>> from gdrd_lab.datasets.synthetic import synthetic_faces
        >>> from gdrd_lab.models.registry import load_model
        >>> scores = compare(*synthetic_faces(1, 2).images, [load_model("student")], [8, 64]).scores["student"]
        >>> scores[0] < scores[1]
        True
    """
    require_unique_names(recognisers)
    settings = [replace(degradation or Degradation(), resolution=resolution) for resolution in resolutions]
    scores = {}
    for recogniser in recognisers:
        a, b = (
            np.stack([embed(face, recogniser, at, seed) for at in settings])
            for face, seed in zip((first, second), seeds, strict=True)
        )
        scores[recogniser.name] = tuple((a * b).sum(1).tolist())
    return Comparison(tuple(resolutions), scores)

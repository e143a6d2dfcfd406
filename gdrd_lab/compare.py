"""Comparing two faces across resolutions: what the app and the notebooks show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gdrd_lab.degradation import downscale
from gdrd_lab.faces.faceset import to_tensor

if TYPE_CHECKING:
    from gdrd_lab.faces.faceset import FaceSet
    from gdrd_lab.teachers.recogniser import Recogniser


@dataclass(frozen=True)
class Comparison:
    """Cosine scores of one pair of faces.

    Args:
        resolutions: sides in pixels.
        scores: by recogniser's name, one score in [-1, 1] per resolution.
    """

    resolutions: tuple[int, ...]
    scores: dict[str, tuple[float, ...]]


def shown(face: np.ndarray, resolution: int, side: int = 224) -> np.ndarray:
    """Return what is left of a face at a resolution, uint8 (side, side, 3): each pixel as a square."""
    small = (downscale(to_tensor([face]), resolution) * 255).round().byte()
    return torch.nn.functional.interpolate(small, (side, side), mode="nearest")[0].permute(1, 2, 0).numpy()


@torch.inference_mode()
def compare(
    first: np.ndarray, second: np.ndarray, recognisers: Sequence[Recogniser], resolutions: Sequence[int]
) -> Comparison:
    """Score two aligned faces, uint8 (S, S, 3), with every recogniser at every resolution, both faces reduced alike."""
    scores: dict[str, list[float]] = {recogniser.name: [] for recogniser in recognisers}
    faces = [to_tensor([face]) for face in (first, second)]
    for resolution in resolutions:
        pair = torch.cat([downscale(face, resolution) for face in faces])
        for recogniser in recognisers:
            a, b = recogniser.embed(pair)
            scores[recogniser.name].append(float(a @ b))
    return Comparison(tuple(resolutions), {name: tuple(values) for name, values in scores.items()})


@torch.inference_mode()
def thresholds(
    recogniser: Recogniser, faces: FaceSet, resolutions: Sequence[int], far: float = 0.01
) -> dict[int, float]:
    """Return, per resolution, the score that a share ``far`` of a set's impostor pairs exceeds.

    Args:
        recogniser: the network.
        faces: labelled faces; every pair of two identities is an impostor pair.
        resolutions: sides in pixels.
        far: accepted share of impostor pairs (false match rate).
    """
    from gdrd_lab.degradation import Degradation
    from gdrd_lab.evaluation.verification import threshold_at_far
    from gdrd_lab.teachers.recogniser import embed_all

    first, second = np.triu_indices(len(faces), 1)
    genuine = faces.labels[first] == faces.labels[second]
    found = {}
    for resolution in resolutions:
        embeddings = embed_all(recogniser, faces, Degradation(resolution), progress=False)
        found[resolution] = float(threshold_at_far((embeddings @ embeddings.T)[first, second], genuine, far))
    return found

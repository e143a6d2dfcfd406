"""Comparing two faces across resolutions: what the app and the notebooks show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.evaluation.calibration import calibrate
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.transforms.resize import downscale

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.models.recogniser import Recogniser


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


def reduced(face: np.ndarray, degradation: Degradation, seed: int = 0) -> torch.Tensor:
    """Return what a degradation leaves of an aligned face, uint8 (S, S, 3), as a tensor (1, 3, r, r) in [0, 1]."""
    return degradation(to_tensor([face]), seeds=[seed])


@torch.inference_mode()
def compare(
    first: np.ndarray,
    second: np.ndarray,
    recognisers: Sequence[Recogniser],
    resolutions: Sequence[int],
    degradation: Degradation | None = None,
    seeds: tuple[int, int] = (0, 1),
) -> Comparison:
    """Score two aligned faces with every recogniser at every resolution, both faces reduced alike.

    Args:
        first: uint8 (S, S, 3), RGB.
        second: uint8 (S, S, 3), RGB.
        recognisers: the networks.
        resolutions: sides in pixels.
        degradation: what happens to the faces besides; its own resolution is not used.
        seeds: of what is random in it, one per face.
    """
    plain = degradation or Degradation()
    scores: dict[str, list[float]] = {recogniser.name: [] for recogniser in recognisers}
    for resolution in resolutions:
        at = replace(plain, resolution=resolution)
        pair = torch.cat([reduced(face, at, seed) for face, seed in zip((first, second), seeds, strict=True)])
        for recogniser in recognisers:
            a, b = recogniser.embed(pair)
            scores[recogniser.name].append(float(a @ b))
    return Comparison(tuple(resolutions), {name: tuple(values) for name, values in scores.items()})


def thresholds(
    recogniser: Recogniser, faces: FaceDataset, resolutions: Sequence[int], far: float = 0.01
) -> dict[int, float]:
    """Return, per resolution, the score that a share ``far`` of a set's impostor pairs exceeds.

    Args:
        recogniser: the network.
        faces: labelled faces; every pair of two identities is an impostor pair.
        resolutions: sides in pixels.
        far: accepted share of impostor pairs (false match rate).
    """
    known = calibrate(recogniser, faces, resolutions, QUIET)
    return dict(zip(known.resolutions, known.thresholds(far), strict=True))

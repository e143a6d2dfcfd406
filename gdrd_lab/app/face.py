"""A face on the page, with the embeddings computed of it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from gdrd_lab.datasets.base import to_images
from gdrd_lab.evaluation.compare import Comparison, reduced
from gdrd_lab.transforms.degradation import Degradation

MOST_KEPT = 2000


@dataclass(eq=False)
class Face:
    """An aligned face and what was computed of it; an upload's lives in its user's session alone.

    Args:
        image: uint8 (112, 112, 3), RGB.
        name: what the page calls it.
        side: of the face in its photograph, in pixels; a larger resolution is an enlargement. None where unknown.
        example: its number among the embedded faces, None for an upload.
    """

    image: np.ndarray
    name: str
    side: int | None = None
    example: int | None = None
    kept: dict[Any, np.ndarray] = field(default_factory=dict, repr=False)

    def embeddings(self, recogniser: Any, degradations: Sequence[Degradation], seed: int) -> np.ndarray:
        """Return the embeddings (K, d) under K degradations, each computed once."""
        if len(self.kept) > MOST_KEPT:
            self.kept.clear()
        found = []
        with torch.inference_mode():
            for one in degradations:
                key = (recogniser.name, one, seed)
                vector = self.kept.get(key)  # another user's thread may clear the shared examples at any time
                if vector is None:
                    vector = recogniser.embed(reduced(self.image, one, seed))[0].float().cpu().numpy()
                    self.kept[key] = vector
                found.append(vector)
        return np.stack(found)

    def small(self, degradation: Degradation, seed: int) -> np.ndarray:
        """Return what the degradation leaves, uint8 (r, r, 3)."""
        return to_images(reduced(self.image, degradation, seed))[0]


def compare_faces(
    first: Face,
    second: Face,
    recognisers: Sequence[Any],
    resolutions: Sequence[int],
    degradation: Degradation,
    seeds: tuple[int, int],
) -> Comparison:
    """Give the numbers of ``compare``, but compute each embedding once."""
    settings = [replace(degradation, resolution=resolution) for resolution in resolutions]
    scores = {}
    for recogniser in recognisers:
        a, b = (f.embeddings(recogniser, settings, s) for f, s in zip((first, second), seeds, strict=True))
        scores[recogniser.name] = tuple((a * b).sum(1).tolist())
    return Comparison(tuple(resolutions), scores)

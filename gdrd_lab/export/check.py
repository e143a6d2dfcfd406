"""What an exported file costs in accuracy: its embeddings and scores beside the original's, on the embedded faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from gdrd_lab.models.recogniser import Recogniser


@dataclass(frozen=True)
class Comparison:
    """An exported recogniser beside the original.

    Args:
        resolution: side of the faces compared.
        difference: largest difference of any number of any embedding.
        cosine: lowest cosine between both embeddings of a face.
        accuracy: (original, exported) pair accuracy, 10 folds or as many as the faces fill.
        error: standard error of the original's.
    """

    resolution: int
    difference: float
    cosine: float
    accuracy: tuple[float, float]
    error: float


def compare(recogniser: Recogniser, path: Path, resolution: int = 16, identities: int = 60) -> Comparison:
    """Embed the embedded faces by both and compare."""
    from gdrd_lab.datasets.embed import QUIET, embed_all
    from gdrd_lab.datasets.registry import open_pairs
    from gdrd_lab.datasets.synthetic import synthetic_faces
    from gdrd_lab.evaluation.protocol import verify_embeddings

    faces = synthetic_faces(identities=identities)
    exported: Any = _just_written(path, recogniser) if path.suffix == ".pt2" else _onnx(path)
    how = Degradation(resolution)
    ours, theirs = (embed_all(one, faces, how, QUIET) for one in (recogniser, exported))
    pairs = open_pairs(faces)
    scores = [verify_embeddings(found, found, pairs).accuracy for found in (ours, theirs)]
    return Comparison(
        resolution,
        float(np.abs(ours - theirs).max()),
        float((ours * theirs).sum(1).min()),
        (scores[0].mean, scores[1].mean),
        scores[0].standard_error,
    )


def show(comparison: Comparison) -> None:
    """Print a comparison."""
    before, after = comparison.accuracy
    print(
        f"against the original on embedded faces at {comparison.resolution} px: largest difference "
        f"{comparison.difference:.1e}, lowest cosine {comparison.cosine:.6f}, accuracy {before:.4f} -> {after:.4f} "
        f"(standard error {comparison.error:.4f})"
    )


def _onnx(path: Path) -> Any:
    from gdrd_lab.models.onnx import OnnxRecogniser

    return OnnxRecogniser(path)


def _just_written(path: Path, recogniser: Recogniser) -> Any:
    """Open the program this very process wrote; one from elsewhere could hide code, and is never opened."""
    import torch

    from gdrd_lab.export.onnx import input_size
    from gdrd_lab.transforms.resize import resize

    module, side = torch.export.load(str(path)).module(), input_size(recogniser)

    class Program:
        name, embedding_size = recogniser.name, recogniser.embedding_size

        def embed(self, faces: torch.Tensor) -> torch.Tensor:
            return module(resize(faces, side))

    return Program()

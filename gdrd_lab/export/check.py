"""What an exported file costs in accuracy: its embeddings and scores against the original's, on the synthetic faces."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gdrd_lab.datasets.embed import QUIET, embed_all
from gdrd_lab.datasets.registry import open_pairs
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.evaluation.protocol import verify_embeddings
from gdrd_lab.export.onnx import input_size
from gdrd_lab.models.onnx import OnnxRecogniser
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.transforms.resize import resize


@dataclass(frozen=True)
class Comparison:
    """An exported recogniser against the original."""

    resolution: int  # of the faces compared
    difference: float  # the largest of any value of any embedding
    cosine: float  # the lowest between both embeddings of a face
    accuracy: tuple[float, float]  # (original, exported), of verification over 10 folds or as many as the faces fill
    error: float  # standard error of the original's accuracy


def compare(recogniser: Recogniser, path: Path, resolution: int = 16, identities: int = 60) -> Comparison:
    """Embed the synthetic faces by a recogniser and by the file that it was exported to, and compare."""
    faces = synthetic_faces(identities=identities)
    exported = _just_written(path, recogniser) if path.suffix == ".pt2" else OnnxRecogniser(path)
    degradation = Degradation(resolution)
    original, other = (embed_all(model, faces, degradation, QUIET) for model in (recogniser, exported))
    pairs = open_pairs(faces)
    before, after = (verify_embeddings(found, found, pairs).accuracy for found in (original, other))
    difference, cosine = np.abs(original - other).max(), (original * other).sum(1).min()
    return Comparison(resolution, float(difference), float(cosine), (before.mean, after.mean), before.standard_error)


def show(comparison: Comparison) -> None:
    """Print a comparison."""
    before, after = comparison.accuracy
    print(
        f"against the original on synthetic faces at {comparison.resolution} px: largest difference "
        f"{comparison.difference:.1e}, lowest cosine {comparison.cosine:.6f}, accuracy {before:.4f} -> {after:.4f} "
        f"(standard error {comparison.error:.4f})"
    )


def _just_written(path: Path, recogniser: Recogniser) -> Recogniser:
    """Open a program that this process wrote; one from elsewhere could hide code and is not opened."""
    module, size = torch.export.load(str(path)).module(), input_size(recogniser)

    class Program:
        name, embedding_size = recogniser.name, recogniser.embedding_size

        def embed(self, faces: torch.Tensor) -> torch.Tensor:
            return module(resize(faces, size))

    return Program()

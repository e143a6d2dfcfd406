"""Measure the synthetic faces: ``python -m gdrd_lab.experiments.synthetic_faces.check [--faces FOLDER]``.

It prints SFace's pair accuracy at several resolutions and, given the photographs that the model was fitted on, how near
samples come to them, and how near photographs of other people come to one another.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET, embed_all
from gdrd_lab.datasets.pairs import random_pairs
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.protocol import verify_embeddings
from gdrd_lab.experiments.synthetic_faces.fit import Photographs, read_photographs
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.sface import load_sface
from gdrd_lab.transforms.degradation import Degradation

RESOLUTIONS = (64, 32, 16, 8)


def pair_accuracy(recogniser: Recogniser, faces: ArrayFaces, resolution: int, seed: int = 0) -> float:
    """Return the mean accuracy over 10 folds without a common identity."""
    pairs = random_pairs(faces.labels, folds=10, per_fold=60, seed=seed)
    embeddings = embed_all(recogniser, faces, Degradation(resolution=resolution), QUIET)
    return verify_embeddings(embeddings, embeddings, pairs).accuracy.mean


def nearest(queries: np.ndarray, others: np.ndarray, forbidden: np.ndarray | None = None) -> np.ndarray:
    """Return the distance (Q,) of each row (Q, D) to the nearest of ``others`` (N, D) not in ``forbidden`` (Q, N)."""
    squared = (queries**2).sum(1)[:, None] + (others**2).sum(1) - 2 * queries @ others.T
    if forbidden is not None:
        squared = np.where(forbidden, np.inf, squared)
    return np.sqrt(np.maximum(squared.min(1), 0))


def _pixels(faces: np.ndarray) -> np.ndarray:
    """Return the centre 44 x 44 of faces uint8 (N, 64, 64, 3) as rows whose distances are RMS grey levels."""
    rows = faces[:, 14:58, 10:54].reshape(len(faces), -1).astype(np.float32)
    return rows / rows.shape[1] ** 0.5


def report_neighbours(photographs: Photographs, sface: Recogniser, seed: int = 0) -> None:
    """Print how near samples come to the photographs, and how near photographs of other people come to one another."""
    sampled = synthetic_faces(100, 3, seed=seed)
    chosen = np.random.default_rng(seed).choice(len(photographs.labels), 300, replace=False)
    same = photographs.labels[chosen][:, None] == photographs.labels[None]
    images, embeddings = photographs.faces.permute(0, 2, 3, 1).numpy(), photographs.embeddings.numpy()
    pixels = _pixels(images)
    print("Nearest photograph                      median   nearest of 300")
    for name, distances in (
        ("sample, RMS grey levels", nearest(_pixels(sampled.images), pixels)),
        ("another person's photograph", nearest(pixels[chosen], pixels, same)),
    ):
        print(f"{name:38s} {np.median(distances):8.2f} {distances.min():8.2f}")
    # Of unit vectors, cosine = 1 - distance^2 / 2.
    for name, distances in (
        ("sample, SFace cosine", nearest(embed_all(sface, sampled, options=QUIET), embeddings)),
        ("another person's photograph", nearest(embeddings[chosen], embeddings, same)),
    ):
        cosines = 1 - distances**2 / 2
        print(f"{name:38s} {np.median(cosines):8.3f} {cosines.max():8.3f}")


def main() -> None:
    """Print the table, and the neighbours if photographs are given."""
    parser = argparse.ArgumentParser(description="Measure the synthetic faces with SFace.")
    parser.add_argument("--faces", type=Path, help="the photographs the model was fitted on")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        sface, rows = load_sface(), []
        print("seed " + "".join(f"{resolution:>8d}" for resolution in RESOLUTIONS))
        for seed in range(arguments.seeds):
            faces = synthetic_faces(60, 5, seed=seed)
            rows.append([pair_accuracy(sface, faces, resolution) for resolution in RESOLUTIONS])
            print(f"{seed:4d} " + "".join(f"{value:8.4f}" for value in rows[-1]), flush=True)
        print("mean " + "".join(f"{value:8.4f}" for value in np.mean(rows, 0)))
        print("std  " + "".join(f"{value:8.4f}" for value in np.std(rows, 0)))
        if arguments.faces:
            report_neighbours(read_photographs(arguments.faces, sface), sface)
    except GdrdError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()

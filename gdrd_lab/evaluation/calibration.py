"""What a score means at each resolution: thresholds and error shares measured on labelled faces.

The shipped file holds the embeddings of the embedded faces by the shipped teacher and student, so that the app starts
at once; another network's are computed when first asked for, and kept in the cache folder. After a change of a shipped
network: ``python -m gdrd_lab.evaluation.calibration`` writes the file anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.io.cache import cached, keyed
from gdrd_lab.io.paths import data_folder
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import ArrayFaces, FaceDataset
    from gdrd_lab.models.recogniser import Recogniser

RESOLUTIONS = (6, 8, 12, 16, 24, 32, 64, 112)
FAR = 0.01
SHIPPED = "known_faces.safetensors"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Embeddings of N labelled faces at R resolutions by one recogniser.

    Args:
        resolutions: sides in pixels, rising.
        embeddings: float32 (R, N, d), rows of unit length.
        labels: (N,) identities.
    """

    resolutions: tuple[int, ...]
    embeddings: np.ndarray
    labels: np.ndarray

    def nearest(self, resolution: int) -> int:
        """Return the calibrated resolution that is nearest on a logarithmic scale."""
        return min(self.resolutions, key=lambda known: abs(np.log(known / resolution)))

    def pairs(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosine of every pair, both faces at the nearest calibrated resolution, and which are genuine."""
        known = self.embeddings[self.resolutions.index(self.nearest(resolution))]
        first, second = np.triu_indices(len(known), 1)
        return (known @ known.T)[first, second], self.labels[first] == self.labels[second]

    def threshold(self, resolution: int, far: float = FAR) -> float:
        """Return the score that a share ``far`` of the impostor pairs reaches; interpolated between resolutions."""
        return float(np.interp(np.log(resolution), np.log(self.resolutions), self.thresholds(far)))

    @lru_cache(maxsize=8)  # noqa: B019 (few calibrations, and they live as long as the process)
    def thresholds(self, far: float = FAR) -> tuple[float, ...]:
        """Return ``threshold_at_far`` at each calibrated resolution."""
        from gdrd_lab.evaluation.metrics.verification import threshold_at_far

        return tuple(float(threshold_at_far(*self.pairs(r), far)) for r in self.resolutions)

    def shares(self, resolution: int, score: float) -> tuple[float, float]:
        """Return the shares of impostor pairs and of genuine pairs that score as high as ``score`` or higher."""
        scores, genuine = self.pairs(resolution)
        return float(np.mean(scores[~genuine] >= score)), float(np.mean(scores[genuine] >= score))


def calibration_faces() -> ArrayFaces:
    """Return the embedded faces that are calibrated on: 20 identities with 3 faces each, 112 px."""
    from gdrd_lab.datasets.synthetic import synthetic_faces

    return synthetic_faces(identities=20, per_identity=3, size=112, seed=0)


def calibrate(
    recogniser: Recogniser,
    faces: FaceDataset | None = None,
    resolutions: Sequence[int] = RESOLUTIONS,
    options: EmbedOptions = EmbedOptions(),
) -> Calibration:
    """Embed labelled faces at every resolution, or read what an earlier call kept.

    Args:
        recogniser: the network; the result is kept if it has a fingerprint, as torch modules have.
        faces: labelled faces; ``calibration_faces`` if None.
        resolutions: sides in pixels.
        options: how the faces are embedded.
    """
    faces = calibration_faces() if faces is None else faces
    resolutions = tuple(sorted(resolutions))
    labels = np.asarray(faces.labels)

    def compute() -> np.ndarray:
        return embeddings_at(recogniser, faces, resolutions, options)

    key = calibration_key(recogniser, faces, resolutions, options)
    if key is None:
        return Calibration(resolutions, compute(), labels)
    shipped = data_folder() / SHIPPED
    tables = _read(shipped) if shipped.is_file() else {}
    if key not in tables:
        tables = cached("calibration", key, compute, _read, lambda file, table: file.write(_packed({key: table})))
    return Calibration(resolutions, tables[key], labels)


def embeddings_at(
    recogniser: Recogniser,
    faces: FaceDataset,
    resolutions: Sequence[int] = RESOLUTIONS,
    options: EmbedOptions = EmbedOptions(),
) -> np.ndarray:
    """Embed every face at every resolution: float32 (R, N, d)."""
    return np.stack([embed_all(recogniser, faces, Degradation(r), options) for r in resolutions])


def calibration_key(
    recogniser: Any, faces: FaceDataset, resolutions: Sequence[int], options: EmbedOptions = EmbedOptions()
) -> str | None:
    """Return a name for these weights, faces and settings, or None if the recogniser has no fingerprint."""
    return keyed(recogniser, dataset_fingerprint(faces), list(resolutions), options.flip, options.seed)


def _packed(tables: dict[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    # Half precision moves a cosine by less than 0.001.
    return save({key: table.astype(np.float16) for key, table in tables.items()})


def _read(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    tables = {key: table.astype(np.float32) for key, table in load_file(path).items()}
    return {key: table / np.linalg.norm(table, axis=-1, keepdims=True) for key, table in tables.items()}


def main() -> None:
    """Write the shipped file for the shipped teacher and student."""
    from gdrd_lab.models.registry import load_model

    faces, tables = calibration_faces(), {}
    for name in ("sface", "student"):
        recogniser = load_model(name)
        tables[f"{calibration_key(recogniser, faces, RESOLUTIONS)}"] = embeddings_at(recogniser, faces)
    print(write_atomically(data_folder() / SHIPPED, _packed(tables)))


if __name__ == "__main__":
    main()

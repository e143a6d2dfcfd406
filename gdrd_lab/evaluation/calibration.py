"""What a score means at each resolution: thresholds and error shares measured on labelled faces.

After a change of a shipped model, ``python -m gdrd_lab.evaluation.calibration`` writes their embeddings
of the calibration faces, a shipped file, again. Those of other networks are kept in the cache.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gdrd_lab.datasets.base import ArrayFaces, FaceDataset
from gdrd_lab.datasets.embed import EmbedOptions, embed_all, require_finite
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.evaluation.metrics.verification import require_finite_scores, threshold_at_far
from gdrd_lab.io.atomic import atomic_write
from gdrd_lab.io.cache import cached, fingerprint
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.degradation import Degradation

RESOLUTIONS = (6, 8, 12, 16, 24, 32, 64, 112)
FAR = 0.01
SHIPPED = "known_faces.safetensors"


class KnownPairs:
    """What the scores of known pairs say about a new score, at R rising resolutions. Subclasses give ``pairs``."""

    resolutions: tuple[int, ...]

    def pairs(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the score of every pair at the nearest calibrated resolution, and which are genuine."""
        raise NotImplementedError

    def nearest(self, resolution: int) -> int:
        """Return the calibrated resolution that is nearest on a logarithmic scale."""
        return min(self.resolutions, key=lambda known: abs(np.log(known / resolution)))

    def threshold(self, resolution: int, far: float = FAR) -> float:
        """Return the score that a share ``far`` of the impostor pairs reaches; interpolated between resolutions."""
        return float(np.interp(np.log(resolution), np.log(self.resolutions), self.thresholds(far)))

    @lru_cache(maxsize=64)  # noqa: B019 (few calibrations, and they live as long as the process)
    def thresholds(self, far: float = FAR) -> tuple[float, ...]:
        """Return ``threshold_at_far`` at each calibrated resolution."""
        return tuple(float(threshold_at_far(*self.pairs(r), far)) for r in self.resolutions)

    def strangers(self, resolution: int) -> int:
        """Return the number of impostor pairs at the nearest calibrated resolution."""
        return int((~self.pairs(resolution)[1]).sum())

    def shares(self, resolution: int, score: float) -> tuple[float, float]:
        """Return the shares of impostor pairs and of genuine pairs that score as high as ``score`` or higher."""
        require_finite_scores(np.array([score]))
        scores, genuine = self.pairs(resolution)
        return float(np.mean(scores[~genuine] >= score)), float(np.mean(scores[genuine] >= score))


@dataclass(frozen=True, eq=False)
class Calibration(KnownPairs):
    """Embeddings, float32 (R, N, d) of unit length, of N labelled faces at R rising resolutions by one recogniser."""

    resolutions: tuple[int, ...]
    embeddings: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        for table in self.embeddings:
            require_finite(table, "the calibration")

    def pairs(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosine of every pair, both faces at the nearest calibrated resolution, and which are genuine."""
        known = self.embeddings[self.resolutions.index(self.nearest(resolution))]
        return all_pairs(known, self.labels)


def all_pairs(embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of every pair of embeddings (N, d) and which are genuine, both (N (N - 1) / 2,)."""
    first, second = np.triu_indices(len(labels), 1)
    return (embeddings @ embeddings.T)[first, second], labels[first] == labels[second]


@lru_cache(maxsize=1)
def calibration_faces() -> ArrayFaces:
    """Return the synthetic faces of the shipped calibration: 20 identities with 3 faces each, 112 px."""
    return synthetic_faces(identities=20, per_identity=3, size=112, seed=0)


def calibrate(
    recogniser: Recogniser,
    faces: FaceDataset | None = None,
    resolutions: Sequence[int] = RESOLUTIONS,
    options: EmbedOptions = EmbedOptions(),
) -> Calibration:
    """Embed labelled faces at every resolution, or read what an earlier call with the same inputs kept."""
    faces = calibration_faces() if faces is None else faces
    resolutions, labels, how = tuple(sorted(resolutions)), np.asarray(faces.labels), (options.flip, options.seed)
    try:
        usual = faces is calibration_faces() and (resolutions, how) == (RESOLUTIONS, (False, 0))
        if usual and (shipped := shipped_calibration(recogniser)):
            return shipped
        key = fingerprint(recogniser, dataset_fingerprint(faces), resolutions, how)
    except TypeError:  # somebody's own recogniser, whose weights cannot be named
        return Calibration(resolutions, embeddings_at(recogniser, faces, resolutions, options), labels)

    def make() -> dict[str, np.ndarray]:
        return {key: embeddings_at(recogniser, faces, resolutions, options)}

    return Calibration(
        resolutions, cached("calibration", key, make, partial(read_embeddings, key), write_embeddings), labels
    )


def shipped_calibration(recogniser: Recogniser) -> Calibration | None:
    """Return the shipped calibration of a recogniser on the synthetic faces; None if these weights have none."""
    with suppress(OSError, SafetensorError, TypeError):
        table = read_embeddings(shipped_key(recogniser), data_folder() / SHIPPED)
        return Calibration(RESOLUTIONS, table, np.asarray(calibration_faces().labels))
    return None


def embeddings_at(
    recogniser: Recogniser,
    faces: FaceDataset,
    resolutions: Sequence[int] = RESOLUTIONS,
    options: EmbedOptions = EmbedOptions(),
) -> np.ndarray:
    """Embed every face at every resolution: float32 (R, N, d)."""
    return np.stack([embed_all(recogniser, faces, Degradation(r), options) for r in resolutions])


def shipped_key(recogniser: object) -> str:
    """Return a recogniser's key in the shipped file: its weights and the face model; pixels vary between processors."""
    return fingerprint(recogniser, data_folder() / "face_model.safetensors")


def write_embeddings(file: BinaryIO, tables: dict[str, np.ndarray]) -> None:
    """Write tables of embeddings by their keys."""
    file.write(save({key: table.astype(np.float16) for key, table in tables.items()}))  # moves a cosine by < 0.001


def read_embeddings(key: str, place: Path) -> np.ndarray:
    """Read one table of embeddings as unit vectors."""
    with safe_open(place, "np") as file:
        table = file.get_tensor(key).astype(np.float32)
    return table / np.linalg.norm(table, axis=-1, keepdims=True)


def main() -> None:
    """Write the shipped file for the shipped teacher, students and assistant."""
    shipped = [load_model(name) for name in ("sface", "student", "assistant", "paper-student")]
    tables = {shipped_key(recogniser): embeddings_at(recogniser, calibration_faces()) for recogniser in shipped}
    with atomic_write(data_folder() / SHIPPED) as file:
        write_embeddings(file, tables)
    print(data_folder() / SHIPPED)


if __name__ == "__main__":
    main()

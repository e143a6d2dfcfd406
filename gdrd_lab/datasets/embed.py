"""How faces become embeddings, and the one check that every embedding passes before it is compared or written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from gdrd_lab.datasets.base import FaceDataset, batches
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.threads import prefetch
from gdrd_lab.models.recogniser import Recogniser, embed_batch
from gdrd_lab.transforms.degradation import Degradation

# A norm further from 1 than this is not rounding: half precision is off by less.
UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class EmbedOptions:
    """How a face set is embedded.

    Args:
        flip: average the embeddings of a face and its mirror image.
        batch_size: faces per forward pass; it changes the result only by rounding.
        seed: seed of the degradation, which each face combines with its index.
        progress: show a progress bar.

    Example:
        >>> EmbedOptions(flip=True, progress=False)
        EmbedOptions(flip=True, batch_size=64, seed=0, progress=False)
    """

    flip: bool = False
    batch_size: int = 64
    seed: int = 0
    progress: bool = True


QUIET = EmbedOptions(progress=False)


def require_finite(embeddings: np.ndarray, name: str) -> np.ndarray:
    """Check embeddings (N, d) and return them with rows of unit length; rows that have it already keep every bit."""
    embeddings = np.asarray(embeddings)
    squares = np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float64)
    for bad, what in ((~np.isfinite(squares), "not finite"), (squares < 1e-24, "zero")):
        if bad.any():
            raise GdrdError(
                f"The embeddings of {name} are {what} for {int(bad.sum())} of {len(bad)} faces",
                "Check its weights and its embed method; no score can be computed from such embeddings",
            )
    lengths = np.sqrt(squares)
    if (np.abs(lengths - 1) <= UNIT_TOLERANCE).all():
        return embeddings
    return (embeddings / lengths[:, None]).astype(embeddings.dtype, copy=False)


def comparable(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check two tables of embeddings, (N, d) and (M, d), with ``require_finite`` and for equal width d."""
    first, second = (require_finite(table, "the recogniser") for table in (first, second))
    if first.shape[1] != second.shape[1]:
        what = f"Embeddings of {first.shape[1]} and of {second.shape[1]} numbers cannot be compared"
        raise GdrdError(what, "Embed both sides with one recogniser, or with a student and its teacher")
    return first, second


def embed_faces(recogniser: Recogniser, faces: Tensor, flip: bool = False) -> np.ndarray:
    """Embed one batch of faces (N, 3, H, W), RGB in [0, 1]: float32 (N, d), rows of unit length."""
    return require_finite(_embed(recogniser, faces, flip), recogniser.name)


def embed_all(
    recogniser: Recogniser,
    dataset: FaceDataset,
    degradation: Degradation | None = None,
    options: EmbedOptions = EmbedOptions(),
) -> np.ndarray:
    """Embed every face of a set.

    Args:
        recogniser: the network.
        dataset: N aligned faces.
        degradation: applied to each face first, seeded by ``options.seed`` and the face's index; none if None.
        options: mirror images, batch size, seed and progress bar.

    Returns:
        float32 (N, d), rows of unit length.

    Raises:
        GdrdError: see ``embed_faces``.

    Example:
        >>> from gdrd_lab.datasets.synthetic import synthetic_faces
        >>> from gdrd_lab.models.registry import load_model
        >>> embed_all(load_model("student"), synthetic_faces(2, 1), Degradation(16), QUIET).shape
        (2, 128)
    """
    out = np.zeros((len(dataset), recogniser.embedding_size), np.float32)
    bar = tqdm(total=len(dataset), desc=recogniser.name, unit="face", disable=not options.progress, leave=False)
    with bar:
        for indices, faces in prefetch(degraded_batches(dataset, degradation, options)):
            out[indices] = _embed(recogniser, faces, options.flip)
            bar.update(len(indices))
    return require_finite(out, recogniser.name)


def degraded_batches(
    dataset: FaceDataset, degradation: Degradation | None, options: EmbedOptions
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Yield the indices (B,) and the faces (B, 3, r, r) of each batch, degraded as ``embed_all`` does it."""
    for indices, faces in batches(dataset, options.batch_size):
        if degradation is not None:
            faces = degradation(faces, seeds=face_seeds(options.seed, indices))
        yield indices, faces


def face_seeds(seed: int, indices: Iterable[int]) -> list[int]:
    """Return the seed of each face: the run's seed mixed with the face's index, so that batching changes nothing."""
    return [seed * 1_000_003 + int(index) for index in indices]


@torch.inference_mode()
def _embed(recogniser: Recogniser, faces: Tensor, flip: bool) -> np.ndarray:
    weights = recogniser.parameters() if isinstance(recogniser, nn.Module) else iter(())
    faces = faces.to(next((weight.device for weight in weights), torch.device("cpu")))
    found = embed_batch(recogniser, faces)
    if flip:
        found = F.normalize(found + embed_batch(recogniser, faces.flip(-1)), dim=1)
    return found.float().cpu().numpy()

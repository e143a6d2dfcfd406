"""How a whole face set is embedded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset


@dataclass(frozen=True)
class EmbedOptions:
    """How a face set is embedded.

    Args:
        flip: average the embeddings of a face and its mirror image.
        batch_size: faces per forward pass; it changes the result only by rounding.
        seed: seed of the degradation, which each face combines with its index.
        progress: show a progress bar.
    """

    flip: bool = False
    batch_size: int = 64
    seed: int = 0
    progress: bool = True


@torch.inference_mode()
def embed_all(
    recogniser: Recogniser,
    dataset: FaceDataset,
    degradation: Degradation | None = None,
    *,
    flip: bool = False,
    batch_size: int = 64,
    progress: bool = True,
    seed: int = 0,
) -> np.ndarray:
    """Embed every face of a set.

    Args:
        recogniser: the network.
        dataset: N aligned faces.
        degradation: applied to each face first, seeded by ``seed`` and the face's index; None leaves faces sharp.
        flip: average the embeddings of the face and its mirror image.
        batch_size: faces per forward pass; it does not change the result beyond rounding.
        progress: show a progress bar.
        seed: seed of the degradation.

    Returns:
        float32 (N, d), rows of unit length.
    """
    from tqdm.auto import tqdm

    from gdrd_lab.datasets.base import batches

    device = next(iter(recogniser.parameters())).device if isinstance(recogniser, torch.nn.Module) else "cpu"
    out = np.zeros((len(dataset), recogniser.embedding_size), np.float32)
    bar = tqdm(total=len(dataset), desc=recogniser.name, unit="face", disable=not progress, leave=False)
    with bar:
        for indices, faces in batches(dataset, batch_size):
            if degradation is not None:
                faces = degradation(faces, seeds=[seed * 1_000_003 + int(i) for i in indices])
            faces = faces.to(device)
            embedding = recogniser.embed(faces)
            if flip:
                embedding = F.normalize(embedding + recogniser.embed(faces.flip(-1)), dim=1)
            out[indices] = embedding.float().cpu().numpy()
            bar.update(len(indices))
    return out

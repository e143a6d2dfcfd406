"""The protocol every recogniser follows, and how a whole face set is embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.degradation import Degradation, downscale

if TYPE_CHECKING:
    from gdrd_lab.faces.faceset import FaceSet


@runtime_checkable
class Recogniser(Protocol):
    """Anything that turns aligned faces into comparable embeddings: a teacher, a student or your own network."""

    name: str
    embedding_size: int

    def embed(self, faces: Tensor) -> Tensor:
        """Embed faces (N, 3, H, W), RGB in [0, 1], at any resolution, as unit vectors (N, embedding_size)."""
        ...


def enlarge(faces: Tensor, size: int) -> Tensor:
    """Resize faces (N, 3, H, W) to (N, 3, size, size) by bicubic interpolation, kept in [0, 1]."""
    if faces.shape[-1] > size or faces.shape[-2:] == (size, size):
        return downscale(faces, size)
    return F.interpolate(faces, (size, size), mode="bicubic", align_corners=False).clamp(0, 1)


@torch.inference_mode()
def embed_all(
    recogniser: Recogniser,
    faceset: FaceSet,
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
        faceset: N aligned faces.
        degradation: applied to each face first, seeded by ``seed`` and the face's index; None leaves faces sharp.
        flip: average the embeddings of the face and its mirror image.
        batch_size: faces per forward pass; it does not change the result beyond rounding.
        progress: show a progress bar.
        seed: seed of the degradation.

    Returns:
        float32 (N, d), rows of unit length.
    """
    from tqdm.auto import tqdm

    from gdrd_lab.faces.faceset import batches

    device = next(iter(recogniser.parameters())).device if isinstance(recogniser, torch.nn.Module) else "cpu"
    out = np.zeros((len(faceset), recogniser.embedding_size), np.float32)
    bar = tqdm(total=len(faceset), desc=recogniser.name, unit="face", disable=not progress, leave=False)
    with bar:
        for indices, faces in batches(faceset, batch_size):
            if degradation is not None:
                faces = degradation(faces, seeds=[seed * 1_000_003 + int(i) for i in indices])
            faces = faces.to(device)
            embedding = recogniser.embed(faces)
            if flip:
                embedding = F.normalize(embedding + recogniser.embed(faces.flip(-1)), dim=1)
            out[indices] = embedding.float().cpu().numpy()
            bar.update(len(indices))
    return out

"""The discriminative teacher's embeddings of the sharp faces, computed once and kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from accelerate import PartialState
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm.auto import tqdm

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.faces.faceset import Subset, subset
from gdrd_lab.faces.shards import ShardFaces
from gdrd_lab.files import write_atomically
from gdrd_lab.machine import cache_folder
from gdrd_lab.teachers.recogniser import embed_all

if TYPE_CHECKING:
    from gdrd_lab.faces.faceset import FaceSet
    from gdrd_lab.teachers.recogniser import Recogniser


def teacher_embeddings(recogniser: Recogniser, faces: FaceSet, progress: bool = True) -> Tensor:
    """Return unit embeddings (len(faces), d) of the sharp faces, from the shards or cache that hold them already.

    The cache key is the recogniser's name, the face set's name and keys, and the pixels of 16 of its faces.
    """
    if (packed := _packed(recogniser, faces)) is not None:
        return packed
    digest = hashlib.sha256(f"{recogniser.name}/{recogniser.embedding_size}/{faces.name}/{faces.size}".encode())
    for key in faces.keys:
        digest.update(key.encode())
    for index in range(0, len(faces), max(1, len(faces) // 16)):
        digest.update(faces[index].tobytes())
    path = cache_folder() / "embeddings" / f"{digest.hexdigest()[:32]}.safetensors"
    found = None
    if path.exists():
        try:
            found = load_file(path)["embeddings"]
        except (SafetensorError, OSError, KeyError):
            tqdm.write(f"{path} is damaged and is made again.")
    if distributed.agree(found is not None) and found is not None:
        return found
    embeddings = _embed_together(recogniser, faces, progress)
    try:
        write_atomically(path, save({"embeddings": embeddings}))
    except GdrdError as error:
        tqdm.write(f"{error} The embeddings will be computed again next time.")
    return embeddings


def _packed(recogniser: Recogniser, faces: FaceSet) -> Tensor | None:
    """Embeddings that lie beside the faces' shards, also of a part of them."""
    if isinstance(faces, Subset):
        whole = _packed(recogniser, faces.faceset)
        return None if whole is None else whole[torch.from_numpy(faces.indices)]
    return faces.cached_embeddings(recogniser.name) if isinstance(faces, ShardFaces) else None


def _embed_together(recogniser: Recogniser, faces: FaceSet, progress: bool) -> Tensor:
    """Embed the faces, each process a contiguous share of them on its own device."""
    parts = distributed.processes()
    if isinstance(recogniser, torch.nn.Module):
        recogniser.to(PartialState().device)
    if parts == 1:
        return torch.from_numpy(embed_all(recogniser, faces, progress=progress))
    share = -(-len(faces) // parts)
    own = np.arange(len(faces))[distributed.rank() * share : (distributed.rank() + 1) * share]
    block = torch.zeros(share, recogniser.embedding_size)
    block[: len(own)] = torch.from_numpy(embed_all(recogniser, subset(faces, own), progress=progress))
    return distributed.gather(block.to(PartialState().device)).cpu()[: len(faces)]

"""The discriminative teacher's embeddings of the sharp faces, computed once and kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from accelerate import PartialState
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm.auto import tqdm

from gdrd_lab import distributed
from gdrd_lab.datasets.base import Subset, subset
from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.shards.reader import ShardFaces
from gdrd_lab.datasets.split import split_identities
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.io.paths import cache_folder

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.models.recogniser import Recogniser


def teacher_embeddings(recogniser: Recogniser, faces: FaceDataset, progress: bool = True) -> Tensor:
    """Return unit embeddings (len(faces), d) of the sharp faces, from the shards or cache that hold them already.

    The cache key is the recogniser's name, the face set's name and keys, and the pixels of 16 of its faces.
    """
    known = _known(recogniser, faces)
    if distributed.all_equal(known is not None) and known is not None:
        return known
    embeddings = _embed_together(recogniser, faces, progress)
    path = _path(recogniser, faces)
    try:
        write_atomically(path, save({"embeddings": embeddings}))
    except GdrdError as error:
        tqdm.write(f"{error} The embeddings will be computed again next time.")
    return embeddings


def remove_identity_leakage(
    faces: FaceDataset, others: FaceDataset, recogniser: Recogniser, threshold: float = 0.45, progress: bool = True
) -> FaceDataset:
    """Leave out the unlabelled faces that the recogniser finds alike some face of ``others``: likely the same people.

    A held-out identity is new to a network only if its unlabelled photographs are not trained on either. At a cosine of
    0.45 SFace takes 73 percent of CelebA's genuine pairs for one person, and most people have several photographs.

    Args:
        faces: to choose from; labelled ones all stay.
        others: held-out faces.
        recogniser: the discriminative teacher.
        threshold: cosine of the sharp faces' embeddings from which they are alike.
        progress: show progress bars.
    """
    unlabelled = np.flatnonzero(faces.labels < 0)
    if not len(unlabelled):
        return faces
    ours, theirs = (teacher_embeddings(recogniser, part, progress) for part in (faces, others))
    nearest = torch.cat([(part @ theirs.T).amax(1) for part in ours[torch.from_numpy(unlabelled)].split(4096)])
    alike = unlabelled[(nearest >= threshold).cpu().numpy()]
    return subset(faces, np.setdiff1d(np.arange(len(faces)), alike), faces.name)


def validation_split(
    faces: FaceDataset, fraction: float, recogniser: Recogniser, progress: bool = True
) -> tuple[FaceDataset, FaceDataset]:
    """Hold out ``fraction`` of the identities and their unlabelled likenesses: (what is left to train on, held out).

    The second is what ``split_identities`` holds out, so that models are scored on what they were not trained on.

    Args:
        faces: the whole set.
        fraction: share of the identities.
        recogniser: finds the likenesses (``remove_identity_leakage``); not used where all faces are labelled.
        progress: show progress bars.

    Raises:
        GdrdError: as ``split_identities``.
    """
    rest, held_out = split_identities(faces, fraction)
    if (faces.labels < 0).any():
        teacher_embeddings(recogniser, faces, progress)  # once, for both parts
    return remove_identity_leakage(rest, held_out, recogniser, progress=progress), held_out


def _known(recogniser: Recogniser, faces: FaceDataset) -> Tensor | None:
    """Embeddings that lie in the cache or beside the faces' shards, also those of a larger set these are a part of."""
    if isinstance(faces, ShardFaces) and (packed := faces.cached_embeddings(recogniser.name)) is not None:
        return packed
    if isinstance(faces, Subset) and (whole := _known(recogniser, faces.dataset)) is not None:
        return whole[torch.from_numpy(faces.indices)]
    path = _path(recogniser, faces)
    if path.exists():
        try:
            return load_file(path)["embeddings"]
        except (SafetensorError, OSError, KeyError):
            tqdm.write(f"{path} is damaged and is made again.")
    return None


def _path(recogniser: Recogniser, faces: FaceDataset) -> Path:
    digest = hashlib.sha256(f"{recogniser.name}/{recogniser.embedding_size}/{faces.name}/{faces.size}".encode())
    for key in faces.keys:
        digest.update(key.encode())
    for index in range(0, len(faces), max(1, len(faces) // 16)):
        digest.update(faces[index].tobytes())
    return cache_folder() / "embeddings" / f"{digest.hexdigest()[:32]}.safetensors"


def _embed_together(recogniser: Recogniser, faces: FaceDataset, progress: bool) -> Tensor:
    """Embed the faces, each process a contiguous share of them on its own device."""
    parts, options = distributed.world_size(), EmbedOptions(progress=progress)
    if isinstance(recogniser, torch.nn.Module):
        recogniser.to(PartialState().device)
    if parts == 1:
        return torch.from_numpy(embed_all(recogniser, faces, options=options))
    share = -(-len(faces) // parts)
    own = np.arange(len(faces))[distributed.rank() * share : (distributed.rank() + 1) * share]
    block = torch.zeros(share, recogniser.embedding_size)
    block[: len(own)] = torch.from_numpy(embed_all(recogniser, subset(faces, own), options=options))
    return distributed.gather(block.to(PartialState().device)).cpu()[: len(faces)]

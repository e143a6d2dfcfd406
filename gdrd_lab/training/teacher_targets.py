"""The discriminative teacher's embeddings of the faces at full resolution, computed once and kept."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from safetensors.torch import load_file, save
from torch import Tensor

from gdrd_lab import distributed
from gdrd_lab.datasets.base import FaceDataset, Subset, subset
from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.shards.reader import ShardFaces
from gdrd_lab.datasets.split import split_identities
from gdrd_lab.io.cache import keep, keyed, recall
from gdrd_lab.models.recogniser import Recogniser


def teacher_embeddings(recogniser: Recogniser, faces: FaceDataset, progress: bool = True) -> Tensor:
    """Return unit embeddings (len(faces), d) of the faces at full resolution, from their shards or the cache if kept.

    They are kept by all weights, pixels, labels and keys, if the recogniser has a fingerprint (``io.cache``).
    """
    known = _known(recogniser, faces)
    if distributed.all_equal(known is not None) and known is not None:
        return known
    embeddings = _embed_together(recogniser, faces, progress)
    key = keyed(recogniser, dataset_fingerprint(faces))
    if key is not None and distributed.rank() == 0:
        keep("embeddings", key, embeddings, _read, lambda file, rows: file.write(save({"embeddings": rows})))
    return embeddings


def remove_identity_leakage(
    faces: FaceDataset, others: FaceDataset, recogniser: Recogniser, threshold: float = 0.45, progress: bool = True
) -> FaceDataset:
    """Leave out the unlabelled faces that are similar to a face of ``others``: they likely show the same people.

    At a cosine of 0.45 SFace finds 73 percent of CelebA's genuine pairs, and most people have several photographs.
    """
    unlabelled = np.flatnonzero(faces.labels < 0)
    if not len(unlabelled):
        return faces
    ours, theirs = (teacher_embeddings(recogniser, part, progress) for part in (faces, others))
    nearest = torch.cat([(part @ theirs.T).amax(1) for part in ours[torch.from_numpy(unlabelled)].split(4096)])
    alike = unlabelled[(nearest >= threshold).cpu().numpy()]
    return subset(faces, np.setdiff1d(np.arange(len(faces)), alike), faces.name)


def validation_split(
    faces: FaceDataset, fraction: float, recogniser: Recogniser, progress: bool = True, records: Iterable[Any] = ()
) -> tuple[FaceDataset, FaceDataset]:
    """Return (faces to train on, held-out faces) of ``split_identities``, without unlabelled faces like the latter."""
    rest, held_out = split_identities(faces, fraction, records=records)
    if (faces.labels < 0).any():
        teacher_embeddings(recogniser, faces, progress)  # once, for both parts
    return remove_identity_leakage(rest, held_out, recogniser, progress=progress), held_out


def _known(recogniser: Recogniser, faces: FaceDataset) -> Tensor | None:
    """Return embeddings stored with shards or in the cache, of these faces or of the set that they are a part of."""
    if isinstance(faces, ShardFaces) and (packed := faces.cached_embeddings(keyed(recogniser))) is not None:
        return packed
    if type(faces) is Subset and (whole := _known(recogniser, faces.dataset)) is not None:
        return whole[torch.from_numpy(faces.indices)]
    key = keyed(recogniser, dataset_fingerprint(faces))
    return None if key is None else recall("embeddings", key, _read)


def _read(path: Path) -> Tensor:
    return load_file(path)["embeddings"]


def _embed_together(recogniser: Recogniser, faces: FaceDataset, progress: bool) -> Tensor:
    """Embed the faces; each process embeds a contiguous share on its own device."""
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

"""What a set of faces is, and how sets are cut, joined and read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from gdrd_lab.alignment.yunet import FaceSelection
from gdrd_lab.errors import GdrdError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ReadOptions:
    """How images become faces when a data set is opened.

    Args:
        align: "auto" aligns photographs and keeps faces that are aligned already; "always" runs the detector on every
            image; "never" takes every image as an aligned face.
        face_selection: the face to take from a photograph with several, see ``alignment.yunet.Aligner.align``.
        skip_unreadable: leave out images that cannot be used, with a warning that says how many.
        progress: show progress bars.
    """

    align: Literal["auto", "always", "never"] = "auto"
    face_selection: FaceSelection = None
    skip_unreadable: bool = False
    progress: bool = True


@runtime_checkable
class FaceDataset(Protocol):
    """N aligned faces: indexing gives one as uint8 (S, S, 3), RGB. Plain attributes serve as the properties."""

    @property
    def name(self) -> str:
        """What messages and tables call the set."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """The identity of each face counted from 0, or -1 where it is unknown: int64 (N,)."""
        ...

    @property
    def keys(self) -> Sequence[str]:
        """A stable name for each face."""
        ...

    @property
    def size(self) -> int:
        """The side S of the faces in pixels."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray: ...


class ArrayFaces:
    """A face set held in memory.

    Args:
        images: uint8 (N, S, S, 3), RGB.
        labels: (N,) identities, -1 where unknown; all unknown if None.
        keys: N names; the numbers from 0 if None.
        name: what messages and tables call the set.

    Raises:
        GdrdError: the shapes or types do not fit.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        keys: Sequence[str] | None = None,
        name: str = "faces",
    ) -> None:
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
            raise GdrdError(f"Faces must be uint8 (N, S, S, 3), not {images.dtype} {images.shape}", "Align them first")
        self.images, self.name, self.size = images, name, images.shape[1]
        self.labels = np.full(len(images), -1) if labels is None else np.asarray(labels, np.int64)
        self.keys = list(keys) if keys is not None else [str(index) for index in range(len(images))]
        if not len(images) == len(self.labels) == len(self.keys):
            raise GdrdError(
                f"{len(images)} faces came with {len(self.labels)} labels and {len(self.keys)} keys",
                "Give one of each per face",
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.images[index]


class Subset:
    """The faces of another set at some indices; labels stay as they are there."""

    def __init__(self, dataset: FaceDataset, indices: Sequence[int] | np.ndarray, name: str | None = None) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, np.int64)
        self.name, self.size = name or dataset.name, dataset.size
        self.labels = dataset.labels[self.indices]
        self.keys = [dataset.keys[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.dataset[int(self.indices[index])]


class Concatenation:
    """Several sets one after the other; see ``concatenate``."""

    def __init__(self, datasets: Sequence[FaceDataset]) -> None:
        self.datasets = list(datasets)
        self.name, self.size = " + ".join(faces.name for faces in datasets), datasets[0].size
        self.starts = np.cumsum([0] + [len(faces) for faces in datasets])
        labels, offset = [], 0
        for faces in datasets:
            labels.append(np.where(faces.labels >= 0, faces.labels + offset, -1))
            offset += int(faces.labels.max(initial=-1)) + 1
        self.labels = np.concatenate(labels)
        self.keys = [f"{faces.name}/{key}" for faces in datasets for key in faces.keys]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> np.ndarray:
        index = range(len(self))[index]
        part = int(np.searchsorted(self.starts, index, "right")) - 1
        return self.datasets[part][index - int(self.starts[part])]


def subset(dataset: FaceDataset, indices: Sequence[int] | np.ndarray, name: str | None = None) -> FaceDataset:
    """Return the faces at ``indices`` as a face set; their labels stay as they are.

    Raises:
        GdrdError: an index points outside the set.
    """
    chosen = np.asarray(indices, np.int64)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= len(dataset)):
        raise GdrdError(f"{dataset.name} has no face {int(chosen.max())}", f"Give indices from 0 to {len(dataset) - 1}")
    return Subset(dataset, chosen, name)


def random_subset(dataset: FaceDataset, count: int, seed: int = 0) -> FaceDataset:
    """Return ``count`` faces drawn without repetition, in their order; all of them if there are no more."""
    if len(dataset) <= count:
        return dataset
    return subset(dataset, np.sort(np.random.default_rng(seed).permutation(len(dataset))[:count]))


def identities_with(dataset: FaceDataset, least: int) -> FaceDataset:
    """Return the faces of identities that have at least ``least`` of them.

    Raises:
        GdrdError: there are none.
    """
    labels = np.asarray(dataset.labels)
    identities, counts = np.unique(labels[labels >= 0], return_counts=True)
    chosen = np.flatnonzero(np.isin(labels, identities[counts >= least]))
    if not len(chosen):
        raise GdrdError(f"No identity of {dataset.name} has {least} faces", "Ask for fewer")
    return subset(dataset, chosen, name=f"{dataset.name}, identities with {least} faces or more")


def concatenate(*datasets: FaceDataset) -> FaceDataset:
    """Join face sets. Each set's identities get numbers after those before; -1 stays; keys get the set's name in front.

    Raises:
        GdrdError: there is no set, or their faces differ in size.
    """
    sizes = sorted({faces.size for faces in datasets})
    if len(sizes) != 1:
        raise GdrdError(f"Face sets of sizes {sizes} cannot be joined", "Join sets whose faces have one size")
    return Concatenation(datasets)


def to_tensor(images: Sequence[np.ndarray] | np.ndarray) -> Tensor:
    """Turn N faces, uint8 (S, S, 3), into a float32 tensor (N, 3, S, S) in [0, 1]."""
    import torch

    return torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2).float().div_(255).contiguous()


def to_images(faces: Tensor) -> np.ndarray:
    """Turn a tensor (N, 3, H, W) in [0, 1] into N images, uint8 (N, H, W, 3)."""
    return (faces * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def batches(
    dataset: FaceDataset, batch_size: int, indices: Sequence[int] | np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Yield the faces in order, as (indices (B,), float32 tensor (B, 3, S, S) in [0, 1]); the last may be smaller.

    Args:
        dataset: the faces.
        batch_size: B.
        indices: only these faces, in this order; all if None.
    """
    order = np.arange(len(dataset)) if indices is None else np.asarray(indices, np.int64)
    for begin in range(0, len(order), batch_size):
        chosen = order[begin : begin + batch_size]
        yield chosen, to_tensor([dataset[int(index)] for index in chosen])


def split_identities(dataset: FaceDataset, fraction: float, seed: int = 0) -> tuple[FaceDataset, FaceDataset]:
    """Hold out ``fraction`` of the identities: (the rest, held out), with no identity in both.

    Faces of unknown identity stay with the rest, where they can still teach but judge nothing; they may show people who
    are held out (``training.targets.remove_identity_leakage`` leaves those away).

    Raises:
        GdrdError: a part would have no identity.
    """
    identities = np.unique(dataset.labels[dataset.labels >= 0])
    count = round(fraction * len(identities))
    if not 0 < count < len(identities):
        raise GdrdError(
            f"A fraction of {fraction} of the {len(identities)} identities of {dataset.name} leaves a part empty",
            "Give a fraction between 0 and 1 and a set with enough identities",
        )
    held = np.random.default_rng(seed).choice(identities, count, replace=False)
    out = np.isin(dataset.labels, held)
    return (
        subset(dataset, np.flatnonzero(~out), f"{dataset.name} (training part)"),
        subset(dataset, np.flatnonzero(out), f"{dataset.name} (held out)"),
    )


def require_pairs(dataset: FaceDataset) -> None:
    """Raise GdrdError unless some identity has two faces and there are two identities, which verification needs."""
    identities, counts = np.unique(dataset.labels[dataset.labels >= 0], return_counts=True)
    if len(identities) < 2 or counts.max(initial=0) < 2:
        raise GdrdError(
            f"{dataset.name} has {len(identities)} identities, and the most faces of one is {counts.max(initial=0)}",
            "Add a second image of an identity, and a second identity, each in a folder of its own",
        )

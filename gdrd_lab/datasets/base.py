"""What a set of faces is, and how sets are cut, joined and read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gdrd_lab.alignment.yunet import Align, FaceSelection
from gdrd_lab.datasets.labels import NumberedKeys, as_labels
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ReadOptions:
    """How images become faces when a data set is opened.

    Args:
        align: "auto" aligns photographs and takes images of at most 112 pixels, and those that this project aligned, as
            aligned faces; "always" aligns every image; "never" takes every image as an aligned face.
        face_selection: the face to take from a photograph with several, see ``alignment.yunet.Aligner.align``.
        skip_unreadable: leave out images that cannot be used, with a warning that says how many.
        progress: show progress bars.

    Example:
        >>> ReadOptions(face_selection="largest", skip_unreadable=True).align
        'auto'
    """

    align: Align = "auto"
    face_selection: FaceSelection = None
    skip_unreadable: bool = False
    progress: bool = True


class FaceDataset:
    """N aligned faces: indexing gives one as uint8 (S, S, 3), RGB.

    Sets derive from this class and give ``__getitem__``. Your own set need not derive from it: every function takes an
    object with ``name``, ``size``, ``labels``, ``keys``, ``__len__`` and ``__getitem__``.

    Args:
        name: what messages and tables call the set.
        size: side S of the faces in pixels; of the largest where they differ.
        labels: N identities as numbers or names, unknown where ``labels.identity_name`` says so; None: all unknown.
        keys: N stable names of the faces; the numbers from 0 if None.
        identities: name of each identity number; read from ``labels`` if None.

    Attributes:
        labels: the number of each face's identity, or -1 where it is unknown: int64 (N,).
        identities: the name of each identity number. Numbers without a face here may occur in it.
        left_out: (key, reason) of each face that the source has and the set leaves out.
        notes: what else a user should know about the set, a sentence each.
        pairs: the pairs that the set's own protocol verifies, or None.
        mixed: whether the faces differ in size.

    Example:
        >>> class Grey(FaceDataset):
        ...     def __getitem__(self, index):
        ...         return np.full((self.size, self.size, 3), 128, np.uint8)
        >>> faces = Grey("grey", 16, ["Ada", "Ada", "unknown"])
        >>> len(faces), faces.labels.tolist()
        (3, [0, 0, -1])
    """

    mixed: bool = False

    def __init__(
        self,
        name: str,
        size: int,
        labels: Any,
        keys: Sequence[str] | None = None,
        identities: Sequence[str] | None = None,
    ) -> None:
        self.name, self.size = name, size
        self.labels, found = as_labels(labels)
        self.identities: Sequence[str] = found if identities is None else identities
        self.keys: Sequence[str] = NumberedKeys(len(self.labels)) if keys is None else keys
        self.left_out: Sequence[tuple[str, str]] = ()
        self.notes: Sequence[str] = ()
        self.pairs: Pairs | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> np.ndarray:
        raise NotImplementedError


class ArrayFaces(FaceDataset):
    """A face set held in memory.

    Args:
        images: uint8 (N, S, S, 3), RGB.
        labels, keys, name: see ``FaceDataset``; labels are unknown if None.

    Raises:
        GdrdError: the shapes or types do not fit.

    Example:
        >>> faces = ArrayFaces(np.zeros((3, 16, 16, 3), np.uint8), ["ann", "bob", "unknown"])
        >>> faces.labels.tolist(), list(faces.identities), faces[0].shape
        ([0, 1, -1], ['ann', 'bob'], (16, 16, 3))
    """

    def __init__(
        self, images: np.ndarray, labels: Any = None, keys: Sequence[str] | None = None, name: str = "faces"
    ) -> None:
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != 3 or images.shape[1] != images.shape[2]:
            raise GdrdError(f"Faces must be uint8 (N, S, S, 3), not {images.dtype} {images.shape}", "Align them first")
        super().__init__(name, images.shape[1], np.full(len(images), -1) if labels is None else labels, keys)
        self.images = images
        if not len(images) == len(self.labels) == len(self.keys):
            what = f"{len(images)} faces came with {len(self.labels)} labels and {len(self.keys)} keys"
            raise GdrdError(what, "Give one of each per face")

    def __getitem__(self, index: int) -> np.ndarray:
        return self.images[index]


class Subset(FaceDataset):
    """The faces of another set at some indices; labels and the names of identities stay as they are there."""

    def __init__(self, dataset: FaceDataset, indices: Sequence[int] | np.ndarray, name: str | None = None) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, np.int64)
        labels, keys = dataset.labels[self.indices], [dataset.keys[index] for index in self.indices]
        super().__init__(name or dataset.name, dataset.size, labels, keys, identities_of(dataset))
        self.mixed = getattr(dataset, "mixed", False)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.dataset[int(self.indices[index])]


class Uniform(Subset):
    """The faces of another set, each resized to the size of the largest by bicubic interpolation."""

    def __init__(self, dataset: FaceDataset) -> None:
        super().__init__(dataset, np.arange(len(dataset)))
        self.left_out, self.notes, self.mixed = dataset.left_out, dataset.notes, False

    def __getitem__(self, index: int) -> np.ndarray:
        return resized(self.dataset[index], self.size)


def resized(face: np.ndarray, size: int) -> np.ndarray:
    """Return a face, uint8 (S, S, 3), in ``size`` pixels by bicubic interpolation."""
    return face if len(face) == size else np.array(Image.fromarray(face).resize((size, size), Image.Resampling.BICUBIC))


class Concatenation(FaceDataset):
    """Several sets one after the other; see ``concatenate``."""

    def __init__(self, datasets: Sequence[FaceDataset]) -> None:
        self.datasets = list(datasets)
        self.starts = np.cumsum([0] + [len(faces) for faces in datasets])
        labels: list[np.ndarray] = []
        names: list[str] = []
        for faces in datasets:
            labels.append(np.where(faces.labels >= 0, faces.labels + len(names), -1))
            names += list(identities_of(faces))[: int(faces.labels.max(initial=-1)) + 1]
        keys = [f"{faces.name}/{key}" for faces in datasets for key in faces.keys]
        name = " + ".join(faces.name for faces in datasets)
        super().__init__(name, datasets[0].size, np.concatenate(labels), keys, names)
        self.mixed = any(getattr(faces, "mixed", False) for faces in datasets)
        self.left_out = [(f"{s.name}/{key}", reason) for s in datasets for key, reason in getattr(s, "left_out", ())]
        self.notes = [f"{s.name}: {note}" for s in datasets for note in getattr(s, "notes", ())]

    def __getitem__(self, index: int) -> np.ndarray:
        index = range(len(self))[index]
        part = int(np.searchsorted(self.starts, index, "right")) - 1
        return self.datasets[part][index - int(self.starts[part])]


def identities_of(dataset: FaceDataset) -> Sequence[str]:
    """Return the name of each identity number; the numbers themselves where a set does not have ``identities``."""
    names: Sequence[str] | None = getattr(dataset, "identities", None)
    return NumberedKeys(int(np.asarray(dataset.labels).max(initial=-1)) + 1) if names is None else names


def subset(dataset: FaceDataset, indices: Sequence[int] | np.ndarray, name: str | None = None) -> FaceDataset:
    """Return the faces at ``indices`` as a face set; their labels stay as they are."""
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
    """Return the faces of identities that have at least ``least`` of them."""
    labels = np.asarray(dataset.labels)
    identities, counts = np.unique(labels[labels >= 0], return_counts=True)
    chosen = np.flatnonzero(np.isin(labels, identities[counts >= least]))
    if not len(chosen):
        raise GdrdError(f"No identity of {dataset.name} has {least} faces", "Ask for fewer")
    return subset(dataset, chosen, name=f"{dataset.name}, identities with {least} faces or more")


def concatenate(*datasets: FaceDataset) -> FaceDataset:
    """Join face sets; each set's identities get numbers after those before, and keys get the set's name in front."""
    sizes = sorted({faces.size for faces in datasets})
    if len(sizes) != 1:
        raise GdrdError(f"Face sets of sizes {sizes} cannot be joined", "Join sets whose faces have one size")
    return Concatenation(datasets)


def stack(images: Sequence[np.ndarray] | np.ndarray) -> Tensor:
    """Stack N faces of one size, uint8 (S, S, 3), in a tensor (N, S, S, 3)."""
    import torch

    if len(sizes := sorted({len(image) for image in images})) > 1:
        raise GdrdError(f"Faces of {sizes} pixels cannot be in one batch", "Use datasets.base.batches or Uniform")
    return torch.from_numpy(np.stack(list(images)))


def to_tensor(images: Sequence[np.ndarray] | np.ndarray | Tensor) -> Tensor:
    """Turn N faces, uint8 (S, S, 3), stacked or not, into a float32 tensor (N, 3, S, S) in [0, 1].

    Raises:
        GdrdError: the faces differ in size.

    Example:
        >>> to_tensor([np.full((8, 8, 3), 255, np.uint8)]).mean()
        tensor(1.)
    """
    from torch import Tensor

    stacked = images if isinstance(images, Tensor) else stack(images)
    return stacked.permute(0, 3, 1, 2).float().div_(255).contiguous()


def to_images(faces: Tensor) -> np.ndarray:
    """Turn a tensor (N, 3, H, W) in [0, 1] into N images, uint8 (N, H, W, 3).

    Example:
        >>> import torch
        >>> to_images(torch.ones(1, 3, 8, 8))[0, 0, 0].tolist()
        [255, 255, 255]
    """
    return (faces * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def batches(
    dataset: FaceDataset, batch_size: int, indices: Sequence[int] | np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Yield faces as (indices (B,), float32 tensor (B, 3, S, S) in [0, 1]), in the order of ``indices``; all if None.

    The last batch may be smaller. If the faces differ in size, each batch is split by size.
    """
    order = np.arange(len(dataset)) if indices is None else np.asarray(indices, np.int64)
    for begin in range(0, len(order), batch_size):
        chosen = order[begin : begin + batch_size]
        faces = [dataset[int(index)] for index in chosen]
        sizes = np.array([len(face) for face in faces])
        for size in dict.fromkeys(sizes.tolist()):
            yield chosen[sizes == size], to_tensor([face for face in faces if len(face) == size])


def require_pairs(dataset: FaceDataset) -> None:
    """Raise GdrdError unless some identity has two faces and there are two identities, which verification needs."""
    identities, counts = np.unique(dataset.labels[dataset.labels >= 0], return_counts=True)
    if len(identities) < 2 or counts.max(initial=0) < 2:
        what = f"{dataset.name} has {len(identities)} identities, and the most faces of one is {counts.max(initial=0)}"
        raise GdrdError(what, "Add a second image of an identity, and a second identity, each in a folder of its own")

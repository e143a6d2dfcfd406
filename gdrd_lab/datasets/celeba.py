"""CelebA in its official layout. For non-commercial research only.

Source: Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import align_many, crop
from gdrd_lab.datasets.aligned_cache.cache import aligned_copy
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

Partition = Literal["train", "valid", "test"]
PARTITIONS: tuple[Partition, ...] = ("train", "valid", "test")

IDENTITIES, LANDMARKS, SPLIT = "identity_CelebA.txt", "list_landmarks_align_celeba.txt", "list_eval_partition.txt"
WHERE = f"Name the folder that holds img_align_celeba/ and {IDENTITIES}, in it or one folder further down"


class LandmarkedFaces(FaceDataset):
    """Images with known landmarks, cut out when they are asked for.

    Args:
        files: N paths.
        landmarks: (N, 5, 2) pixels, in the order of ``Detection.landmarks``.
        keys: N names.
        labels: (N,) identities, -1 where unknown.
        name: what messages and tables call the set.
    """

    def __init__(
        self,
        files: Sequence[Path],
        landmarks: np.ndarray,
        keys: Sequence[str],
        labels: np.ndarray,
        name: str,
        identities: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, TEMPLATE_SIZE, labels, keys, identities)
        self.files, self.landmarks = files, landmarks

    def __getitem__(self, index: int) -> np.ndarray:
        return crop(read_image(self.files[index]), self.landmarks[index])


def celeba(
    path: Path | str, partition: Partition | None = None, *, skip_unreadable: bool = False, progress: bool = True
) -> FaceDataset:
    """Open CelebA with its identities: 202,599 aligned images of 10,177 people.

    With list_landmarks_align_celeba.txt beside the images each face is cut out when it is asked for; without it YuNet
    aligns all of them once, into one file in the cache folder. Images without an identity in the list are left out, as
    are identities without images here, so that a part of CelebA serves as well.

    Args:
        path: folder that holds img_align_celeba/ and identity_CelebA.txt.
        partition: only this official part (needs list_eval_partition.txt); all if None. Parts share no identity.
        skip_unreadable: leave out images that cannot be used, with a warning, where YuNet aligns.
        progress: show a progress bar.

    Raises:
        GdrdError: a file is missing or damaged, or no image is left.
    """
    root = Path(path)
    images, lists = _images(root), _list(root, IDENTITIES)
    if images is None or lists is None:
        raise GdrdError(f"{root} is not a folder of CelebA", WHERE)
    identity = {name: numbers[0] for name, numbers in _read(lists, 1).items()}
    there = {file.name for file in images.iterdir()}
    names = sorted(name for name in identity if name in there)
    if partition is not None:
        split = _list(root, SPLIT)
        if split is None or partition not in PARTITIONS:
            raise GdrdError(
                f"There is no part {partition!r} of CelebA in {root}",
                f"Choose train, valid or test, with {SPLIT} in that folder",
            )
        parts = _read(split, 1)
        names = [name for name in names if parts.get(name) == [PARTITIONS.index(partition)]]
    if not names:
        raise GdrdError(f"{images} has no images that {lists} names", WHERE)
    labels = np.unique([identity[name] for name in names], return_inverse=True)[1].astype(np.int64)
    files, keys = [images / name for name in names], [Path(name).stem for name in names]
    title = "CelebA" if partition is None else f"CelebA {partition}"
    found = _list(root, LANDMARKS)
    if found is not None:
        points = _read(found, 10)
        if all(name in points for name in names):
            landmarks = np.array([points[name] for name in names], np.float32).reshape(-1, 5, 2)
            return LandmarkedFaces(files, landmarks, keys, labels, title)
    align = partial(align_many, face_selection="central", progress=progress)
    return aligned_copy(files, keys, labels, title, align, "celeba", skip_unreadable=skip_unreadable)


def is_celeba(path: Path) -> bool:
    """Whether a folder is CelebA's in its official layout."""
    return _images(path) is not None and _list(path, IDENTITIES) is not None


def _images(root: Path) -> Path | None:
    places = (root / "img_align_celeba", root / "Img" / "img_align_celeba")
    folder = next((place for place in places if place.is_dir()), None)
    # Some archives hold the folder a second time inside itself.
    return folder / folder.name if folder is not None and (folder / folder.name).is_dir() else folder


def _list(root: Path, name: str) -> Path | None:
    return next((file for file in (root / name, root / "Anno" / name, root / "Eval" / name) if file.is_file()), None)


def _read(file: Path, columns: int) -> dict[str, list[int]]:
    """Read lines "name number ..." with so many numbers; a count and a line of headings may come first."""
    found: dict[str, list[int]] = {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise GdrdError(f"{file} cannot be read as text", "Get it again from the CelebA site") from error
    for place, line in enumerate(lines):
        words = line.split()
        if not words or (place < 2 and not words[0].lower().endswith((".jpg", ".png"))):
            continue
        try:
            name, *numbers = words[0], *(int(word) for word in words[1:])
        except ValueError:
            numbers = []
        if len(numbers) != columns:
            raise GdrdError(f"Line {place + 1} of {file} is damaged: {line[:60]}", "Get it again from the CelebA site")
        found[name] = numbers
    return found

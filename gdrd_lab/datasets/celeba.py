"""CelebA (Liu et al., ICCV 2015) in its official layout. For non-commercial research only."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import crop, is_crop
from gdrd_lab.datasets.base import FaceDataset, ReadOptions
from gdrd_lab.datasets.fingerprint import file_digests
from gdrd_lab.datasets.folder import ImageFiles
from gdrd_lab.datasets.labels import number_identities
from gdrd_lab.datasets.listing import Listing, read_text
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

PARTITIONS = ("train", "valid", "test")
IDENTITIES, LANDMARKS, SPLIT = "identity_CelebA.txt", "list_landmarks_align_celeba.txt", "list_eval_partition.txt"
AGAIN = "Get it again from the CelebA site"
WHERE = f"Name the folder that holds img_align_celeba/ and {IDENTITIES}, in it or in Anno/"


class LandmarkedFaces(FaceDataset):
    """N images with known landmarks (N, 5, 2), as in ``Detection``; each face is cut out when it is asked for."""

    def __init__(self, listing: Listing, name: str, landmarks: np.ndarray) -> None:
        super().__init__(name, TEMPLATE_SIZE, listing.labels, listing.keys, listing.identities)
        self.files, self.landmarks = listing.files, landmarks

    def __getitem__(self, index: int) -> np.ndarray:
        return crop(read_image(self.files[index]), self.landmarks[index])

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face's file and landmarks."""
        return file_digests(self.files, self.landmarks)


def celeba(path: Path | str, partition: str | None = None, *, options: ReadOptions = ReadOptions()) -> FaceDataset:
    """Open CelebA with its identities: 202,599 aligned images of 10,177 people, or one official part of it.

    If list_landmarks_align_celeba.txt is there, each face is cut out when it is asked for; otherwise YuNet aligns all
    of them once. Images without an identity, and identities without images, are left out: a part of CelebA can be used.
    """
    root = Path(path)
    images, lists = _images(root), _list(root, IDENTITIES)
    if images is None or lists is None:
        raise GdrdError(f"{root} is not a folder of CelebA", WHERE)
    identity = {name: numbers[0] for name, numbers in _read(lists, 1).items()}
    there = {file.stem: file for file in images.iterdir() if not file.name.startswith(".")}
    names = sorted(name for name in identity if Path(name).stem in there)
    if partition is not None:
        split = _list(root, SPLIT)
        if split is None or partition not in PARTITIONS:
            do = f"Choose train, valid or test, with {SPLIT} in that folder"
            raise GdrdError(f"There is no part {partition!r} of CelebA in {root}", do)
        parts = _read(split, 1)
        names = [name for name in names if parts.get(name) == [PARTITIONS.index(partition)]]
    if not names:
        raise GdrdError(f"{images} has no images that {lists} names", WHERE)
    keys = [Path(name).stem for name in names]
    listing = Listing([there[key] for key in keys], keys, *number_identities(identity[name] for name in names))
    title = "CelebA" if partition is None else f"CelebA {partition}"
    options = replace(options, face_selection=options.face_selection or "central")
    landmarks = None if options.align == "never" else _landmarks(root, names, listing.files[0])
    faces = ImageFiles(listing, title, options) if landmarks is None else LandmarkedFaces(listing, title, landmarks)
    unnamed = sorted(set(there) - {Path(name).stem for name in identity})
    faces.left_out = [*faces.left_out, *((key, f"{IDENTITIES} does not name it") for key in unnamed)]
    return faces


def _landmarks(root: Path, names: Sequence[str], first: Path) -> np.ndarray | None:
    """Return the listed landmarks (N, 5, 2); None if there are none, or if the images are faces already."""
    found = _list(root, LANDMARKS)
    points = {} if found is None or is_crop(*read_image(first).shape[:2]) else _read(found, 10)
    if any(name not in points for name in names):
        return None
    return np.array([points[name] for name in names], np.float32).reshape(-1, 5, 2)


def is_celeba(path: Path) -> bool:
    """Whether a folder is CelebA's in its official layout."""
    return _images(path) is not None and _list(path, IDENTITIES) is not None


def _images(root: Path) -> Path | None:
    places = (root / "img_align_celeba", root / "Img" / "img_align_celeba")
    folder = next((place for place in places if place.is_dir()), None)
    # In some archives the folder lies inside a folder of the same name.
    return folder / folder.name if folder is not None and (folder / folder.name).is_dir() else folder


def _list(root: Path, name: str) -> Path | None:
    return next((file for file in (root / name, root / "Anno" / name, root / "Eval" / name) if file.is_file()), None)


def _read(file: Path, columns: int) -> dict[str, list[int]]:
    """Read lines "name number ..." with ``columns`` numbers; a count and a line of headings may come first."""
    found: dict[str, list[int]] = {}
    try:
        lines = read_text(file).splitlines()
    except (OSError, ValueError) as error:
        raise GdrdError(f"{file} cannot be read as text", AGAIN) from error
    for place, line in enumerate(lines):
        words = line.split()
        if not words or (place < 2 and not words[0].lower().endswith((".jpg", ".png"))):
            continue
        try:
            name, *numbers = words[0], *(int(word) for word in words[1:])
        except ValueError:
            numbers = []
        if len(numbers) != columns:
            raise GdrdError(f"Line {place + 1} of {file} is damaged: {line[:60]}", AGAIN)
        found[name] = numbers
    return found

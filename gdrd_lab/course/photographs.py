"""The photographs of lesson 7: a reader's folder, or examples that show people who do not exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gdrd_lab.datasets.base import FaceDataset, ReadOptions, identities_with
from gdrd_lab.datasets.folder import FolderFaces, align_folder
from gdrd_lab.datasets.listing import list_images
from gdrd_lab.datasets.split import split_identities
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.io.images import read_image

FEWEST_TO_SPLIT = 4  # people: two to learn from and two to evaluate on


@dataclass(frozen=True)
class Photographs:
    """Photographs and the faces found in them."""

    files: Sequence[Path]  # of the N photographs that show a face
    faces: FaceDataset  # the N aligned faces; photographs in one folder show one person
    left_out: Sequence[tuple[str, str]]  # (name, reason) of each photograph without a usable face
    examples: bool = False  # whether these are the example photographs

    def photograph(self, index: int) -> np.ndarray:
        """Return a whole photograph, uint8 (H, W, 3)."""
        return read_image(self.files[index])


def read_photographs(folder: Path | str | None, work: Path) -> Photographs:
    """Align the largest face of each photograph in a folder per person; without any, as for None, use the examples."""
    if folder is None:
        write_photographs(work / "photographs")
    source, out = (work / "photographs", work / "examples") if folder is None else (Path(folder), work / "aligned")
    count, left_out = align_folder(source, out, ReadOptions("always", "largest", progress=False))
    for name, reason in left_out:
        print(f"Left out: {name}. {reason}.")
    if not count:
        print(f"No photograph in {source} shows a face that was found. The lesson continues with example photographs.")
        return read_photographs(None, work)
    found, faces = list_images(source), FolderFaces(out)
    paths = dict(zip(found.keys, found.files, strict=True))
    return Photographs([paths[key] for key in faces.keys], faces, left_out, folder is None)


def with_pairs(own: Photographs, work: Path, people: int = 2) -> FaceDataset:
    """Return the faces of people with two of them; if they are too few, print so and return the example faces."""
    labels = own.faces.labels
    found = int((np.bincount(labels[labels >= 0]) >= 2).sum())
    if found >= people:
        return identities_with(own.faces, 2)
    print(
        f"This step needs {people} people with two photographs each, in one folder per person; {found} were found. "
        "It runs on the example photographs instead."
    )
    return read_photographs(None, work).faces


def split_people(own: Photographs, work: Path, fraction: float = 0.4, seed: int = 0) -> tuple[FaceDataset, FaceDataset]:
    """Split by person into (faces to learn from, faces to evaluate on); see ``with_pairs`` for too few people."""
    return split_identities(with_pairs(own, work, FEWEST_TO_SPLIT), fraction, seed)


def write_photographs(folder: Path, people: int = 24, per_person: int = 3, seed: int = 3) -> int:
    """Write a folder of JPEG photographs (240 x 320 px) for each of several made-up people; return their number.

    Each face is turned by up to 12 degrees and lies at its own place and scale on a blurred background.
    """
    random = np.random.default_rng(seed)
    faces = synthetic_faces(people, per_person, size=112, seed=seed)
    for index in range(len(faces)):
        turn, zoom = random.uniform(-12, 12), random.uniform(0.9, 1.4)
        place = random.uniform([100, 110], [140, 150])
        matrix = cv2.getRotationMatrix2D((56, 56), float(turn), float(zoom))
        matrix[:, 2] = matrix[:, 2] + place - 56
        picture = cv2.warpAffine(faces[index], matrix, (240, 320), borderMode=cv2.BORDER_REPLICATE)
        inside = cv2.warpAffine(np.full((112, 112), 255, np.uint8), matrix, (240, 320))
        weight = cv2.GaussianBlur(cv2.erode(inside, np.ones((9, 9), np.uint8)), (0, 0), 5)[..., None] / 255.0
        blurred = cv2.GaussianBlur(picture, (0, 0), 12)
        mixed = (weight * picture + (1 - weight) * blurred).round().astype(np.uint8)
        content = cv2.imencode(".jpg", cv2.cvtColor(mixed, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        person = chr(ord("A") + faces.labels[index] % 26) * (1 + int(faces.labels[index]) // 26)
        write_atomically(folder / f"person {person}" / f"{index % per_person}.jpg", content.tobytes())
    return len(faces)

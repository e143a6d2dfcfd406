"""The fingerprint of a face set: every pixel, label, key and the order count, however the set is held."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import noise_face, save

from gdrd_lab.datasets.base import ArrayFaces, FaceDataset, Uniform, concatenate, subset
from gdrd_lab.datasets.fingerprint import dataset_fingerprint, face_digests

IMAGES = np.stack([noise_face(seed) for seed in range(4)])
LABELS = np.array([0, 0, 1, 1])
KEYS = ["a", "b", "c", "d"]


def other(change: Callable[[np.ndarray, np.ndarray, list[str]], object]) -> ArrayFaces:
    images, labels, keys = IMAGES.copy(), LABELS.copy(), list(KEYS)
    change(images, labels, keys)
    return ArrayFaces(images, labels, keys)


def swap(images: np.ndarray) -> None:
    images[[1, 2]] = images[[2, 1]]


def test_every_change_changes_it() -> None:
    sets: list[FaceDataset] = [
        other(lambda images, labels, keys: None),
        other(lambda images, labels, keys: swap(images)),
        other(lambda images, labels, keys: images[3].__setitem__((111, 111, 2), images[3, 111, 111, 2] ^ 1)),
        other(lambda images, labels, keys: labels.__setitem__(1, 1)),
        other(lambda images, labels, keys: labels.__setitem__(1, -1)),
        other(lambda images, labels, keys: keys.__setitem__(0, "e")),
        subset(ArrayFaces(IMAGES, LABELS, KEYS), [0, 1, 2]),
        subset(ArrayFaces(IMAGES, LABELS, KEYS), [0, 1, 3, 2]),
        concatenate(ArrayFaces(IMAGES, LABELS, KEYS), ArrayFaces(IMAGES, LABELS, KEYS)),
        ArrayFaces(IMAGES[:, ::2, ::2], LABELS, KEYS),
        ArrayFaces(IMAGES, ["ann", "ann", "bob", "bob"], KEYS),
        ArrayFaces(IMAGES, ["ann", "ann", "cy", "cy"], KEYS),
        Uniform(ArrayFaces(IMAGES, LABELS, KEYS)),
    ]
    assert len({dataset_fingerprint(faces) for faces in sets}) == len(sets)


def test_the_same_content_has_the_same_fingerprint() -> None:
    faces = ArrayFaces(IMAGES, LABELS, KEYS, name="one")
    assert dataset_fingerprint(faces) == dataset_fingerprint(ArrayFaces(IMAGES.copy(), LABELS, KEYS, name="two"))
    halves = [subset(faces, rows) for rows in ([0, 1], [2, 3])]
    assert np.array_equal(face_digests(concatenate(*halves)), face_digests(faces))


def test_a_set_in_memory_that_is_changed_in_place_is_another() -> None:
    faces = other(lambda images, labels, keys: None)
    before = dataset_fingerprint(faces)
    swap(faces.images)
    assert dataset_fingerprint(faces) != before


def test_files_that_change_places_are_another_set(tmp_path: Path) -> None:
    from gdrd_lab.datasets.folder import FolderFaces

    files = [save(tmp_path / f"person{n // 2}" / f"{n}.png", IMAGES[n]) for n in range(4)]
    faces = FolderFaces(tmp_path)
    before = dataset_fingerprint(faces)
    assert dataset_fingerprint(FolderFaces(tmp_path)) == before
    contents = [file.read_bytes() for file in files]
    files[1].write_bytes(contents[2])
    files[2].write_bytes(contents[1])
    assert dataset_fingerprint(faces) != before and dataset_fingerprint(FolderFaces(tmp_path)) != before


@pytest.mark.parametrize("count", [0, 1])
def test_tiny_sets(count: int) -> None:
    assert face_digests(ArrayFaces(IMAGES[:count])).shape == (count, 16)
    assert len(dataset_fingerprint(ArrayFaces(IMAGES[:count]))) == 32

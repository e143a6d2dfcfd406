"""Identity names: what is unknown is never a person, and numbers follow the names."""

from typing import Any

import numpy as np
import pytest

from gdrd_lab.datasets.base import ArrayFaces, FaceDataset, concatenate, identities_of, subset
from gdrd_lab.datasets.labels import NumberedKeys, identity_name, number_identities
from gdrd_lab.datasets.registry import report


@pytest.mark.parametrize(
    "value",
    [None, "", "  ", "-1", "-1.0", -1, -2, -1.0, float("nan"), np.nan, "NaN", "None", "null", "Unknown", "N/A", b"-1"],
)
def test_a_value_that_means_unknown_is_nobody(value: Any) -> None:
    assert identity_name(value) is None
    labels, names = number_identities([value, "ann", value])
    assert labels.tolist() == [-1, 0, -1] and names == ["ann"]


@pytest.mark.parametrize(
    ("value", "name"),
    [(0, "0"), (7.0, "7"), ("7.0", "7"), (" ann ", "ann"), (b"bob", "bob"), ("Nan Goldin", "Nan Goldin")],
)
def test_every_other_value_is_a_name(value: Any, name: str) -> None:
    assert identity_name(value) == name


def test_numbers_are_sorted_as_numbers_unless_told_otherwise() -> None:
    values = ["10", "b", "9", "a"]
    assert number_identities(values)[1] == ["9", "10", "a", "b"]
    labels, names = number_identities(values, numeric=False)
    assert names == ["10", "9", "a", "b"] and [names[label] for label in labels] == values


def test_faces_take_names_and_numbers_as_labels() -> None:
    images = np.zeros((4, 8, 8, 3), np.uint8)
    named = ArrayFaces(images, ["bob", None, "ann", "nan"])
    assert named.labels.tolist() == [1, -1, 0, -1] and list(named.identities) == ["ann", "bob"]
    numbered = ArrayFaces(images, np.array([2.0, np.nan, 0.0, -1.0]))
    assert numbered.labels.tolist() == [1, -1, 0, -1] and list(numbered.identities) == ["0", "2"]
    whole = ArrayFaces(images, np.array([5, -3, 0, 5]))
    assert whole.labels.tolist() == [5, -1, 0, 5] and list(whole.identities)[5] == "5"
    assert NumberedKeys(5)[1:3] == ["1", "2"] and NumberedKeys(5)[-1] == "4"


def test_joined_and_cut_sets_keep_the_names_of_their_people() -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    joined = concatenate(ArrayFaces(images, ["ann", "bob"], name="a"), ArrayFaces(images, ["", "ann"], name="b"))
    assert joined.labels.tolist() == [0, 1, -1, 2] and list(joined.identities) == ["ann", "bob", "ann"]
    assert list(subset(joined, [3]).identities) == ["ann", "bob", "ann"]


class Own:
    """A user's set, which derives from nothing."""

    name, size, keys, labels = "own", 8, ["a", "b", "c"], np.array([0, 1, -1])

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> np.ndarray:
        return np.full((8, 8, 3), index, np.uint8)


def test_a_set_that_does_not_derive_from_the_base_class_works() -> None:
    own: FaceDataset = Own()  # type: ignore[assignment]
    assert list(identities_of(own)) == ["0", "1"]
    assert str(report(own)) == "own: 3 faces of 2 people, 1 of unknown identity"
    joined = concatenate(own, subset(own, [1]))
    assert list(joined.keys) == ["own/a", "own/b", "own/c", "own/b"] and joined[3][0, 0, 0] == 1


def test_a_report_counts_what_was_left_out_and_why() -> None:
    faces = ArrayFaces(np.zeros((3, 8, 8, 3), np.uint8), ["ann", "ann", "-1"], name="set")
    faces.left_out = [("x", "no face was found"), ("y", "damaged"), ("z", "no face was found")]
    faces.notes = ["One photograph is there twice"]
    found = report(faces)
    assert (found.seen, found.used, found.people, found.unknown) == (6, 3, 1, 1)
    assert found.left_out == {"no face was found": 2, "damaged": 1}
    assert str(found) == (
        "set: 3 faces of 1 person, 1 of unknown identity, 3 of 6 left out (2: no face was found; 1: damaged). "
        "One photograph is there twice"
    )

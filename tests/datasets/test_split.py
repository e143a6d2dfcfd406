"""Splits by identity: nested, stable when people are added, and recorded."""

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from gdrd_lab.datasets.base import ArrayFaces, FaceDataset, ReadOptions, concatenate
from gdrd_lab.datasets.folder import FolderFaces
from gdrd_lab.datasets.split import overlap, split_identities, split_record, split_records
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import data_folder

FACES = os.environ.get("GDRD_FACES")


def people(names: list[str], each: int = 2, name: str = "set") -> ArrayFaces:
    labels = [person for person in names for _ in range(each)]
    keys = [f"{person}/{k}" for person in names for k in range(each)]
    return ArrayFaces(np.zeros((len(labels), 8, 8, 3), np.uint8), labels, keys, name)


def names_of(faces: FaceDataset) -> set[str]:
    return {faces.identities[label] for label in faces.labels if label >= 0}


def test_split_is_disjoint_by_identity_seeded_and_whole() -> None:
    whole = people([*(str(k) for k in range(20)), "unknown"])
    rest, held = split_identities(whole, 0.25, seed=1)
    assert len(names_of(held)) == 7 and not names_of(held) & names_of(rest)
    assert sorted([*rest.keys, *held.keys]) == sorted(whole.keys)
    assert -1 in rest.labels and -1 not in held.labels
    assert list(split_identities(whole, 0.25, seed=1)[1].keys) == list(held.keys)
    assert list(split_identities(whole, 0.25, seed=2)[1].keys) != list(held.keys)


@pytest.mark.parametrize("fraction", [0.0, 1.0, 0.01, -1, float("nan")])
def test_split_refuses_an_empty_part(fraction: float) -> None:
    with pytest.raises(GdrdError, match="leaves a part empty"):
        split_identities(people(["a", "b"]), fraction)


def test_a_smaller_share_lies_inside_a_larger_one() -> None:
    for count in (5, 30, 150):
        whole = people([f"person{k}" for k in range(count)])
        held = [names_of(split_identities(whole, fraction)[1]) for fraction in (0.2, 0.3, 0.5, 0.8)]
        assert all(one <= two for one, two in pairwise(held))


def test_nobody_who_was_trained_on_is_scored_when_people_are_added() -> None:
    names = [f"person{k}" for k in range(151)]
    for count in (4, 10, 29, 150):
        before = split_identities(people(names[:count]), 0.2)
        for more in range(count + 1, min(count + 40, 151)):
            scored = names_of(split_identities(people(names[:more]), 0.2)[1])
            assert not scored & names_of(before[0])


def test_the_share_is_met_on_average() -> None:
    whole = people([f"person{k}" for k in range(2000)], each=1)
    assert len(names_of(split_identities(whole, 0.2)[1])) == pytest.approx(400, abs=4 * (2000 * 0.2 * 0.8) ** 0.5)


def test_a_joined_set_holds_out_the_same_people() -> None:
    first, second = people(["ann", "bob", "cid", "dan", "eve"], name="a"), people([], name="b")
    unlabelled = ArrayFaces(np.zeros((3, 8, 8, 3), np.uint8), name="b")
    assert len(second) == 0
    assert names_of(split_identities(concatenate(first, unlabelled), 0.4)[1]) == names_of(
        split_identities(first, 0.4)[1]
    )


def test_a_record_names_whom_a_model_was_trained_on() -> None:
    whole = people([f"person{k}" for k in range(150)])
    rest, held = split_identities(whole, 0.2)
    record = json.loads(json.dumps(split_record(rest, held, 0.2)))
    assert record["data"] == "set" and record["trained_people"] + record["held_out_people"] == 150
    assert overlap(record, held) == []
    wider = split_identities(whole, 0.3)[1]
    assert set(overlap(record, wider)) == names_of(wider) - names_of(held)
    assert names_of(split_identities(whole, 0.3, records=[record])[1]) == names_of(held)
    assert list(split_identities(whole, 0.3, records=[record])[1].keys) == list(held.keys)
    assert overlap(record, people(["somebody", "else"])) == []
    other = people([f"somebody {letter}" for letter in "abcdefghij"])
    assert list(split_identities(other, 0.3, records=[record])[1].keys) == list(split_identities(other, 0.3)[1].keys)
    with pytest.raises(GdrdError, match="Nobody of set was held out from all models"):
        split_identities(whole, 0.2, records=[record, split_record(held, rest) | {"held_out": record["trained"]}])
    assert "person1" not in json.dumps(record)


def test_the_splits_of_models_count_with_those_of_what_they_learned_from_each_once() -> None:
    whole = people([f"person{k}" for k in range(150)])
    first, other = (split_record(*split_identities(whole, 0.2, seed), 0.2, seed) for seed in (0, 1))
    again = first | {"fraction": 0.0, "seed": 5}  # the same people, drawn in another way
    model = {"split": first, "upstream_splits": [again, other, first]}
    assert split_records(model, {"split": again}, {}) == [first, other]
    assert split_records({"split": None}, {"upstream_splits": []}) == []
    held = names_of(split_identities(whole, 0.2, records=split_records(model))[1])
    assert held == names_of(split_identities(whole, 0.2)[1]) & names_of(split_identities(whole, 0.2, 1)[1])


def test_numbers_name_people_within_one_set_only() -> None:
    numbered = people([str(k) for k in range(30)], name="celeba10k")
    joined = concatenate(numbered, people(["x", "y"], name="more"))
    record = split_record(joined, None)
    assert record["data"] == "celeba10k + more" and record["held_out"] == ""
    assert len(overlap(record, split_identities(numbered, 0.3)[1])) == len(names_of(split_identities(numbered, 0.3)[1]))
    assert overlap(record, people(["1", "2", "x"], name="other")) == ["x"]
    sampled = split_record(people(["person_00001", "test/3", "ann"], name="synthetic"), None)
    assert overlap(sampled, people(["person_00001", "test/3", "ann"], name="other seed")) == ["ann"]


@pytest.mark.skipif(not FACES, reason="real faces are not here: set GDRD_FACES to their folder")
@pytest.mark.parametrize("name", ["student", "student-paper", "assistant"])
def test_shipped_models_record_whom_they_were_trained_on(name: str) -> None:
    faces = FolderFaces(Path(str(FACES), "celeba10k"), ReadOptions("never"), check=False)
    record = json.loads((data_folder() / name / "facts.json").read_text())["split"]
    # As the model cards say: 271 of 5,429 people, 507 faces, drawn by number and not by name.
    assert (record["trained_people"], record["held_out_people"]) == (5158, 271)
    held_out = split_identities(faces, 0.05, records=[record])[1]
    assert len(held_out) == 507 and overlap(record, held_out) == []
    numbers = np.random.default_rng(0).choice(5429, 271, replace=False)
    assert set(held_out.labels) == set(numbers)
    assert len(overlap(record, faces)) == 5158


@pytest.mark.parametrize("name", ["student", "student-paper"])
def test_shipped_students_and_what_they_learned_from_hold_out_the_same_people(name: str) -> None:
    """The assistant, the starts and the generative teacher of all their stages."""
    (only,) = split_records(json.loads((data_folder() / name / "facts.json").read_text()))
    assert only["held_out_people"] == 271

"""Which person an image shows: people, sessions, groups, splits, links, and folders that cannot be read."""

import os
from pathlib import Path, PurePosixPath

import pytest
from helpers.drawn_faces import noise_face, save

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.folder import FolderFaces
from gdrd_lab.datasets.listing import identities_of_folders, list_images
from gdrd_lab.datasets.registry import report
from gdrd_lab.errors import GdrdError


def named(*folders: str) -> list[str | None]:
    return identities_of_folders([PurePosixPath(folder) for folder in folders])[0]


def test_folders_in_a_persons_folder_are_sessions() -> None:
    assert named("ann/1", "ann/2", "bob/1", "bob/2") == ["ann", "ann", "bob", "bob"]
    assert named("ann/2019-01-02", "ann/2020-03-04", "bob/2021-05-06", "bob") == ["ann", "ann", "bob", "bob"]
    assert named("ann/1/left", "ann/2/right", "bob/1/left") == ["ann", "ann", "bob"]
    notes = identities_of_folders([PurePosixPath("ann/1"), PurePosixPath("bob/1")])[1]
    assert notes == ["Folders inside a person's folder are taken as sessions of that person"]


def test_a_few_folders_of_many_others_are_groups() -> None:
    folders = [f"{group}/{group}{person}" for group in "AB" for person in range(12)]
    assert named(*folders) == folders
    assert named(*(f"{person}/{session}" for person in "AB" for session in range(12)))[::12] == ["A", "B"]


def test_a_folder_around_all_others_is_ignored() -> None:
    assert named("images/ann", "images/bob") == ["ann", "bob"]
    assert named("a/b/ann/1", "a/b/bob/1") == ["ann", "bob"]
    assert named("ann/1", "ann/2") == ["1", "2"]  # one person alone is not a face set


@pytest.mark.parametrize(
    ("one", "two"),
    [("train", "test"), ("Train", "Test"), ("TRAIN", "VAL"), ("training", "validation"), ("gallery", "probe")],
)
def test_splits_share_people_in_any_capitals(one: str, two: str) -> None:
    assert named(f"{one}/ann", f"{two}/ann", f"{two}/bob") == ["ann", "ann", "bob"]
    assert named(f"set/{one}/ann/1", f"set/{two}/ann/2", f"set/{two}/bob/1") == ["ann", "ann", "bob"]
    assert named(one, two) == [None, None]


def test_a_person_may_be_named_like_a_split() -> None:
    assert named("Dev", "ann", "bob") == ["Dev", "ann", "bob"]


def test_numbers_that_restart_in_each_split_are_different_people() -> None:
    names, notes = identities_of_folders([PurePosixPath(f"{s}/{k}") for s in ("train", "test") for k in (0, 1, 2)])
    assert names == ["train/0", "train/1", "train/2", "test/0", "test/1", "test/2"]
    assert notes == ["The numbers of identities restart in test, train, so equal numbers are taken as different people"]
    assert named("train/17", "train/4", "test/17", "test/9") == ["17", "4", "17", "9"]
    assert named("train/0", "train/1", "train/-1", "test/0", "test/unknown") == [
        "train/0",
        "train/1",
        None,
        "test/0",
        None,
    ]
    assert named("gallery/0", "gallery/1", "probe/0", "probe/1") == ["0", "1", "0", "1"]


@pytest.mark.parametrize("name", ["-1", "unknown", "Unknown", "nan", "None", "null"])
def test_folders_that_mean_unknown_are_nobody(name: str, tmp_path: Path) -> None:
    for seed, folder in enumerate((name, "ann", "bob", "")):
        save(tmp_path / folder / "1.png", noise_face(seed))
        save(tmp_path / folder / "2.png", noise_face(10 + seed))
    faces = FolderFaces(tmp_path)
    assert list(faces.identities) == ["ann", "bob"] and sorted(faces.labels) == [-1, -1, -1, -1, 0, 0, 1, 1]
    assert "8 faces of 2 people, 4 of unknown identity" in str(report(faces))


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    save(tmp_path / "store" / "1.png", noise_face(0))
    save(tmp_path / "set" / "bob" / "1.png", noise_face(1))
    (tmp_path / "set" / "ann").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "bob" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "self").symlink_to(tmp_path / "set" / "self")
    (tmp_path / "set" / "lost").symlink_to(tmp_path / "nowhere")
    found = list_images(tmp_path / "set")
    assert found.keys == ["ann/1", "bob/1"] and found.identities == ["ann", "bob"]
    assert found.left_out == [("lost", "The link leads nowhere"), ("self", "The link leads nowhere")]


def test_folders_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, name in enumerate(("ann", "bob", "cid")):
        save(tmp_path / name / "1.png", noise_face(seed))
    scan = os.scandir

    def refuse(path: Path) -> object:  # root may read everything, so the refusal is played
        if Path(path).name == "bob":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(GdrdError, match=r"1 of 3 images .* \(bob: The folder cannot be read \(Permission denied\)\)"):
        FolderFaces(tmp_path)
    with pytest.warns(UserWarning, match="1 of 3"):
        faces = FolderFaces(tmp_path, ReadOptions(skip_unreadable=True))
    assert list(faces.keys) == ["ann/1", "cid/1"]
    assert report(faces).left_out == {"The folder cannot be read (Permission denied)": 1}


def test_a_photograph_under_two_names_is_reported(tmp_path: Path) -> None:
    for name in ("ann/1", "ann/2", "bob/1", "bob/2"):
        save(tmp_path / f"{name}.png", noise_face(int(name == "bob/1")))
    (twice, mixed) = FolderFaces(tmp_path).notes
    assert twice == "Photographs in the set more than once: 1 (ann/1 = ann/2 = bob/2)"
    assert mixed == "Photographs given to more than one person: 1 (ann/1 = ann/2 = bob/2)"
    assert mixed in str(report(FolderFaces(tmp_path)))

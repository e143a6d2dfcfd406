"""Shards and saved datasets: any face at random, little memory, and no pickle is ever opened."""

import io
import json
import os
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import drawn_face, encoded, noise_face, scenery, write_tar

from gdrd_lab.datasets.base import FaceDataset, ReadOptions
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.huggingface import SavedDataset, is_saved_dataset
from gdrd_lab.datasets.labels import number_identities
from gdrd_lab.datasets.registry import report
from gdrd_lab.datasets.shards.reader import ShardFaces, find_shards
from gdrd_lab.errors import GdrdError


class Trap:
    """Whoever unpickles this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.path, "sprung")


@pytest.fixture(autouse=True)
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home" / "hf"))


def test_faces_come_in_any_order_with_their_identities(tmp_path: Path) -> None:
    images = [noise_face(seed) for seed in range(5)]
    first = write_tar(
        tmp_path / "a.tar",
        {
            "0000.png": encoded(images[0]),
            "0000.cls": b"7",
            "0001.json": json.dumps({"identity": "7", "age": 3}).encode(),
            "0001.png": encoded(images[1]),
            "sub/0002.left.png": encoded(images[2]),
            "sub/0002.cls": b"12\n",
        },
    )
    second = write_tar(
        tmp_path / "b.tar", {"0000.png": encoded(images[3]), "0001.png": encoded(images[4]), "0001.cls": b"-1"}
    )
    faces = ShardFaces([first, second])
    assert isinstance(faces, FaceDataset) and len(faces) == 5 and faces.size == 112
    assert list(faces.keys) == ["a/0000", "a/0001", "a/sub/0002", "b/0000", "b/0001"]
    assert faces.labels.tolist() == [0, 0, 1, -1, -1]
    for index in (4, 0, 3, 1, 2, -1):
        np.testing.assert_array_equal(faces[index], images[index])
    with pytest.raises(IndexError):
        faces[5]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(faces))[2], images[2])


def test_pickled_members_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    path = write_tar(
        tmp_path / "a.tar",
        {
            "0.pkl": trap,
            "0.pyd": trap,
            "0.pickle": trap,
            "0.pth": trap,
            "0.cls": trap,
            "0.json": trap,
            "0.png": encoded(noise_face(0)),
            "1.jpg": trap,
        },
    )
    for loader in ("load", "loads"):
        monkeypatch.setattr(pickle, loader, None)
    faces = ShardFaces([path])
    assert faces.labels.tolist() == [-1, -1]
    np.testing.assert_array_equal(faces[0], noise_face(0))
    with pytest.raises(GdrdError, match=r"1 in .*as an image"):
        faces[1]
    assert not (tmp_path / "sprung").exists()


def test_links_and_places_outside_are_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo(f"{kind!r}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        content = encoded(noise_face(0))
        info = tarfile.TarInfo("../../outside.png")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    faces = ShardFaces([tmp_path / "a.tar"])
    assert len(faces) == 1
    np.testing.assert_array_equal(faces[0], noise_face(0))
    assert not (tmp_path.parent.parent / "outside.png").exists()


def test_photographs_are_aligned_when_read(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "a.tar",
        {"0.png": encoded(drawn_face(200)), "1.png": encoded(scenery()), "2.png": encoded(noise_face(0))},
    )
    faces = ShardFaces([path])
    assert faces[0].shape == (112, 112, 3)
    with pytest.raises(GdrdError, match=r"1 in .*: No face was found"):
        faces[1]
    np.testing.assert_array_equal(faces[2], noise_face(0))
    np.testing.assert_array_equal(ShardFaces([path], ReadOptions(align="never"))[0], drawn_face(200))


def test_memory_does_not_grow_with_the_pixels(tmp_path: Path) -> None:
    content = encoded(noise_face(0))
    path = write_tar(tmp_path / "a.tar", {f"{number:05d}.png": content for number in range(400)})
    tracemalloc.start()
    faces = ShardFaces([path])
    for index in range(0, 400, 4):
        faces[index]
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert path.stat().st_size > 12e6 and used < 0.5e6


@pytest.mark.parametrize("kind", ["text", "empty", "gzip", "cut", "missing", "no images"])
def test_bad_shards_are_refused(kind: str, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"0.png": encoded(noise_face(0)), "1.png": encoded(noise_face(1))})
    whole = path.read_bytes()
    if kind == "text":
        path.write_text("a tar file? " * 100)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "gzip":
        with tarfile.open(path, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("0.png"))
    elif kind == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "missing":
        path.unlink()
    else:
        write_tar(path, {"readme.md": b"nothing here"})
    with pytest.raises(GdrdError) as caught:
        ShardFaces([path])
    assert "a.tar" in str(caught.value) and "\n" not in str(caught.value)


def test_no_shards_at_all(tmp_path: Path) -> None:
    with pytest.raises(GdrdError, match="no shards"):
        ShardFaces([])
    assert find_shards(tmp_path) == find_shards(tmp_path / "none") == []
    for name in ("b.tar", "a.TAR", "._a.TAR", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "d.tar").mkdir()
    assert [file.name for file in find_shards(tmp_path)] == ["a.TAR", "b.tar"]
    assert find_shards(tmp_path / "a.TAR") == [tmp_path / "a.TAR"]


def test_identities_are_numbered_as_numbers_then_names() -> None:
    assert number_identities(["10", "9", None, "bo", "9", "ann"])[0].tolist() == [1, 0, -1, 3, 0, 2]


def test_saved_dataset_of_hugging_face(tmp_path: Path) -> None:
    datasets = pytest.importorskip(
        "datasets", reason="the optional extra is not installed: pip install 'gdrd-lab[large]'"
    )
    images = [encoded(noise_face(seed)) for seed in range(4)] + [b"no image"]
    rows = datasets.Dataset.from_dict(
        {"photo": [{"bytes": image, "path": None} for image in images], "label": [30, 2, 30, -1, 2]},
        features=datasets.Features({"photo": datasets.Image(), "label": datasets.Value("int64")}),
    )
    rows.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(str(tmp_path / "two"))
    assert is_saved_dataset(tmp_path / "one") and is_saved_dataset(tmp_path / "two") and not is_saved_dataset(tmp_path)
    faces = SavedDataset(tmp_path / "one")
    assert isinstance(faces, FaceDataset)
    assert faces.labels.tolist() == [1, 0, 1, -1, 0] and faces.name == "one" and len(faces.keys) == 5
    np.testing.assert_array_equal(faces[2], noise_face(2))
    with pytest.raises(GdrdError, match="4 in one: The image cannot be read as an image"):
        faces[4]
    assert len(SavedDataset(tmp_path / "two")) == 10


def test_bad_saved_datasets_are_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip(
        "datasets", reason="the optional extra is not installed: pip install 'gdrd-lab[large]'"
    )
    with pytest.raises(GdrdError, match="not a saved dataset"):
        SavedDataset(tmp_path)
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(str(tmp_path / "words"))
    with pytest.raises(GdrdError, match="no column of images"):
        SavedDataset(tmp_path / "words")
    next((tmp_path / "words").glob("*.arrow")).write_bytes(b"broken")
    with pytest.raises(GdrdError, match="not a saved dataset"):
        SavedDataset(tmp_path / "words")


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(GdrdError, match=r"pip install 'gdrd-lab\[large\]'"):
        SavedDataset(tmp_path)


def test_names_with_dots_lose_no_face(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for person in range(20):
        for number in range(4):
            members[f"person{person}.{number:03d}.png"] = encoded(noise_face(4 * person + number))
            members[f"person{person}.{number:03d}.cls"] = f"person{person}".encode()
    faces = ShardFaces([write_tar(tmp_path / "a.tar", members)])
    assert len(faces) == 80 and len(set(faces.keys)) == 80 and faces.keys[5] == "person1.001"
    assert np.bincount(faces.labels).tolist() == [4] * 20 and faces.identities[int(faces.labels[5])] == "person1"
    np.testing.assert_array_equal(faces[79], noise_face(79))


def test_labels_are_found_by_sample_and_by_image(tmp_path: Path) -> None:
    image = encoded(noise_face(0, 16))
    members = {
        "ann.1.png": image, "ann.2.png": image, "ann.cls": b"ann",  # one label for all images of a sample
        "bob.png": image, "bob.meta.json": b'{"person": "bob"}',  # further endings of a sample with one image
        "cy.jpg": image, "cy.png": image, "cy.cls": b"cy",  # one stem, two images
        "._ann.1.png": b"a Mac's notes", "__MACOSX/bob.png": b"more of them",
    }  # fmt: skip
    faces = ShardFaces([write_tar(tmp_path / "a.tar", members)])
    assert list(faces.keys) == ["ann.1", "ann.2", "bob", "cy.jpg", "cy.png"]
    assert [faces.identities[label] for label in faces.labels] == ["ann", "ann", "bob", "cy", "cy"]
    assert list(faces.notes) == ["2 samples of a.tar hold several images, and each is taken as a face"]


UNKNOWN = [-1, "-1", "", None, float("nan"), "unknown", "NaN", "None", -1.0]


@pytest.mark.parametrize("value", UNKNOWN)
def test_unknown_identities_are_nobody(value: object, tmp_path: Path) -> None:
    members = {f"{n}.png": encoded(noise_face(n, 16)) for n in range(4)}
    members |= {f"{n}.json": json.dumps({"identity": value}).encode() for n in range(2)}
    members |= {"2.cls": str(value).encode(), "3.json": json.dumps({"identity": value, "label": 7}).encode()}
    faces = ShardFaces([write_tar(tmp_path / "a.tar", members)])
    assert faces.labels.tolist() == [-1, -1, -1, 0] and list(faces.identities) == ["7"]


def cut(path: Path, members: int) -> None:
    """Cut a tar file after some of its members."""
    with tarfile.open(path) as tar:
        end = tar.getmembers()[members].offset
    path.write_bytes(path.read_bytes()[:end])


def test_a_tar_file_cut_after_a_member_says_so(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{n}.png": encoded(noise_face(n)) for n in range(8)})
    cut(path, 3)
    with pytest.warns(UserWarning, match=r"a.tar has no end of archive and may be cut off: 3 whole images are used"):
        faces = ShardFaces([path])
    assert len(faces) == 3 and "cut off" in report(faces).notes[0]


def test_damage_between_members_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{n}.png": encoded(noise_face(n)) for n in range(8)})
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        start = tar.getmembers()[3].offset
    path.write_bytes(whole[:start] + b"\xff" * 512 + whole[start + 512 :])
    with pytest.raises(GdrdError, match=f"damaged at byte {start}"):
        ShardFaces([path])
    path.write_bytes(whole + whole)
    with pytest.raises(GdrdError, match="a second archive follows"):
        ShardFaces([path])


def test_of_equal_names_the_last_is_used_and_unreadable_labels_are_counted(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"0.png": encoded(noise_face(0)), "0.cls": b"\xff\xfe", "1.json": b"{"})
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("0.png")
        info.size = len(encoded(noise_face(1)))
        tar.addfile(info, io.BytesIO(encoded(noise_face(1))))
    faces = ShardFaces([path])
    np.testing.assert_array_equal(faces[0], noise_face(1))
    assert len(faces) == 1 and faces.labels.tolist() == [-1]
    assert list(faces.notes) == [
        "1 images of a.tar have the name of a later one, which is used",
        "2 labels of a.tar cannot be read: those people are unknown",
    ]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {os.fsdecode(b"caf\xe9.png"): encoded(noise_face(0)), "1.png": b"no image"})
    faces = ShardFaces([path])
    np.testing.assert_array_equal(faces[0], noise_face(0))
    assert os.fsencode(faces.keys[0]) == b"caf\xe9" and len(dataset_fingerprint(faces)) == 32


def test_small_and_oblong_crops_are_taken_as_they_are(tmp_path: Path) -> None:
    crop = noise_face(0, 6)[:, :5]
    faces = ShardFaces([write_tar(tmp_path / "a.tar", {"0.png": encoded(crop), "1.png": encoded(noise_face(1, 16))})])
    assert faces.size == 16 and faces[0].shape == (6, 6, 3) and faces[1].shape == (16, 16, 3)
    np.testing.assert_array_equal(faces[0][:, :5], crop)


def saved(path: Path, **splits: list[object]) -> SavedDataset:
    """A saved DatasetDict whose splits have these labels."""
    datasets = pytest.importorskip("datasets")
    made = {}
    for name, labels in splits.items():
        images = [{"bytes": encoded(noise_face(n, 16)), "path": None} for n in range(len(labels))]
        rows = datasets.Dataset.from_dict({"image": images, "label": labels})
        made[name] = rows.cast_column("image", datasets.Image())
    datasets.DatasetDict(made).save_to_disk(str(path))
    return SavedDataset(path)


def test_numbers_that_restart_in_each_split_are_different_people(tmp_path: Path) -> None:
    faces = saved(tmp_path / "a", train=[0, 0, 1, 2], test=[0, 1, 1])
    assert list(faces.identities) == ["test/0", "test/1", "train/0", "train/1", "train/2"]
    assert faces.labels.tolist() == [2, 2, 3, 4, 0, 1, 1] and faces.keys[4] == "test/0"
    assert "equal numbers are different people" in report(faces).notes[0]
    np.testing.assert_array_equal(faces[5], noise_face(1, 16))


def test_names_are_the_same_person_in_every_split(tmp_path: Path) -> None:
    faces = saved(tmp_path / "a", train=["ann", "bob", None, "unknown"], test=["bob", "", "NaN"])
    assert faces.labels.tolist() == [0, 1, -1, -1, 1, -1, -1] and list(faces.identities) == ["ann", "bob"]
    faces = saved(tmp_path / "b", train=[17.0, None, 4.0], test=[4.0, float("nan")])
    assert faces.labels.tolist() == [1, -1, 0, 0, -1] and list(faces.identities) == ["4", "17"]


def test_class_labels_keep_their_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["zoe", "ann"])})
    images = [{"bytes": encoded(noise_face(n, 16)), "path": None} for n in range(3)]
    rows = datasets.Dataset.from_dict({"image": images, "label": [0, 1, -1]}, features=kinds)
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(str(tmp_path / "a"))
    faces = SavedDataset(tmp_path / "a")
    assert list(faces.identities) == ["ann", "zoe"] and faces.labels.tolist() == [1, 0, -1, 1, 0, -1]


def test_fingerprints_tell_saved_datasets_and_readings_apart(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a", train=[0, 1]), saved(tmp_path / "b", train=[0, 1], test=[0])
    again = SavedDataset(tmp_path / "a", ReadOptions(align="never"))
    assert len({dataset_fingerprint(faces) for faces in (first, second, again)}) == 3
    assert dataset_fingerprint(SavedDataset(tmp_path / "a")) == dataset_fingerprint(first)

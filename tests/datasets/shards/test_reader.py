"""Shards and saved datasets: any face at random, little memory, and no pickle is ever opened."""

import io
import json
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import drawn_face, encoded, noise_face, scenery, write_tar

from gdrd_lab.datasets.base import FaceDataset, ReadOptions
from gdrd_lab.datasets.huggingface import SavedDataset, is_saved_dataset
from gdrd_lab.datasets.shards.reader import ShardFaces, find_shards, number_identities
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
    assert ShardFaces([path], ReadOptions("never"))[0].shape == (200, 200, 3)


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
    assert find_shards(tmp_path) == []


def test_identities_are_numbered_as_numbers_then_names() -> None:
    assert number_identities(["10", "9", None, "bo", "9", "ann"]).tolist() == [1, 0, -1, 3, 0, 2]


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
    with pytest.raises(GdrdError, match="no saved dataset"):
        SavedDataset(tmp_path)
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(str(tmp_path / "words"))
    with pytest.raises(GdrdError, match="no column of images"):
        SavedDataset(tmp_path / "words")
    next((tmp_path / "words").glob("*.arrow")).write_bytes(b"broken")
    with pytest.raises(GdrdError, match="no saved dataset"):
        SavedDataset(tmp_path / "words")


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(GdrdError, match=r"pip install 'gdrd-lab\[large\]'"):
        SavedDataset(tmp_path)

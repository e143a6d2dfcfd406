"""Folders become sets of identities; photographs are aligned once; what cannot be used is named in one line."""

import argparse
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import drawn_face, noise_face, save, scenery
from safetensors import safe_open

from gdrd_lab.cli._options import add_reading
from gdrd_lab.datasets import aligned_cache as store
from gdrd_lab.datasets.aligned_cache import StoredFaces
from gdrd_lab.datasets.base import (
    ArrayFaces,
    FaceDataset,
    ReadOptions,
    batches,
    subset,
    to_images,
    to_tensor,
)
from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.folder import FolderFaces, write_faces
from gdrd_lab.datasets.listing import list_images
from gdrd_lab.datasets.registry import load_dataset, report
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.transforms.resize import downscale

QUIET, SKIP = ReadOptions(progress=False), ReadOptions(skip_unreadable=True, progress=False)


def write_store(path: Path, *contents: object) -> None:
    with atomic_write(path) as file:
        store.write_store(file, *contents)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def aligned(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        save(root / name, noise_face(seed))
    return root


def test_identity_folders_of_aligned_images_are_read_as_they_are(tmp_path: Path, cache: Path) -> None:
    faces = FolderFaces(aligned(tmp_path / "set", "bob/1.png", "ann/2.png", "ann/1.png"))
    assert isinstance(faces, FaceDataset)
    assert list(faces.keys) == ["ann/1", "ann/2", "bob/1"] and faces.labels.tolist() == [0, 0, 1]
    assert faces.name == "set" and faces.size == 112 and len(faces) == 3
    np.testing.assert_array_equal(faces[2], noise_face(0))
    assert not cache.exists()


def test_flat_folder_has_no_identities(tmp_path: Path) -> None:
    faces = FolderFaces(aligned(tmp_path, "b.png", "a.png"))
    assert faces.labels.tolist() == [-1, -1] and list(faces.keys) == ["a", "b"]


def test_listing_mixed_folders(tmp_path: Path) -> None:
    aligned(tmp_path, "loose.png", "ann/1.png", "ann/1.bmp", ".hidden.png", "__MACOSX/ann/1.png", ".git/x.png")
    (tmp_path / "ann" / "notes.txt").write_text("no image")
    found = list_images(tmp_path)
    assert found.keys == ["ann/1.bmp", "ann/1.png", "loose.png"] and found.labels.tolist() == [0, 0, -1]
    assert [file.name for file in found.files] == ["1.bmp", "1.png", "loose.png"]


def test_parts_of_a_hugging_face_image_folder_share_identities(tmp_path: Path) -> None:
    aligned(tmp_path, "train/ann/1.png", "test/ann/2.png", "test/bob/1.png")
    assert list_images(tmp_path).labels.tolist() == [0, 1, 0]  # test/ann, test/bob, train/ann


def test_photographs_are_aligned_once_into_one_file(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "set" / "ann" / "1.jpg", drawn_face(200))
    save(tmp_path / "set" / "bob" / "1.png", drawn_face(300, 1))
    first = FolderFaces(tmp_path / "set", QUIET)
    (file,) = cache.rglob("*.*")
    with safe_open(file, "numpy") as stored:
        assert stored.get_tensor("faces").shape == (2, 112, 112, 3)
        np.testing.assert_array_equal(stored.get_tensor("faces")[1], first[1])

    def fail(*args: object, **options: object) -> None:
        raise AssertionError("aligned again")

    monkeypatch.setattr("gdrd_lab.datasets.folder.align_many", fail)
    again = FolderFaces(tmp_path / "set", QUIET)
    assert again.labels.tolist() == [0, 1] and list(again.keys) == ["ann/1", "bob/1"]
    np.testing.assert_array_equal(again[0], first[0])
    monkeypatch.undo()
    monkeypatch.setenv("GDRD_CACHE", str(cache))
    save(tmp_path / "set" / "bob" / "1.png", drawn_face(300, 2))
    assert not np.array_equal(FolderFaces(tmp_path / "set", QUIET)[1], first[1])


def test_cached_file_cut_in_half_is_made_again(tmp_path: Path, cache: Path) -> None:
    save(tmp_path / "set" / "1.jpg", drawn_face(200))
    first = FolderFaces(tmp_path / "set", QUIET)[0]
    (file,) = cache.rglob("*.*")
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.warns(UserWarning, match="is damaged .* and is made again"):
        np.testing.assert_array_equal(FolderFaces(tmp_path / "set", QUIET)[0], first)


def test_photographs_that_change_places_are_aligned_again(tmp_path: Path) -> None:
    large = noise_face(0, 700)  # over a megabyte: size and time of change must not stand for the content
    files = [tmp_path / "set" / "ann" / name for name in ("1.png", "2.png")]
    for file, skin in zip(files, (0, 1), strict=True):
        picture = large.copy()
        picture[250:450, 250:450] = drawn_face(200, skin)
        save(file, picture, compress_level=0)
    assert files[0].stat().st_size == files[1].stat().st_size > 1_000_000
    first = FolderFaces(tmp_path / "set", QUIET)
    contents, times = [file.read_bytes() for file in files], files[0].stat()
    for file, content in zip(files, reversed(contents), strict=True):
        file.write_bytes(content)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = FolderFaces(tmp_path / "set", QUIET)
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(second[0], first[1])
    np.testing.assert_array_equal(second[1], first[0])


def test_auto_leaves_aligned_images_of_a_mixed_folder(tmp_path: Path) -> None:
    save(tmp_path / "set" / "1.png", noise_face(5))
    save(tmp_path / "set" / "2.png", drawn_face(200))
    faces = FolderFaces(tmp_path / "set", QUIET)
    np.testing.assert_array_equal(faces[0], noise_face(5))
    assert faces[1].shape == (112, 112, 3)


def test_what_cannot_be_used_is_named_in_one_line_or_left_out(tmp_path: Path) -> None:
    root = tmp_path / "set"
    save(root / "good.png", drawn_face(200))
    save(root / "field.png", scenery())
    (root / "cut.png").write_bytes((root / "good.png").read_bytes()[:2000])
    with pytest.raises(GdrdError) as caught:
        FolderFaces(root, QUIET)
    message = str(caught.value)
    assert message.startswith("2 of 3 images of set cannot be used (cut: The image is truncated")
    assert "field: No face was found" in message and "\n" not in message and str(tmp_path) not in message
    with pytest.warns(UserWarning, match="2 of 3 images of set cannot be used and were left out"):
        faces = FolderFaces(root, SKIP)
    assert list(faces.keys) == ["good"]
    with pytest.raises(GdrdError, match="2 of 3"):  # remembered, but not allowed this time
        FolderFaces(root, QUIET)


def test_damaged_aligned_image_is_found_before_the_run(tmp_path: Path) -> None:
    aligned(tmp_path / "set", "a/1.png", "a/2.png", "b/1.png")
    bad = tmp_path / "set" / "a" / "2.png"
    bad.write_bytes(bad.read_bytes()[:9000])
    with pytest.raises(GdrdError, match=r"1 of 3 images .* a/2: The image is truncated".replace(" a/2", "a/2")):
        FolderFaces(tmp_path / "set")
    with pytest.warns(UserWarning, match="1 of 3"):
        faces = FolderFaces(tmp_path / "set", SKIP)
    assert list(faces.keys) == ["a/1", "b/1"] and faces.labels.tolist() == [0, 1]
    late = FolderFaces(tmp_path / "set", check=False)
    with pytest.raises(GdrdError, match="truncated"):
        late[1]


@pytest.mark.parametrize("skip", [True, False])
def test_folder_of_nothing_usable(skip: bool, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_text("no image at all")
    with pytest.raises(GdrdError, match="as an image"):
        FolderFaces(tmp_path, ReadOptions(skip_unreadable=skip, progress=False))


def test_empty_missing_and_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(GdrdError, match="has no images in it"):
        FolderFaces(tmp_path)
    with pytest.raises(GdrdError, match="does not exist"):
        FolderFaces(tmp_path / "missing")
    with pytest.raises(GdrdError, match="is a file"):
        FolderFaces(tmp_path / "notes.txt")


def test_align_false_takes_any_one_size(tmp_path: Path) -> None:
    save(tmp_path / "1.png", noise_face(0, 64))
    assert FolderFaces(tmp_path, ReadOptions("never")).size == 64
    assert not FolderFaces(tmp_path, ReadOptions("never")).mixed
    save(tmp_path / "2.png", noise_face(0, 65))
    both = FolderFaces(tmp_path, ReadOptions("never"))
    assert both.size == 65 and both.mixed and [len(both[index]) for index in (0, 1)] == [64, 65]


def test_written_faces_come_back_as_they_were(tmp_path: Path) -> None:
    images = np.stack([noise_face(seed, 64) for seed in range(4)])
    labels = np.array([1, 0, 1, -1])
    write_faces(ArrayFaces(images, labels, ["x", "y", "z", "../../w"]), tmp_path / "out")
    faces = FolderFaces(tmp_path / "out")  # 64 px, and not aligned again
    assert list(faces.keys) == ["00000/y", "00001/x", "00001/z", "w"] and faces.labels.tolist() == [0, 1, 1, -1]
    for index, source in enumerate([1, 0, 2, 3]):
        np.testing.assert_array_equal(faces[index], images[source])
    assert not list(tmp_path.glob("*.png"))


def test_full_disk_leaves_the_earlier_file(tmp_path: Path) -> None:
    path, labels = tmp_path / "store.safetensors", np.array([0, 1])
    write_store(path, iter([noise_face(0), noise_face(1)]), ["a", "b"], labels, 112)

    def breaks() -> object:
        yield noise_face(2)
        raise OSError(28, "No space left on device")

    with pytest.raises(GdrdError, match=r"No space left on device.*Free disk space"):
        write_store(path, breaks(), ["a", "b"], labels, 112)
    assert [file.name for file in tmp_path.iterdir()] == ["store.safetensors"]
    np.testing.assert_array_equal(StoredFaces(path, "s")[1], noise_face(1))


def test_stored_faces_are_sent_to_processes_by_name(tmp_path: Path) -> None:
    path = tmp_path / "store.safetensors"
    write_store(
        path, iter([noise_face(0), GdrdError("No face", "Look"), noise_face(1)]), list("abc"), np.arange(3), 112
    )
    faces = StoredFaces(path, "s")
    assert faces.labels.tolist() == [0, 2] and faces.keys == ["a", "c"] and faces.failed == [("b", "No face")]
    sent = pickle.dumps(faces)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent)[1], noise_face(1))


@pytest.mark.parametrize("content", [b"", b"\0" * 20, b"\xff" * 5000, b"\x10\0\0\0\0\0\0\0" + b'{"faces": 3}    '])
def test_file_that_is_no_store_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(GdrdError, match="not a whole file"):
        StoredFaces(tmp_path / "x.safetensors", "x")


def small_faces(root: Path, size: int) -> ArrayFaces:
    """Synthetic faces reduced to ``size`` pixels in identity folders, and the same at 64 px in memory."""
    sharp = synthetic_faces(12, 3)
    reduced = to_images(downscale(to_tensor(sharp.images), size))
    for key, face in zip(sharp.keys, reduced, strict=True):
        save(root / f"{key}.png", face)
    return sharp


@pytest.mark.parametrize("size", [8, 16])
def test_native_small_faces_score_as_the_same_faces_degraded(size: int, tmp_path: Path, cache: Path) -> None:
    sharp = small_faces(tmp_path / "set", size)
    native = load_dataset(tmp_path / "set")
    assert native.size == size and list(native.keys) == list(sharp.keys) and not cache.exists()
    student = load_model("student")
    degraded, own = (
        embed_all(student, faces, degradation, EmbedOptions(progress=False))
        for faces, degradation in ((sharp, Degradation(size)), (native, None))
    )
    # The files hold whole grey levels; the degraded faces do not.
    assert np.einsum("nd,nd->n", degraded, own).mean() > 0.97
    np.testing.assert_allclose(
        embed_all(student, native, Degradation(size), EmbedOptions(progress=False)), own, atol=1e-5
    )


def test_sizes_are_mixed_and_each_face_keeps_its_own(tmp_path: Path) -> None:
    images = {
        "a/1": noise_face(0, 16),
        "a/2": noise_face(1, 112),
        "b/1": noise_face(2, 24)[:, :20],
        "b/2": noise_face(3, 4),
    }
    for key, image in images.items():
        save(tmp_path / "set" / f"{key}.png", image)
    save(tmp_path / "set" / "b" / "3.png", drawn_face(200))
    faces = FolderFaces(tmp_path / "set", QUIET)
    assert [len(faces[index]) for index in range(5)] == [16, 112, 24, 4, 112] and faces.size == 112 and faces.mixed
    np.testing.assert_array_equal(faces[0], images["a/1"])
    np.testing.assert_array_equal(faces[2][:, 2:22], images["b/1"])
    got = {
        int(index): pixels for indices, part in batches(faces, 4) for index, pixels in zip(indices, part, strict=True)
    }
    assert sorted(got) == [0, 1, 2, 3, 4] and got[3].shape == (3, 4, 4)
    embeddings = embed_all(load_model("student"), faces, None, EmbedOptions(batch_size=4, progress=False))
    for index in range(5):
        alone = embed_all(load_model("student"), subset(faces, [index]), None, EmbedOptions(progress=False))
        np.testing.assert_allclose(embeddings[index], alone[0], atol=1e-5)
    with pytest.raises(GdrdError, match=r"Faces of \[16, 112\] pixels cannot be in one batch"):
        to_tensor([faces[0], faces[1]])
    same = load_dataset(tmp_path / "set", training=True, options=QUIET)
    assert {same[index].shape for index in range(5)} == {(112, 112, 3)} and not same.mixed
    np.testing.assert_array_equal(same[1], images["a/2"])


def test_a_face_that_is_not_found_ends_nothing_when_it_may_be_left_out(tmp_path: Path) -> None:
    save(tmp_path / "set" / "a" / "1.png", noise_face(0))
    save(tmp_path / "set" / "a" / "2.png", scenery())
    with pytest.raises(GdrdError) as caught:
        FolderFaces(tmp_path / "set", QUIET)
    flags = set(re.findall(r"--[a-z-]+", str(caught.value)))
    assert flags == {"--skip-unreadable", "--face-selection", "--aligned"}
    parser = argparse.ArgumentParser()
    add_reading(parser)
    assert flags <= {name for action in parser._actions for name in action.option_strings}
    with pytest.warns(UserWarning, match="1 of 2 images of set cannot be used and were left out"):
        faces = FolderFaces(tmp_path / "set", SKIP)
    assert list(faces.keys) == ["a/1"] and faces.left_out == [("a/2", "No face was found in the image")]
    assert str(report(faces)) == "set: 1 face of 1 person, 1 of 2 left out (1: No face was found in the image)"
    assert len(FolderFaces(tmp_path / "set", ReadOptions("never"))) == 2


def test_align_always_moves_small_faces_too(tmp_path: Path) -> None:
    save(tmp_path / "set" / "1.png", drawn_face(100))
    assert len(FolderFaces(tmp_path / "set", QUIET)[0]) == 100
    assert len(FolderFaces(tmp_path / "set", ReadOptions("always", progress=False))[0]) == 112

"""Packing: every source, nothing lost, resumable, checked; and training from shards goes on exactly."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from helpers.drawn_faces import drawn_face, encoded, noise_face, save, scenery

from gdrd_lab.cli import main
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.registry import load_dataset
from gdrd_lab.datasets.shards.index import NumberedKeys, index_path
from gdrd_lab.datasets.shards.manifest import check_pack
from gdrd_lab.datasets.shards.pack import FolderImages, PackConfig, pack
from gdrd_lab.datasets.shards.reader import ShardFaces, find_shards
from gdrd_lab.datasets.split import split_identities
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.sface import load_sface
from gdrd_lab.training.data import StepBatches
from gdrd_lab.training.teacher_targets import teacher_embeddings
from gdrd_lab.transforms.augmentation import AugmentConfig


@pytest.fixture(autouse=True)
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home" / "hf"))
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))


def people(folder: Path, count: int = 7) -> list[np.ndarray]:
    images = [noise_face(seed) for seed in range(count)]
    for number, image in enumerate(images):
        save(folder / f"person{number % 3}" / f"{number}.png", image)
    return images


def test_aligned_images_are_copied_byte_for_byte(tmp_path: Path) -> None:
    people(tmp_path / "in")
    source = FolderImages(tmp_path / "in")
    manifest = pack(source, tmp_path / "out", PackConfig(faces_per_shard=3), progress=False)
    assert manifest["complete"] and manifest["faces"] == 7 and len(manifest["shards"]) == 3
    faces = load_dataset(tmp_path / "out")
    assert isinstance(faces, ShardFaces) and len(faces) == 7
    assert faces.labels.tolist() == source.labels.tolist() and faces.keys[4] == "faces-000001/000000004"
    for index in range(7):
        assert faces.content(index) == source.content(index)
        np.testing.assert_array_equal(faces[index], source[index])
    assert check_pack(tmp_path / "out", progress=False) == []


def test_without_their_indices_the_shards_say_the_same(tmp_path: Path) -> None:
    people(tmp_path / "in")
    pack(FolderImages(tmp_path / "in"), tmp_path / "out", PackConfig(faces_per_shard=3), progress=False)
    fast = ShardFaces(find_shards(tmp_path / "out"))
    for shard in find_shards(tmp_path / "out"):
        index_path(shard).unlink()
    slow = ShardFaces(find_shards(tmp_path / "out"))
    assert list(fast.keys) == list(slow.keys) and fast.labels.tolist() == slow.labels.tolist()
    assert all(np.array_equal(fast[index], slow[index]) for index in range(7))


def test_an_index_of_another_shard_is_not_believed(tmp_path: Path) -> None:
    people(tmp_path / "in")
    pack(FolderImages(tmp_path / "in"), tmp_path / "out", progress=False)
    (shard,) = find_shards(tmp_path / "out")
    with tarfile.open(shard, "a") as tar:
        info = tarfile.TarInfo("more.png")
        info.size = len(encoded(noise_face(50)))
        tar.addfile(info, io.BytesIO(encoded(noise_face(50))))
    faces = ShardFaces([shard])
    assert len(faces) == 8
    np.testing.assert_array_equal(faces[7], noise_face(50))
    assert check_pack(tmp_path / "out", progress=False) == [shard.name]
    assert main(["data", "check", str(tmp_path / "out"), "--quiet"]) == 2


def test_photographs_are_aligned_and_bad_ones_named(tmp_path: Path) -> None:
    save(tmp_path / "in" / "anna" / "1.png", drawn_face(200))
    save(tmp_path / "in" / "anna" / "2.png", scenery())
    save(tmp_path / "in" / "bert" / "1.png", drawn_face(240, skin=1))
    (tmp_path / "in" / "bert" / "2.jpg").write_bytes(b"no image")
    words = ["data", "pack", str(tmp_path / "in"), str(tmp_path / "out"), "--workers", "1", "--quality", "0", "--quiet"]
    assert main(words) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (entry,) = manifest["shards"].values()
    assert manifest["faces"] == 2 and entry["left_out"] == 2
    assert "anna/2" in entry["reasons"][0] and "No face was found" in entry["reasons"][0]
    assert "bert/2" in entry["reasons"][1] and "cannot be read as an image" in entry["reasons"][1]
    faces, source = load_dataset(tmp_path / "out"), FolderImages(tmp_path / "in")
    assert faces.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(faces[0], source[0])  # PNG: no loss
    np.testing.assert_array_equal(faces[1], source[2])


def test_it_goes_on_and_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    people(tmp_path / "in")
    config, source = PackConfig(faces_per_shard=2), FolderImages(tmp_path / "in")
    whole = pack(source, tmp_path / "whole", config, progress=False)
    pack(source, tmp_path / "out", config, progress=False)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    # As if killed: one shard is not in the manifest yet, one lost its index, and a draft lies about.
    del manifest["shards"]["faces-000003.tar"]
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    index_path(tmp_path / "out" / "faces-000001.tar").unlink()
    (tmp_path / "out" / ".faces-000003.tar-x").write_bytes(b"draft")
    untouched = (tmp_path / "out" / "faces-000000.tar").stat().st_mtime_ns
    again = pack(source, tmp_path / "out", config, workers=2, progress=False)
    assert again == whole
    assert (tmp_path / "out" / "faces-000000.tar").stat().st_mtime_ns == untouched
    assert len(load_dataset(tmp_path / "out")) == 7
    with pytest.raises(GdrdError, match=r"other faces or settings \(config\)"):
        pack(source, tmp_path / "out", replace(config, quality=50), progress=False)
    save(tmp_path / "in" / "person0" / "new.png", noise_face(90))
    with pytest.raises(GdrdError, match=r"other faces or settings \(tried, keys\)"):
        pack(FolderImages(tmp_path / "in"), tmp_path / "out", config, progress=False)


def test_a_saved_dataset_and_faces_in_memory(tmp_path: Path) -> None:
    images = [noise_face(seed) for seed in range(3)]
    rows = {"image": [{"bytes": encoded(image), "path": None} for image in images], "label": [4, 4, 2]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "hf")
    assert main(["data", "pack", str(tmp_path / "hf"), str(tmp_path / "a"), "--workers", "1", "--quiet"]) == 0
    faces = load_dataset(tmp_path / "a")
    assert faces.labels.tolist() == [1, 1, 0]
    np.testing.assert_array_equal(faces[1], images[1])
    held = ArrayFaces(np.stack(images), np.array([1, -1, 1]))
    pack(held, tmp_path / "b", PackConfig(quality=0), progress=False)
    faces = load_dataset(tmp_path / "b")
    assert faces.labels.tolist() == [0, -1, 0]
    np.testing.assert_array_equal(faces[1], images[1])


def test_cached_embeddings_are_the_teachers(tmp_path: Path) -> None:
    people(tmp_path / "in")
    source, teacher = FolderImages(tmp_path / "in"), load_sface()
    pack(source, tmp_path / "out", PackConfig(faces_per_shard=4, embed="sface"), progress=False)
    faces = ShardFaces(find_shards(tmp_path / "out"))
    cached = teacher_embeddings(teacher, faces, progress=False)
    with torch.inference_mode():
        expected = teacher.embed(torch.from_numpy(np.stack([source[i] for i in range(7)])).permute(0, 3, 1, 2) / 255)
    assert cached.shape == (7, 128) and torch.allclose(cached, expected, atol=1e-3)
    assert not (tmp_path / "cache" / "embeddings").exists()  # nothing was computed again
    rest, held = split_identities(faces, 0.4)
    assert torch.equal(teacher_embeddings(teacher, held, progress=False), cached[torch.from_numpy(held.indices)])  # type: ignore[attr-defined]
    assert faces.cached_embeddings("another") is None and len(rest) + len(held) == 7


def test_batches_from_shards_are_the_same_wherever_a_run_goes_on(tmp_path: Path) -> None:
    people(tmp_path / "in", 11)
    pack(FolderImages(tmp_path / "in"), tmp_path / "out", PackConfig(faces_per_shard=4), progress=False)

    def batches() -> StepBatches:
        return StepBatches(load_dataset(tmp_path / "out"), 4, (8, 16), AugmentConfig(), seed=1, steps=8)

    whole = list(batches().iterate(0, workers=0))
    resumed = list(batches().iterate(5, workers=2))
    assert [batch.step for batch in resumed] == [5, 6, 7]
    for ours, theirs in zip(whole[5:], resumed, strict=True):
        assert torch.equal(ours.indices, theirs.indices) and torch.equal(ours.lr, theirs.lr)
        assert torch.equal(ours.labels, theirs.labels) and torch.equal(ours.hr, theirs.hr)
    first_epoch = torch.cat([batch.indices for batch in whole])[:11]
    assert sorted(first_epoch.tolist()) == list(range(11))


def test_no_face_at_all_and_no_pack(tmp_path: Path) -> None:
    save(tmp_path / "in" / "1.png", scenery())
    with pytest.raises(GdrdError, match="Not one of 1 images gave a face"):
        pack(FolderImages(tmp_path / "in"), tmp_path / "out", progress=False)
    with pytest.raises(GdrdError, match=r"has no manifest\.json"):
        check_pack(tmp_path / "in", progress=False)
    (tmp_path / "out" / "manifest.json").write_text("[")
    with pytest.raises(GdrdError, match="is damaged"):
        check_pack(tmp_path / "out", progress=False)


def test_numbered_keys() -> None:
    keys = NumberedKeys(["a/", "b/", "c/"], [0, 10, 20], [2, 0, 3])
    assert list(keys) == ["a/000000000", "a/000000001", "c/000000020", "c/000000021", "c/000000022"]
    assert keys[-1] == "c/000000022" and keys[1:3] == ["a/000000001", "c/000000020"] and len(keys) == 5
    with pytest.raises(IndexError):
        keys[5]

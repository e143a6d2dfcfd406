"""Packing: every source, nothing lost, resumable, checked; and training from shards goes on exactly."""

import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from helpers.drawn_faces import drawn_face, encoded, noise_face, save, scenery, write_tar

from gdrd_lab.cli import main
from gdrd_lab.datasets.base import ArrayFaces, ReadOptions, to_tensor
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.labels import NumberedKeys
from gdrd_lab.datasets.registry import load_dataset
from gdrd_lab.datasets.shards.index import index_path, read_shard_index
from gdrd_lab.datasets.shards.manifest import FolderImages, PackCheck, Source, check_pack
from gdrd_lab.datasets.shards.pack import PackConfig, pack
from gdrd_lab.datasets.shards.reader import ShardFaces, find_shards
from gdrd_lab.datasets.split import split_identities
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.sface import load_sface
from gdrd_lab.training.data import StepBatches
from gdrd_lab.training.teacher_targets import teacher_embeddings
from gdrd_lab.transforms.augmentation import AugmentConfig
from gdrd_lab.transforms.resize import downscale


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
    assert check_pack(tmp_path / "out", progress=False).damaged == ()


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
    assert check_pack(tmp_path / "out", progress=False).damaged == (shard.name,)
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
    assert faces.cached_embeddings(None) is None


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
    keys = NumberedKeys(2, 0, 3, prefixes=["a/", "b/", "c/"], firsts=[0, 10, 20], digits=9)
    assert list(keys) == ["a/000000000", "a/000000001", "c/000000020", "c/000000021", "c/000000022"]
    assert keys[-1] == "c/000000022" and keys[1:3] == ["a/000000001", "c/000000020"] and len(keys) == 5
    with pytest.raises(IndexError):
        keys[5]


THREES = PackConfig(faces_per_shard=3)


def packed(tmp_path: Path, config: PackConfig = THREES) -> Path:
    """Seven images in three shards, with their source on record."""
    people(tmp_path / "in")
    pack(Source(str(tmp_path / "in")), tmp_path / "out", config, progress=False)
    return tmp_path / "out"


def exchange(first: Path, second: Path) -> None:
    """Let two files change places."""
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])


def test_images_that_were_replaced_are_packed_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = packed(tmp_path)
    argv = ["data", "check", str(out), "--quiet"]
    assert check_pack(out, progress=False) == PackCheck((), (), True) and main(argv) == 0
    kept = (out / "faces-000000.tar").stat().st_mtime_ns
    files = sorted((tmp_path / "in").rglob("*.png"))
    exchange(files[3], files[4])  # of one person: keys and identities stay
    assert check_pack(out, progress=False) == PackCheck((), ("faces-000001.tar",), True)
    assert main(argv) == 2 and "The images of 1 shards have changed since" in capsys.readouterr().err
    again = ["data", "pack", str(tmp_path / "in"), str(out), "--faces-per-shard", "3", "--workers", "1", "--quiet"]
    with pytest.warns(UserWarning, match=r"1 shards are packed again, among them faces-000001\.tar"):
        assert main(again) == 0
    assert (out / "faces-000000.tar").stat().st_mtime_ns == kept and main(argv) == 0
    faces, source = load_dataset(out), FolderImages(tmp_path / "in")
    assert all(faces.content(index) == source.content(index) for index in range(7))  # type: ignore[attr-defined]


def test_a_source_that_is_gone_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = packed(tmp_path)
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    assert check_pack(out, progress=False) == PackCheck((), (), False)
    assert main(["data", "check", str(out), "--quiet"]) == 0
    assert "is whole; its source cannot be opened to compare with" in capsys.readouterr().out


def test_more_or_fewer_images_in_the_source_are_seen(tmp_path: Path) -> None:
    out = packed(tmp_path)
    save(tmp_path / "in" / "person2" / "9.png", noise_face(9))
    assert check_pack(out, progress=False).outdated == ("faces-000002.tar",)
    for number in (97, 98):
        save(tmp_path / "in" / "person2" / f"{number}.png", noise_face(number))
    assert check_pack(out, progress=False).outdated == ("faces-000002.tar", "faces-000003.tar")


def test_packs_by_other_readings_or_teachers_are_refused(tmp_path: Path) -> None:
    out = packed(tmp_path)
    source = Source(str(tmp_path / "in"), ReadOptions(face_selection="largest"))
    with pytest.raises(GdrdError, match=r"other faces or settings \(reading\)"):
        pack(source, out, THREES, progress=False)


def test_an_index_is_not_used_for_another_shard_of_the_same_size(tmp_path: Path) -> None:
    out = packed(tmp_path, PackConfig(faces_per_shard=4, embed="sface"))
    first, second = find_shards(out)
    content = bytearray(first.read_bytes())
    content[index_faces(first)[0] : index_faces(first)[0] + 8] = b"no image"
    first.write_bytes(content)
    assert read_shard_index(first) is None and read_shard_index(second) is not None
    faces = ShardFaces([first, second])
    assert faces.teacher is None and faces.cached_embeddings("sface") is None
    with pytest.raises(GdrdError, match="cannot be read as an image"):
        faces[0]


def index_faces(shard: Path) -> list[int]:
    index = read_shard_index(shard)
    assert index is not None
    return index.offsets.tolist()


def test_a_copied_pack_is_read_once_and_then_known(tmp_path: Path) -> None:
    out = packed(tmp_path)
    before = dataset_fingerprint(load_dataset(out))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in out.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert dataset_fingerprint(load_dataset(copy)) == before
    for shard in find_shards(copy):
        assert read_shard_index(shard) is not None
        assert shard.stat().st_mtime_ns == (out / shard.name).stat().st_mtime_ns


def test_shards_whose_images_change_places_are_another_set(tmp_path: Path) -> None:
    out, teacher = packed(tmp_path, PackConfig(embed="sface")), load_sface()
    faces = load_dataset(out)
    embeddings, before = teacher_embeddings(teacher, faces, progress=False), dataset_fingerprint(faces)
    files = sorted((tmp_path / "in").rglob("*.png"))
    exchange(files[0], files[1])
    with pytest.warns(UserWarning, match="packed again"):
        pack(Source(str(tmp_path / "in")), out, PackConfig(embed="sface"), progress=False)
    faces = load_dataset(out)
    assert dataset_fingerprint(faces) != before
    assert torch.equal(teacher_embeddings(teacher, faces, progress=False)[:2], embeddings[[1, 0]])


def test_another_teacher_of_the_same_name_embeds_anew(tmp_path: Path) -> None:
    faces, teacher = load_dataset(packed(tmp_path, PackConfig(embed="sface"))), load_sface()
    stored = teacher_embeddings(teacher, faces, progress=False)
    with torch.no_grad():
        next(iter(teacher.parameters())).mul_(-1)
    assert (teacher_embeddings(teacher, faces, progress=False) - stored).abs().max() > 0.05


def test_names_of_people_survive(tmp_path: Path) -> None:
    faces = load_dataset(packed(tmp_path))
    assert list(faces.identities) == ["person0", "person1", "person2"]
    assert list(split_identities(faces, 0.4)[1].keys) == [
        key
        for key, label in zip(faces.keys, faces.labels, strict=True)
        if int(label) in set(split_identities(FolderImages(tmp_path / "in"), 0.4)[1].labels.tolist())
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--faces-per-shard", "0"], "0 faces per shard are too few"),
        (["--faces-per-shard", "-3"], "-3 faces per shard are too few"),
        (["--quality", "101"], "A JPEG quality of 101 does not exist"),
        (["--workers", "0"], "0 processes cannot pack"),
        (["--side", "8"], "Small packs have faces of 16 to 1024 px and a quality"),
        (["--side", "64", "--quality", "0"], "Small packs have faces of 16 to 1024 px and a quality"),
        (["--embed", "nobody"], "nobody"),
    ],
)
def test_settings_are_checked_before_the_first_step(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    people(tmp_path / "in")
    assert main(["data", "pack", str(tmp_path / "in"), str(tmp_path / "out"), "--quiet", *flags]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and not (tmp_path / "out").exists()


def test_places_that_cannot_receive_a_pack(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    people(tmp_path / "in")
    (tmp_path / "file").write_text("")
    for out, message in ((tmp_path / "file" / "out", "could not be written"), (tmp_path / "in" / "out", "lies in")):
        assert main(["data", "pack", str(tmp_path / "in"), str(out), "--workers", "1", "--quiet"]) == 2
        told = capsys.readouterr().err
        assert message in told and told.count("\n") == 1


def test_small_faces_and_their_embeddings_are_packed(tmp_path: Path) -> None:
    crops = [noise_face(0, 6)[:, :5], noise_face(1, 16), noise_face(2)]
    for number, crop in enumerate(crops):
        save(tmp_path / "in" / "ann" / f"{number}.png", crop)
    pack(Source(str(tmp_path / "in")), tmp_path / "out", PackConfig(embed="sface"), progress=False)
    faces, source, teacher = load_dataset(tmp_path / "out"), FolderImages(tmp_path / "in"), load_sface()
    assert isinstance(faces, ShardFaces) and [faces[index].shape[0] for index in range(3)] == [6, 16, 112]
    assert faces.content(0) == source.content(0)
    stored = teacher_embeddings(teacher, faces, progress=False)
    assert torch.allclose(stored, teacher_embeddings(teacher, source, progress=False), atol=1e-3)


def test_files_whose_names_are_not_utf8(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    people(tmp_path / "in")
    (tmp_path / "in" / "person0" / os.fsdecode(b"caf\xe9.png")).write_bytes(encoded(noise_face(9)))
    (tmp_path / "in" / "person0" / os.fsdecode(b"bad\xe9.png")).write_bytes(b"no image")
    argv = ["data", "pack", str(tmp_path / "in"), str(tmp_path / "out"), "--workers", "1", "--quiet"]
    assert main(argv) == 0 and main(argv) == 0 and main(["data", "check", str(tmp_path / "out"), "--quiet"]) == 0
    assert len(load_dataset(tmp_path / "out")) == 8 and capsys.readouterr().err == ""


def test_people_who_are_renamed_are_seen(tmp_path: Path) -> None:
    members = {f"{n}.png": encoded(noise_face(n)) for n in range(3)} | {f"{n}.cls": b"ann" for n in range(3)}
    write_tar(tmp_path / "in.tar", members)
    pack(Source(str(tmp_path / "in.tar")), tmp_path / "out", progress=False)
    assert check_pack(tmp_path / "out", progress=False) == PackCheck((), (), True)
    write_tar(tmp_path / "in.tar", members | {f"{n}.cls": b"bob" for n in range(3)})
    assert check_pack(tmp_path / "out", progress=False).outdated == ("faces-000000.tar",)
    with pytest.raises(GdrdError, match=r"other faces or settings \(keys\)"):
        pack(Source(str(tmp_path / "in.tar")), tmp_path / "out", progress=False)


def test_a_small_pack_holds_the_same_people_in_fewer_bytes(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = synthetic_faces(20, 5)
    for index in range(len(source)):
        save(tmp_path / f"in/{source.identities[source.labels[index]]}/{index}.png", source[index])
    out = tmp_path / "out"
    argv = ["data", "pack", str(tmp_path / "in"), str(out), "--side", "64", "--shard-mb", "0.05", "--workers", "1"]
    assert main([*argv, "--quiet"]) == 0 and main([*argv, "--quiet"]) == 0  # the second call finds all done
    shards = find_shards(out)
    assert len(shards) > 2 and all(shard.stat().st_size < 60_000 for shard in shards)
    assert (
        sum(file.stat().st_size for file in out.iterdir()) < 100 * 1644 + 20_000
    )  # of which each shard's end is 10 kB
    faces, whole = load_dataset(out), FolderImages(tmp_path / "in")
    assert faces.size == 64 and faces.labels.tolist() == whole.labels.tolist()
    assert list(faces.identities) == list(whole.identities)
    expected = downscale(to_tensor([whole[k] for k in range(100)]), 64)
    error = (to_tensor([faces[k] for k in range(100)]) - expected).square().mean()
    assert -10 * error.log10() > 30  # PSNR in dB
    assert main(["data", "check", str(out), "--quiet"]) == 0


def test_packs_of_earlier_versions_which_had_no_side_are_continued() -> None:
    assert "side" not in PackConfig().record() and PackConfig(side=64, quality=75).record()["side"] == 64

"""Damaged images among encoded faces: named or left out when the set is opened for training, never in a run."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import encoded, noise_face, write_tar

from gdrd_lab.datasets.base import ArrayFaces, FaceDataset, ReadOptions, concatenate, subset
from gdrd_lab.datasets.readable import require_readable
from gdrd_lab.datasets.registry import load_dataset, report
from gdrd_lab.datasets.shards.pack import pack
from gdrd_lab.datasets.shards.reader import ShardFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.training import recipes
from gdrd_lab.training.checks import check_run
from gdrd_lab.training.data import StepBatches
from gdrd_lab.transforms.augmentation import AugmentConfig

SKIP = ReadOptions(skip_unreadable=True, progress=False)


def shard(tmp_path: Path, sizes: tuple[int, ...] = (16,) * 9, bad: tuple[int, ...] = (4,)) -> Path:
    """A shard of labelled faces; some JPEG files are cut near their end, which only a decoder sees."""
    members: dict[str, bytes] = {}
    for number, size in enumerate(sizes):
        content = encoded(noise_face(number, size), "JPEG")
        members[f"{number}.jpg"] = content[:-40] if number in bad else content
        members[f"{number}.cls"] = str(number // 3).encode()
    return write_tar(tmp_path / "a.tar", members)


def test_a_damaged_image_is_named_before_a_training(tmp_path: Path) -> None:
    path = shard(tmp_path)
    assert len(load_dataset(path)) == 9  # opened for other uses, images are read when asked for
    for _ in range(2):
        with pytest.raises(GdrdError, match=r"1 of 9 images of .* cannot be used \(4: .*truncated") as caught:
            load_dataset(path, training=True, options=ReadOptions(progress=False))
        assert "\n" not in str(caught.value)


def test_a_training_continues_without_it_and_counts_it(tmp_path: Path) -> None:
    path = shard(tmp_path)
    with pytest.warns(UserWarning, match="1 of 9 images of .* cannot be used and were left out"):
        faces = load_dataset(path, training=True, options=SKIP)
    assert (
        list(faces.keys) == [str(n) for n in range(9) if n != 4]
        and faces.labels.tolist() == [0] * 3 + [1] * 2 + [2] * 3
    )
    assert (report(faces).seen, report(faces).used) == (9, 8)
    batches = StepBatches(faces, 4, (8,), AugmentConfig(), seed=0, steps=4)
    assert len([batch.step for batch in batches.iterate(0, workers=0)]) == 4


def test_what_was_checked_is_not_read_again_unless_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = shard(tmp_path, bad=()), []
    whole = ShardFaces.content

    def content(self: ShardFaces, index: int) -> bytes:
        read.append(index)
        return whole(self, index)

    monkeypatch.setattr(ShardFaces, "content", content)
    options = ReadOptions(align="never", progress=False)
    load_dataset(path, training=True, options=options)
    first = len(read)
    load_dataset(path, training=True, options=options)
    assert len(read) - first < first
    shard(tmp_path, bad=(7,))
    with pytest.raises(GdrdError, match=r"\(7: "):
        load_dataset(path, training=True, options=options)


def test_faces_of_several_sizes_are_brought_to_one_for_training(tmp_path: Path) -> None:
    sizes = (16,) * 40
    path = shard(tmp_path, (*sizes, 24, *sizes), bad=())  # the larger one is not among those looked at when opened
    faces = load_dataset(path, training=True, options=ReadOptions(progress=False))
    assert isinstance(faces, FaceDataset) and faces.size == 24 and not faces.mixed
    assert {faces[index].shape for index in range(len(faces))} == {(24, 24, 3)}
    assert load_dataset(path, options=SKIP).mixed


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(GdrdError, match="3 of 3 images"):
        load_dataset(shard(tmp_path, (16,) * 3, (0, 1, 2)), training=True, options=SKIP)


def test_every_pixel_survives_the_check(tmp_path: Path) -> None:
    path = shard(tmp_path)
    with pytest.warns(UserWarning, match="1 of 9"):
        faces = load_dataset(path, options=SKIP)
    np.testing.assert_array_equal(faces[4], ShardFaces([path])[5])


def test_a_pack_is_not_checked_again_unless_it_was_damaged_since(tmp_path: Path) -> None:
    shard(tmp_path, (16,) * 40 + (24,), ())
    pack(ShardFaces([tmp_path / "a.tar"]), tmp_path / "out", progress=False)
    faces = load_dataset(tmp_path / "out", options=ReadOptions(progress=False))
    assert isinstance(faces, ShardFaces) and faces.checked and faces.mixed and faces.size == 24
    assert load_dataset(tmp_path / "out", training=True, options=ReadOptions(progress=False)).size == 24
    (packed,) = (tmp_path / "out").glob("*.tar")
    content = bytearray(packed.read_bytes())
    content[512:530] = bytes(18)  # the start of the first image
    packed.write_bytes(content)
    with pytest.raises(GdrdError, match="1 of 41 images"):
        load_dataset(tmp_path / "out", training=True, options=ReadOptions(progress=False))


def test_a_damaged_face_is_found_in_every_part_of_a_set(tmp_path: Path) -> None:
    faces = ShardFaces([shard(tmp_path)])  # opened by the class: nothing was checked
    plain = ArrayFaces(np.stack([noise_face(n, 16) for n in range(3)]))
    for part, key in ((faces, "4"), (subset(faces, [8, 4]), "4"), (concatenate(plain, faces), f"{faces.name}/4")):
        with pytest.raises(GdrdError, match=rf"1 of {len(part)} images of .* cannot be used \({key}: "):
            require_readable(part)
    require_readable(concatenate(plain, subset(faces, [0, 8])))
    many = concatenate(faces, *[plain] * 10)
    with pytest.raises(GdrdError, match="1 of 39 images"):
        check_run(recipes.smoke(), many, ["generative"])

"""InsightFace's .rec files, from records written here in exactly that layout."""

import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import encoded, noise_face
from helpers.records import write_record

from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.insightface.recordio import MAGIC, RecordFaces, find_records, read_index
from gdrd_lab.datasets.registry import load_dataset, report
from gdrd_lab.errors import GdrdError

IDENTITIES = [7, 7, 3, 9]


def packed(label: float | list[float], content: bytes = b"", number: int = 0) -> bytes:
    """As mxnet.recordio.pack: flag, label, id, id2, then the labels of a list, then the image."""
    if isinstance(label, list):
        return struct.pack("<IfQQ", len(label), 0.0, number, 0) + struct.pack(f"<{len(label)}f", *label) + content
    return struct.pack("<IfQQ", 0, label, number, 0) + content


def write_rec(folder: Path, with_header: bool = True, lists: bool = False) -> list[np.ndarray]:
    """Records 1 to 4 are images; 0 says so; 5 to 7 give each identity's range of images, as InsightFace writes them."""
    images = [noise_face(seed) for seed in range(4)]
    contents: dict[int, bytes] = {}
    for number, (image, identity) in enumerate(zip(images, IDENTITIES, strict=True), 1):
        label: float | list[float] = [float(identity), 0.0] if lists else float(identity)
        contents[number] = packed(label, encoded(image), number)
    if with_header:
        contents[0] = packed([5.0, 8.0])
        ranges = ((3.0, 4.0), (1.0, 3.0), (4.0, 5.0))
        contents.update({number: packed(list(part)) for number, part in zip((5, 6, 7), ranges, strict=True)})
    folder.mkdir(parents=True, exist_ok=True)
    place, lines = 0, []
    with (folder / "train.rec").open("wb") as file:
        for number in sorted(contents, key=lambda number: (number != 2, number)):  # the order on disk is free
            lines.append(f"{number}\t{place}")
            place += file.write(write_record(contents[number]))
    (folder / "train.idx").write_text("\n".join(lines) + "\n")
    (folder / "property").write_text("3,112,112\n")
    return images


@pytest.mark.parametrize("lists", [False, True])
def test_faces_and_identities(tmp_path: Path, lists: bool) -> None:
    images = write_rec(tmp_path / "ms1m", lists=lists)
    faces = load_dataset(tmp_path / "ms1m")
    assert isinstance(faces, RecordFaces) and faces.name == "ms1m" and len(faces) == 4
    assert faces.labels.tolist() == [1, 1, 0, 2] and list(faces.keys) == ["1", "2", "3", "4"]
    for index in (3, 0, 2, 1):
        np.testing.assert_array_equal(faces[index], images[index])


def test_a_file_without_the_first_record(tmp_path: Path) -> None:
    images = write_rec(tmp_path, with_header=False)
    faces = RecordFaces(tmp_path / "train.rec")
    assert len(faces) == 4
    np.testing.assert_array_equal(faces[2], images[2])


def test_records_are_those_of_dmlc() -> None:
    """By hand: magic, length, content, padding; and content that holds the magic number is cut there."""
    mark = struct.pack("<I", MAGIC)
    assert write_record(b"abcde") == mark + struct.pack("<I", 5) + b"abcde\0\0\0"
    parts = mark + struct.pack("<I", 1 << 29 | 4) + b"1234" + mark + struct.pack("<I", 3 << 29 | 2) + b"56\0\0"
    assert write_record(b"1234" + mark + b"56") == parts


def test_an_image_that_holds_the_magic_number(tmp_path: Path) -> None:
    content = encoded(noise_face(0))
    content += (
        b"\0" * (-(len(content)) % 4) + struct.pack("<I", MAGIC) + b"end"
    )  # after a PNG's end anything may follow
    record = write_record(packed(0.0, content))
    assert record.count(struct.pack("<I", MAGIC)) == 2 and struct.unpack_from("<I", record, 4)[0] >> 29 == 1
    (tmp_path / "train.rec").write_bytes(record)
    (tmp_path / "train.idx").write_text("0\t0\n")
    faces = RecordFaces(tmp_path / "train.rec")
    assert faces.content(0) == content
    np.testing.assert_array_equal(faces[0], noise_face(0))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    write_rec(tmp_path)
    whole = (tmp_path / "train.rec").read_bytes()
    (tmp_path / "train.rec").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GdrdError, match=r"cut off or does not fit train\.idx"):
        RecordFaces(tmp_path / "train.rec")
    (tmp_path / "train.rec").write_bytes(whole)
    (tmp_path / "train.idx").write_text("0\t4\n")
    with pytest.raises(GdrdError, match="does not fit"):
        RecordFaces(tmp_path / "train.rec")
    (tmp_path / "train.idx").write_text("nothing\n")
    with pytest.raises(GdrdError, match=r"not the index of a \.rec file"):
        RecordFaces(tmp_path / "train.rec")
    (tmp_path / "train.idx").write_text("")
    with pytest.raises(GdrdError, match=r"not the index of a \.rec file \(it is empty\)"):
        RecordFaces(tmp_path / "train.rec")
    (tmp_path / "train.idx").unlink()
    with pytest.raises(GdrdError, match=r"Put the \.idx file beside"):
        RecordFaces(tmp_path / "train.rec")


def test_index_rows_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.idx").write_text("2\t0\n0\t96\n1\t40\n")
    numbers, places = read_index(tmp_path / "a.idx")
    assert numbers.tolist() == [0, 1, 2] and places.tolist() == [96, 40, 0]


def write_records(path: Path, contents: dict[int, bytes]) -> Path:
    """A .rec file of some records, with its .idx."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place, lines = 0, []
    with path.open("wb") as file:
        for number, content in contents.items():
            lines.append(f"{number}\t{place}")
            place += file.write(write_record(content))
    path.with_suffix(".idx").write_text("\n".join(lines) + "\n")
    return path


def test_im2rec_with_two_labels_loses_no_image(tmp_path: Path) -> None:
    """Record 0 of im2rec is an image whose two labels are no range of records, as InsightFace's are."""
    records = {n: packed([float(3 + n // 2), 0.5], encoded(noise_face(n, 16)), n) for n in range(8)}
    faces = RecordFaces(write_records(tmp_path / "a.rec", records))
    assert faces.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and list(faces.identities) == ["3", "4", "5", "6"]
    np.testing.assert_array_equal(faces[0], noise_face(0, 16))


def test_unknown_labels_and_fractions(tmp_path: Path) -> None:
    labels = [float("nan"), -1.0, 0.2, 0.7, 0.2]
    records = {n: packed(label, encoded(noise_face(n, 16)), n) for n, label in enumerate(labels)}
    assert RecordFaces(write_records(tmp_path / "a.rec", records)).labels.tolist() == [-1, -1, 0, 1, 0]


@pytest.mark.parametrize("left", [4, 20, 200, -5])
def test_a_file_cut_in_its_last_image_opens_without_it(tmp_path: Path, left: int) -> None:
    records = {n: packed(float(n), encoded(noise_face(n, 16)), n) for n in range(3)}
    path = write_records(tmp_path / "a.rec", records)
    whole, last = path.read_bytes(), int(path.with_suffix(".idx").read_text().split()[-1])
    path.write_bytes(whole[: last + left] if left > 0 else whole[:left])
    with pytest.warns(UserWarning, match=r"a\.rec is cut off in its last image, 2, which is left out"):
        faces = RecordFaces(path)
    assert len(faces) == 2 and "cut off" in report(faces).notes[0]
    np.testing.assert_array_equal(faces[1], noise_face(1, 16))


def test_an_image_of_several_parts_that_is_cut(tmp_path: Path) -> None:
    content = encoded(noise_face(0, 16))
    content += b"\0" * (-len(content) % 4) + struct.pack("<I", MAGIC) + b"end of it"
    path = write_records(tmp_path / "a.rec", {0: packed(0.0, encoded(noise_face(1, 16))), 1: packed(1.0, content)})
    assert len(RecordFaces(path)) == 2 and RecordFaces(path).content(1) == content
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.warns(UserWarning, match="last image, 1,"):
        assert len(RecordFaces(path)) == 1


def test_an_index_that_is_cut_says_that_images_are_lost(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.rec", {n: packed(float(n), encoded(noise_face(n, 16)), n) for n in range(4)})
    lines = path.with_suffix(".idx").read_text().splitlines(keepends=True)
    lost = path.stat().st_size - int(lines[2].split()[1])
    path.with_suffix(".idx").write_text("".join(lines[:2]))
    with pytest.warns(UserWarning, match=rf"a\.idx does not name {lost:,} bytes of a\.rec: images are lost"):
        assert len(RecordFaces(path)) == 2


def test_several_files_are_one_set(tmp_path: Path) -> None:
    def part(name: str, labels: list[float]) -> Path:
        records = {n: packed(label, encoded(noise_face(n, 16)), n) for n, label in enumerate(labels)}
        return write_records(tmp_path / name, records)

    restarted = [part("a/train.rec", [0, 0, 1]), part("a/val.rec", [0, 1, 2])]
    faces = RecordFaces(restarted)
    assert list(faces.identities) == ["train/0", "train/1", "val/0", "val/1", "val/2"]
    assert faces.labels.tolist() == [0, 0, 1, 2, 3, 4] and faces.keys[3] == "val/0"
    assert "equal numbers are different people" in faces.notes[0]
    parts = [part("b/part_0.rec", [5, 9]), part("b/part_1.rec", [9, 7])]
    assert find_records(tmp_path / "b") == parts and find_records(tmp_path / "a") == restarted[:1]
    assert RecordFaces(restarted[0]).notes == ["val.rec in the same folder: not opened"]
    faces = RecordFaces(parts)
    assert list(faces.identities) == ["5", "7", "9"] and faces.labels.tolist() == [0, 2, 2, 1]
    np.testing.assert_array_equal(faces[3], noise_face(1, 16))
    before = dataset_fingerprint(faces)
    assert dataset_fingerprint(RecordFaces(parts[::-1])) != before

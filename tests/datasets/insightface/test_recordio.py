"""InsightFace's .rec files, from records written here in exactly that layout."""

import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import encoded, noise_face

from gdrd_lab.datasets.insightface.recordio import MAGIC, RecordFaces, read_index, read_property, write_record
from gdrd_lab.datasets.registry import load_dataset
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
    assert read_property(tmp_path / "ms1m" / "property") == (3, 112, 112)


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
    with pytest.raises(GdrdError, match=r"no index of a \.rec file"):
        RecordFaces(tmp_path / "train.rec")
    (tmp_path / "train.idx").unlink()
    with pytest.raises(GdrdError, match=r"Put the \.idx file beside"):
        RecordFaces(tmp_path / "train.rec")
    with pytest.raises(GdrdError, match="no InsightFace property file"):
        read_property(tmp_path / "none")


def test_index_rows_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.idx").write_text("2\t0\n0\t96\n1\t40\n")
    numbers, places = read_index(tmp_path / "a.idx")
    assert numbers.tolist() == [0, 1, 2] and places.tolist() == [96, 40, 0]

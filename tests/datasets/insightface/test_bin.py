"""InsightFace's verification pickles: read as plain values, and never run."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import encoded, noise_face

from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.insightface.bin import BinFaces, bin_pairs, load_plain, read_bin
from gdrd_lab.datasets.registry import load_dataset, open_pairs
from gdrd_lab.errors import GdrdError

GENUINE = [True, True, False, False, True, False, True]


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.path, "sprung")


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_pairs_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    images = [encoded(noise_face(seed)) for seed in range(14)]
    path = tmp_path / "toy.bin"
    path.write_bytes(pickle.dumps((images, GENUINE), protocol))
    faces = load_dataset(path)
    assert isinstance(faces, BinFaces) and faces.name == "toy" and len(faces) == 14 and (faces.labels == -1).all()
    np.testing.assert_array_equal(faces[5], noise_face(5))
    pairs = open_pairs(faces)
    assert pairs.first.tolist() == [0, 2, 4, 6, 8, 10, 12] and (pairs.second == pairs.first + 1).all()
    assert pairs.genuine.tolist() == GENUINE
    assert bin_pairs(faces, folds=3).fold.tolist() == [0, 0, 0, 1, 1, 2, 2]  # scikit-learn's KFold(3)


def test_what_python_2_wrote(tmp_path: Path) -> None:
    """Its bytes are (SHORT_)BINSTRING opcodes, and its booleans may be integers."""
    path = tmp_path / "old.bin"
    path.write_bytes(b"\x80\x02](U\x03oneT\x04\x00\x00\x00\xfftwoe]K\x01a\x86.")
    images, genuine = read_bin(path)
    assert images == [b"one", b"\xfftwo"] and genuine.tolist() == [True]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_program_in_the_file_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    for number, value in enumerate((Trap(tmp_path / "sprung"), ([Trap(tmp_path / "sprung")], [True]))):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(pickle.dumps(value, protocol))
        with pytest.raises(GdrdError, match="could run a program"):
            read_bin(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'touch sprung'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x05touch\x85R.",
        b"(S'touch sprung'\nios\nsystem\n.",
        b"c_codecs\nencode\ncos\nsystem\n(S'true'\ntR.",
        b"c_codecs\nlookup\n(S'latin1'\ntR.",
        b"\x80\x02}.",
        b"\x80\x02G\x3f\xf0\x00\x00\x00\x00\x00\x00.",
    ],
)
def test_hand_made_programs_and_other_values_are_refused(content: bytes) -> None:
    with pytest.raises(GdrdError, match="could run a program"):
        load_plain(content, "x.bin")


def test_the_name_let_through_makes_bytes_and_nothing_else() -> None:
    for wrong in (b"c_codecs\nencode\n(I1\ntR.", b"c_codecs\nencode\n(V1\nVrot13\ntR."):
        with pytest.raises(ValueError, match="no bytes"):
            load_plain(wrong, "x.bin")
    assert load_plain(pickle.dumps(b"\xff\x00a", 2), "x.bin") == b"\xff\x00a"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (([b"a"], [True]), "1 images for 1 pairs"),
        (([b"a", "b"], [True]), "an image is not bytes"),
        (([b"a", b"b"], [2]), "neither genuine nor impostor"),
        ([b"a"], "not enough values"),
        (([], []), "0 images for 0 pairs"),
        ((b"a", b"b"), "not two lists"),
    ],
)
def test_other_shapes_are_named(tmp_path: Path, value: object, message: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(GdrdError, match=f"not an InsightFace verification file .*{message}"):
        read_bin(path)


def test_a_file_cut_off(tmp_path: Path) -> None:
    whole = pickle.dumps(([b"a" * 100, b"b"], [True]))
    for end in (0, 1, 5, len(whole) // 2, len(whole) - 1):
        (tmp_path / "x.bin").write_bytes(whole[:end])
        with pytest.raises(GdrdError, match="not an InsightFace verification file"):
            read_bin(tmp_path / "x.bin")
    assert pickle.load(io.BytesIO(whole))  # whole it is one


def test_the_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    images = [encoded(noise_face(seed, 16)) for seed in range(4)]
    names = []
    for order in ([0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 2, 3]):
        (tmp_path / "x.bin").write_bytes(pickle.dumps(([images[place] for place in order], [True, False])))
        names.append(dataset_fingerprint(BinFaces(tmp_path / "x.bin")))
    assert names[0] == names[2] != names[1]

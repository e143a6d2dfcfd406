"""CelebA's official layout, on a stand-in of it."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import drawn_face, noise_face, save

from gdrd_lab.alignment.yunet import crop
from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.celeba import LandmarkedFaces, celeba, is_celeba
from gdrd_lab.datasets.registry import report
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

# Image number -> (identity, official part)
IMAGES = {1: (2880, 0), 2: (2937, 0), 3: (2880, 0), 4: (5805, 1), 5: (9295, 2), 6: (5805, 1)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make(root: Path, landmarks: bool = False, folders: tuple[str, str, str] = ("", "", "")) -> Path:
    """Images of 178 x 218 and the lists, in one folder or in Img, Anno and Eval."""
    img, anno, split = (root / folder for folder in folders)
    for number in IMAGES:
        picture = np.full((218, 178, 3), 110, np.uint8)
        picture[30:208] = drawn_face(178, number % 3)
        save(img / "img_align_celeba" / f"{number:06d}.jpg", picture)
    anno.mkdir(exist_ok=True)
    split.mkdir(exist_ok=True)
    names = [f"{number:06d}.jpg" for number in IMAGES]
    values = list(IMAGES.values())
    (anno / "identity_CelebA.txt").write_text(
        "".join(f"{name} {value[0]}\n" for name, value in zip(names, values, strict=True)) + "000099.jpg 7\n"
    )
    (split / "list_eval_partition.txt").write_text(
        "".join(f"{name} {value[1]}\n" for name, value in zip(names, values, strict=True))
    )
    if landmarks:
        points = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
        head = f"{len(names)}\n" + " ".join(f"{point}_x {point}_y" for point in points) + "\n"
        rows = "".join(f"{name}   71  110  107  110   89  136   75  155  103  155\n" for name in names)
        (anno / "list_landmarks_align_celeba.txt").write_text(head + rows)
    return root


@pytest.mark.parametrize("folders", [("", "", ""), ("Img", "Anno", "Eval")])
def test_identities_and_parts(folders: tuple[str, str, str], tmp_path: Path) -> None:
    root = make(tmp_path / "celeba", True, folders)
    assert is_celeba(root)
    faces = celeba(root)
    assert list(faces.keys) == [f"{number:06d}" for number in IMAGES] and faces.name == "CelebA"
    assert faces.labels.tolist() == [0, 1, 0, 2, 3, 2]
    assert celeba(root, "valid").labels.tolist() == [0, 0] and len(celeba(root, "test")) == 1
    assert celeba(root, "train").name == "CelebA train"


def test_landmarks_of_the_list_are_used_without_a_detector(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "celeba", True)
    monkeypatch.setattr("gdrd_lab.datasets.folder.align_many", None)
    face = celeba(root)[3]
    points = np.array([[71, 110], [107, 110], [89, 136], [75, 155], [103, 155]], float)
    np.testing.assert_array_equal(face, crop(read_image(root / "img_align_celeba" / "000004.jpg"), points))
    assert not cache.exists()


def test_without_landmarks_yunet_aligns_once(tmp_path: Path, cache: Path) -> None:
    root = make(tmp_path / "celeba")
    faces = celeba(root, options=ReadOptions(progress=False))
    assert len(faces) == 6 and faces[0].shape == (112, 112, 3)
    assert len(list(cache.rglob("*.safetensors"))) == 1


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(GdrdError, match="is not a folder of CelebA"):
        celeba(tmp_path)
    root = make(tmp_path / "celeba")
    (root / "list_eval_partition.txt").unlink()
    with pytest.raises(GdrdError, match=r"no part 'train'.*list_eval_partition\.txt"):
        celeba(root, "train")


@pytest.mark.parametrize("line", ["000002.jpg", "000002.jpg x", "000002.jpg 1 2"])
def test_damaged_list_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    root = make(tmp_path / "celeba")
    lines = (root / "identity_CelebA.txt").read_text().splitlines()
    lines[3] = line
    (root / "identity_CelebA.txt").write_text("\n".join(lines))
    with pytest.raises(GdrdError, match=r"Line 4 of .* is damaged"):
        celeba(root)


def test_list_of_other_images_is_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "celeba")
    (root / "identity_CelebA.txt").write_text("900000.jpg 1\n")
    with pytest.raises(GdrdError, match="has no images that"):
        celeba(root)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_in_other_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    root = make(tmp_path / "celeba", True)
    for file in root.glob("*.txt"):
        file.write_bytes(file.read_text().encode(encoding))
    faces = celeba(root)
    assert faces.labels.tolist() == [0, 1, 0, 2, 3, 2] and isinstance(faces, LandmarkedFaces)


def test_aligned_celeba_of_another_suffix_keeps_its_identities(tmp_path: Path, cache: Path) -> None:
    root = make(tmp_path / "celeba", True)
    for seed, file in enumerate(sorted((root / "img_align_celeba").iterdir())):
        save(file.with_suffix(".png"), noise_face(seed))
        file.unlink()
    faces = celeba(root)
    assert faces.labels.tolist() == [0, 1, 0, 2, 3, 2] and list(faces.keys) == [f"{number:06d}" for number in IMAGES]
    np.testing.assert_array_equal(faces[3], noise_face(3))  # the list's landmarks are those of the photographs
    assert not cache.exists()


def test_an_identity_that_means_unknown_is_nobody_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    root = make(tmp_path / "celeba", True)
    lines = (root / "identity_CelebA.txt").read_text().splitlines()
    (root / "identity_CelebA.txt").write_text("\n".join([lines[0], "000002.jpg -1", *lines[3:]]))
    faces = celeba(root)
    assert faces.labels.tolist() == [0, -1, 1, 2, 1] and list(faces.identities) == ["2880", "5805", "9295"]
    assert report(faces).left_out == {"identity_CelebA.txt does not name it": 1} and report(faces).seen == 6

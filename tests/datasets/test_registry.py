"""A face set is opened by name or path, and LFW is never trained on."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import drawn_face, encoded, noise_face, save, write_tar
from PIL import Image

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.folder import FolderFaces, write_faces
from gdrd_lab.datasets.huggingface import SavedDataset
from gdrd_lab.datasets.registry import load_dataset, training_faces
from gdrd_lab.datasets.shards.reader import ShardFaces
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError

FACES = os.environ.get("GDRD_FACES")
PAIRS = "1\t1\nAnn_Able\t1\t2\nAnn_Able\t1\tBo_Bell\t1\n"


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as $GDRD_FACES is: LFW and the training sets."""
    root = tmp_path / "shared"
    monkeypatch.setenv("GDRD_FACES", str(root))
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    for key in ("Ann_Able/Ann_Able_0001", "Ann_Able/Ann_Able_0002", "Bo_Bell/Bo_Bell_0001"):
        save(root / "lfw" / f"{key}.jpg", drawn_face(176))
    (root / "lfw" / "pairs.txt").write_text(PAIRS)
    for seed, name in enumerate(
        ["celeba10k/3/1.png", "celeba10k/3/2.png", "celeba10k/5/1.png", "celebahq25k/1.png", "utkface/9_1.png"]
    ):
        save(root / name, noise_face(seed))
    return root


def test_training_sets_are_joined(shared: Path) -> None:
    for faces in (training_faces(shared), training_faces(), load_dataset("training", training=True)):
        assert faces.labels.tolist() == [0, 0, 1, -1, -1]
        assert list(faces.keys)[-2:] == ["celebahq25k/1", "utkface/9_1"]
        np.testing.assert_array_equal(faces[3], noise_face(3))


def test_training_sets_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GdrdError, match="no training sets"):
        training_faces(tmp_path)
    monkeypatch.delenv("GDRD_FACES", raising=False)
    with pytest.raises(GdrdError, match="GDRD_FACES"):
        training_faces()


def test_lfw_by_name_and_by_path(shared: Path) -> None:
    for name_or_path in ("lfw", shared / "lfw", str(shared / "lfw")):
        faces = load_dataset(name_or_path)
        assert faces.name == "LFW" and faces.labels.tolist() == [0, 0, 1]


def test_no_progress_bar_where_none_is_wanted(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_dataset("lfw", options=ReadOptions(progress=False))
    assert not capsys.readouterr().err
    save(shared / "more" / "1.png", drawn_face(200))
    load_dataset(shared / "more")
    assert "face" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["lfw", ".", "lfw/."])
def test_lfw_is_refused_for_training(place: str, shared: Path) -> None:
    specs = ["lfw", shared / place] if place == "lfw" else [shared / place]
    for name_or_path in specs:
        with pytest.raises(GdrdError, match="for testing only"):
            load_dataset(name_or_path, training=True)


def test_folders_shards_and_datasets_are_told_apart(shared: Path, tmp_path: Path) -> None:
    assert isinstance(load_dataset(shared / "celeba10k", training=True), FolderFaces)
    tar = write_tar(tmp_path / "a.tar", {"0.png": encoded(noise_face(0))})
    assert isinstance(load_dataset(tar), ShardFaces)
    (tmp_path / "many").mkdir()
    for name in "ab":
        write_tar(tmp_path / "many" / f"{name}.tar", {"0.png": encoded(noise_face(0))})
    assert list(load_dataset(tmp_path / "many").keys) == ["a/0", "b/0"]
    celeba = tmp_path / "celeba"
    save(celeba / "img_align_celeba" / "000001.jpg", drawn_face(178))
    (celeba / "identity_CelebA.txt").write_text("000001.jpg 4\n")
    assert load_dataset(celeba).name == "CelebA"


def test_saved_dataset_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip(
        "datasets", reason="the optional extra is not installed: pip install 'gdrd-lab[large]'"
    )
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rows = datasets.Dataset.from_dict({"image": [{"bytes": encoded(noise_face(0)), "path": None}]})
    rows.cast_column("image", datasets.Image()).save_to_disk(str(tmp_path / "saved"))
    assert isinstance(load_dataset(tmp_path / "saved"), SavedDataset)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(GdrdError, match=r"no faces named nonsense\. Use synthetic, lfw, training"):
        load_dataset("nonsense")


def test_synthetic_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("gdrd_lab.datasets.synthetic")
    module.synthetic_faces = lambda: "the synthetic faces"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gdrd_lab.datasets.synthetic", module)
    assert load_dataset() == "the synthetic faces"


def test_faces_that_do_not_look_aligned_are_warned_of(tmp_path: Path) -> None:
    for number in range(4):
        photograph = Image.fromarray(drawn_face(200 + 20 * number)).resize((112, 112))
        save(tmp_path / "set" / f"{number}.png", np.array(photograph))
    with pytest.warns(UserWarning, match=r"faces of set do not look aligned.* --align.* --aligned"):
        load_dataset(tmp_path / "set")
    load_dataset(tmp_path / "set", options=ReadOptions("never"))
    aligned = load_dataset(tmp_path / "set", options=ReadOptions("always", progress=False))
    write_faces(aligned, tmp_path / "out")
    load_dataset(tmp_path / "out")


@pytest.mark.parametrize("size", [16, 64, 112])
def test_synthetic_faces_in_a_folder_are_not_warned_of(size: int, tmp_path: Path) -> None:
    write_faces(synthetic_faces(10, 2, size), tmp_path / "set")
    assert load_dataset(tmp_path / "set").size == size


@pytest.mark.skipif(not FACES, reason="real faces are not here: set GDRD_FACES to their folder")
def test_photographs_of_112_pixels_are_warned_of(tmp_path: Path) -> None:
    for file in sorted(Path(str(FACES), "lfw").glob("*/*.jpg"))[::300]:
        with Image.open(file) as image:
            save(tmp_path / "set" / file.parent.name / f"{file.stem}.png", np.array(image.resize((112, 112))))
    with pytest.warns(UserWarning, match="do not look aligned"):
        load_dataset(tmp_path / "set")


def test_verification_files_are_not_trained_on(tmp_path: Path) -> None:
    images = [encoded(noise_face(seed)) for seed in range(4)]
    (tmp_path / "mine.bin").write_bytes(pickle.dumps((images, [True, False])))
    assert len(load_dataset(tmp_path / "mine.bin")) == 4
    with pytest.raises(GdrdError, match="mine is for testing only"):
        load_dataset(tmp_path / "mine.bin", training=True)

"""LFW in its official layouts, on stand-ins of them, and the real one where it is."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_faces import drawn_face, encoded, noise_face, save, scenery, write_tar

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.folder import FolderFaces, align_folder
from gdrd_lab.datasets.lfw import find_lfw, is_lfw, lfw, read_pairs, view2, view2_keys
from gdrd_lab.datasets.registry import load_dataset, open_pairs, report
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

FACES = os.environ.get("GDRD_FACES")
QUIET = ReadOptions(progress=False)
PEOPLE = {"Ann_Able": 3, "Bo_Bell": 2, "Cy_Cole": 1, "Di_Dorn": 2}
PAIRS = """2\t2
Ann_Able\t1\t2
Ann_Able\t1\t3
Ann_Able\t1\tCy_Cole\t1
Bo_Bell\t2\tCy_Cole\t1
Bo_Bell\t1\t2
Di_Dorn\t1\t2
Di_Dorn\t2\tBo_Bell\t1
Cy_Cole\t1\tDi_Dorn\t1
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GDRD_FACES", raising=False)
    monkeypatch.delenv("SCIKIT_LEARN_DATA", raising=False)


def make(images: Path, protocol: Path) -> None:
    """Lay out images of 250 x 250 as LFW does, with an image that View 2 does not use."""
    for person, (name, count) in enumerate(PEOPLE.items()):
        for number in range(1, count + 1):
            picture = np.full((250, 250, 3), 110, np.uint8)
            picture[40:240, 25:225] = drawn_face(200, (person + number) % 3)
            save(images / name / f"{name}_{number:04d}.jpg", picture)
    save(images / "Ed_Extra" / "Ed_Extra_0001.jpg", drawn_face(250))
    protocol.write_text(PAIRS)


LAYOUTS = {
    "pairs inside": ("lfw", "lfw/pairs.txt", "lfw"),
    "pairs beside": ("all/lfw", "all/pairs.txt", "all/lfw"),
    "parent named": ("all/lfw_funneled", "all/pairs.txt", "all"),
    "folder twice": ("all/lfw-deepfunneled/lfw-deepfunneled", "all/pairs.txt", "all"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_found(layout: str, tmp_path: Path) -> None:
    images, protocol, named = (tmp_path / part for part in LAYOUTS[layout])
    make(images, protocol)
    assert find_lfw(named) == (images, protocol)
    assert is_lfw(named)


def test_faces_and_pairs_fit_each_other(tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    faces = lfw(tmp_path / "lfw", options=QUIET)
    assert list(faces.keys)[:4] == [
        "Ann_Able/Ann_Able_0001",
        "Ann_Able/Ann_Able_0002",
        "Ann_Able/Ann_Able_0003",
        "Bo_Bell/Bo_Bell_0001",
    ]
    assert len(faces) == 8 and faces.size == 112 and faces.labels.tolist() == [0, 0, 0, 1, 1, 2, 3, 3]
    pairs = view2(tmp_path / "lfw")
    assert pairs.genuine.tolist() == [True, True, False, False] * 2 and pairs.fold.tolist() == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(faces.labels[pairs.first] == faces.labels[pairs.second], pairs.genuine)
    assert [faces.keys[i] for i in (pairs.first[3], pairs.second[3])] == [
        "Bo_Bell/Bo_Bell_0002",
        "Cy_Cole/Cy_Cole_0001",
    ]


def test_everything_and_its_pairs(tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    assert report(lfw(tmp_path / "lfw", options=QUIET)).left_out == {"View 2 does not use it": 1}
    faces = FolderFaces(tmp_path / "lfw", QUIET)
    assert "Ed_Extra/Ed_Extra_0001" in faces.keys and len(faces) == 9
    pairs = view2(tmp_path / "lfw", faces)
    assert faces.keys[pairs.second[4]] == "Bo_Bell/Bo_Bell_0002"


def test_image_without_a_face_is_cut_at_the_usual_place(tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    save(tmp_path / "lfw" / "Cy_Cole" / "Cy_Cole_0001.jpg", scenery(250, 250))
    faces = lfw(tmp_path / "lfw", options=QUIET)
    assert len(faces) == 8
    blue, green = faces[5][..., 2].astype(int), faces[5][..., 1].astype(int)
    assert blue[:, 0].mean() > 128 + 20 > 128 - 20 > blue[:, -1].mean() - 40 and green[0].mean() < green[-1].mean()


def test_damaged_image_is_named(tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    (tmp_path / "lfw" / "Cy_Cole" / "Cy_Cole_0001.jpg").write_bytes(b"broken")
    with pytest.raises(GdrdError, match="Cy_Cole_0001: The image cannot be read as an image"):
        lfw(tmp_path / "lfw", options=QUIET)


def test_missing_images_are_named(tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    shutil.rmtree(tmp_path / "lfw" / "Di_Dorn")
    with pytest.raises(GdrdError, match=r"2 of 8 images .* among them Di_Dorn/Di_Dorn_0001"):
        lfw(tmp_path / "lfw", options=QUIET)
    with pytest.raises(GdrdError, match="not in the face set"):
        view2(tmp_path / "lfw", load_dataset(save(tmp_path / "x" / "1.png", drawn_face(112)).parent))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a list of LFW pairs"),
        ("hello\n", "not a list of LFW pairs"),
        ("2\t2\nAnn_Able\t1\t2\n", "has 1 pairs, not the 8"),
        ("1\t1\nAnn_Able\t1\nA\t1\tB\t1\n", "Pair 1 of .* is damaged: Ann_Able 1"),
        ("1\t1\nAnn_Able\t1\t2\nA\tx\tB\t1\n", "Pair 2 of .* is damaged"),
    ],
)
def test_damaged_protocols_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(GdrdError, match=message):
        read_pairs(tmp_path / "pairs.txt")


def test_protocol_of_one_fold_needs_no_count(tmp_path: Path) -> None:
    (tmp_path / "pairsDevTest.txt").write_text("1\nAnn_Able\t1\t2\nAnn_Able\t1\tBo_Bell\t2\n")
    assert [pair[2:] for pair in read_pairs(tmp_path / "pairsDevTest.txt")] == [(True, 0), (False, 0)]


def test_scikit_learns_download_is_used_where_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home" / "scikit_learn_data" / "lfw_home"
    home.mkdir(parents=True)
    make(home / "lfw_funneled", home / "pairs.txt")
    assert len(lfw(options=QUIET)) == 8
    assert len(view2()) == 8


def test_download_goes_through_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home" / "scikit_learn_data" / "lfw_home"

    def fetch(target: object, dirname: str, **options: object) -> str:
        """Stand in for the network alone: scikit-learn's own unpacking, and its layout, are what runs."""
        name = target.filename  # type: ignore[attr-defined]
        Path(dirname).mkdir(parents=True, exist_ok=True)
        if name.endswith(".tgz"):
            make(tmp_path / "made" / "lfw_funneled", tmp_path / "made" / "pairs.txt")
            for number in range(2, 502):  # the one person that is decoded
                source = tmp_path / "made" / "lfw_funneled" / "Ed_Extra" / "Ed_Extra_0001.jpg"
                os.link(source, source.with_name(f"Ed_Extra_{number:04d}.jpg"))
            shutil.make_archive(
                str(Path(dirname, name.removesuffix(".tgz"))), "gztar", tmp_path / "made", "lfw_funneled"
            )
            Path(dirname, name.removesuffix(".tgz") + ".tar.gz").rename(Path(dirname, name))
        else:
            Path(dirname, name).write_text(PAIRS)
        return str(Path(dirname, name))

    monkeypatch.setattr("sklearn.datasets._lfw._fetch_remote", fetch)
    faces = lfw(options=QUIET)
    assert len(faces) == 8 and find_lfw()[0] == home / "lfw_funneled"


def test_offline_without_lfw_says_what_to_do() -> None:
    with pytest.raises(GdrdError, match=r"cannot be downloaded.*set GDRD_FACES"):
        lfw()


def test_other_folders_are_not_lfw(tmp_path: Path) -> None:
    assert not is_lfw(tmp_path)
    (tmp_path / "pairs.txt").write_text("my shopping list")
    assert not is_lfw(tmp_path)
    with pytest.raises(GdrdError, match="not a folder of LFW"):
        find_lfw(tmp_path / "home" / "elsewhere")


@pytest.mark.skipif(not FACES, reason="real faces are not here: set GDRD_FACES to their folder")
def test_the_real_protocol() -> None:
    images, protocol = find_lfw(Path(str(FACES), "lfw"))
    pairs, keys = read_pairs(protocol), view2_keys(protocol)
    assert len(pairs) == 6000 and len(keys) == 7701 and len({key.split("/")[0] for key in keys}) == 4281
    assert sum(same for _, _, same, _ in pairs) == 3000 and {fold for *_, fold in pairs} == set(range(10))
    assert all((images / f"{key}.jpg").is_file() for key in keys)
    for first, second, same, _ in pairs:
        assert (first.split("/")[0] == second.split("/")[0]) == same


def aligned_copy_of(tmp_path: Path) -> Path:
    """LFW as `gdrd faces align` writes it."""
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    align_folder(tmp_path / "lfw", tmp_path / "aligned", ReadOptions("always", progress=False))
    return tmp_path / "aligned"


def test_aligned_lfw_is_scored_by_view_2_and_taken_as_it_is(tmp_path: Path) -> None:
    folder = aligned_copy_of(tmp_path)
    faces = load_dataset(folder, options=QUIET)
    assert faces.name == "LFW" and list(faces.keys) == view2_keys(folder / "pairs.txt")
    np.testing.assert_array_equal(faces[3], read_image(folder / "Bo_Bell" / "Bo_Bell_0001.png"))
    pairs, original = open_pairs(faces), view2(tmp_path / "lfw")
    for part in ("first", "second", "genuine", "fold"):
        np.testing.assert_array_equal(getattr(pairs, part), getattr(original, part))


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".png", ".webp"])
def test_any_suffix_is_lfw(suffix: str, tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    for file in (tmp_path / "lfw").glob("*/*.jpg"):
        save(file.with_suffix(suffix), read_image(file))
        file.unlink()
    faces = load_dataset(tmp_path / "lfw", options=QUIET)
    assert faces.name == "LFW" and len(open_pairs(faces)) == 8
    with pytest.raises(GdrdError, match="for testing only"):
        load_dataset(tmp_path / "lfw", training=True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_pairs_in_other_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    (tmp_path / "lfw" / "pairs.txt").write_bytes(PAIRS.replace("\n", "\r\n").encode(encoding))
    faces = load_dataset(tmp_path / "lfw", options=QUIET)
    assert faces.name == "LFW" and len(open_pairs(faces)) == 8


@pytest.mark.parametrize("text", ["my shopping list", PAIRS.replace("Di_Dorn\t1\t2\n", ""), ""])
@pytest.mark.parametrize("training", [False, True])
def test_a_protocol_that_cannot_be_used_is_an_error(text: str, training: bool, tmp_path: Path) -> None:
    make(tmp_path / "lfw", tmp_path / "lfw" / "pairs.txt")
    (tmp_path / "lfw" / "pairs.txt").write_text(text)
    with pytest.raises(GdrdError, match="for testing only" if training else r"pairs\.txt"):
        load_dataset(tmp_path / "lfw", training=training)
    with pytest.raises(GdrdError, match=r"pairs\.txt"):
        lfw(tmp_path / "lfw", options=QUIET)


def test_a_protocol_of_other_images_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "ann" / "1.png", drawn_face(112))
    (tmp_path / "mine" / "pairs.txt").write_text(PAIRS)
    with pytest.raises(GdrdError, match=r"None of the images that .*pairs\.txt names is in .* rename it"):
        load_dataset(tmp_path / "mine")


LFW_PEOPLE = ("Aaron_Eckhart", "Zydrunas_Ilgauskas", "Zorica_Radovic")


def real_names(root: Path, pattern: str = "{name}/{name}_{number:04d}.png") -> Path:
    for person, name in enumerate(LFW_PEOPLE):
        for number in (1, 2):
            save(root / pattern.format(name=name, number=number), noise_face(2 * person + number))
    return root


@pytest.mark.parametrize("pattern", ["{name}/{name}_{number:04d}.png", "{name}/{number}.png", "x/{name}/{number}.JPG"])
def test_lfw_is_known_by_its_names_and_not_trained_on(pattern: str, tmp_path: Path) -> None:
    folder = real_names(tmp_path / "people", pattern)
    assert len(load_dataset(folder)) == 6
    with pytest.raises(GdrdError, match="LFW is for testing only"):
        load_dataset(folder, training=True)


def test_some_people_of_lfw_among_others_are_not_lfw(tmp_path: Path) -> None:
    real_names(tmp_path / "people", "{name}/{number}.png")
    for person in range(4):
        save(tmp_path / "people" / f"Other_Person{person}" / f"Other_Person{person}_0001.png", noise_face(20 + person))
    assert len(load_dataset(tmp_path / "people", training=True)) == 10
    save(tmp_path / "people" / "Aaron_Eckhart" / "Aaron_Eckhart_0001.png", noise_face(30))  # an image of LFW itself
    with pytest.raises(GdrdError, match="LFW is for testing only"):
        load_dataset(tmp_path / "people", training=True)


def test_lfw_in_shards_is_not_trained_on(tmp_path: Path) -> None:
    members = {f"{name}/{name}_0001.png": encoded(noise_face(0)) for name in LFW_PEOPLE}
    with pytest.raises(GdrdError, match="LFW is for testing only"):
        load_dataset(write_tar(tmp_path / "lfw.tar", members), training=True)

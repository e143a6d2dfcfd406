"""TinyFace, SCface, QMUL-SurvFace, IJB and Extended Yale B, from small stand-ins in exactly their layouts."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.drawn_faces import drawn_face, encoded, noise_face, save
from scipy.io import savemat
from torch import Tensor

from gdrd_lab.alignment.template import template
from gdrd_lab.cli import main
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.benchmarks.ijb import ijb, ijb_pairs, ijb_search, template_embeddings
from gdrd_lab.datasets.benchmarks.qmul import survface_identification, survface_verification, tinyface
from gdrd_lab.datasets.benchmarks.scface import scface
from gdrd_lab.datasets.benchmarks.utkface import utkface
from gdrd_lab.datasets.benchmarks.yaleb import yaleb
from gdrd_lab.datasets.embed import EmbedOptions
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.benchmarks import score_tinyface, score_utkface, score_yaleb
from gdrd_lab.evaluation.metrics.identification import tpir_at_fpir
from gdrd_lab.evaluation.metrics.retrieval import search
from gdrd_lab.evaluation.protocol import identify_embeddings, verify_embeddings
from gdrd_lab.transforms.degradation import Degradation


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))


def cells(names: list[str]) -> np.ndarray:
    """A MATLAB cell array (N, 1), as the official files hold them."""
    out = np.empty((len(names), 1), object)
    out[:, 0] = names
    return out


def perfect(faces: FaceDataset) -> np.ndarray:
    """Embeddings that know the identity: one axis each."""
    return np.eye(int(faces.labels.max()) + 2)[faces.labels]


def write_tinyface(root: Path) -> None:
    folder = root / "Testing_Set"
    parts = {"Gallery_Match": [(7, 1), (7, 2), (9, 1)], "Probe": [(9, 5), (7, 6)]}
    for place, part in (("Gallery_Match", "gallery"), ("Probe", "probe")):
        names = [f"{person}_{number}.jpg" for person, number in parts[place]]
        for seed, name in enumerate(names):
            save(folder / place / name, noise_face(seed, 20))
        arrays = {f"{part}_set": cells(names), f"{part}_ids": np.array([[person] for person, _ in parts[place]])}
        savemat(folder / f"{'gallery_match' if part == 'gallery' else 'probe'}_img_ID_pairs.mat", arrays)
    for number in range(4):
        save(folder / "Gallery_Distractor" / f"d{number}.jpg", noise_face(number, 18))


def test_tinyface(tmp_path: Path) -> None:
    write_tinyface(tmp_path)
    faces, enrolment = tinyface(tmp_path)
    assert isinstance(faces, FaceDataset) and faces.size == 112 and faces[0].shape == (112, 112, 3)
    assert faces.labels.tolist() == [0, 0, 1, 1, 0, 2, 3, 4, 5]
    assert enrolment.gallery.tolist() == [0, 1, 2, 5, 6, 7, 8] and enrolment.probes.tolist() == [3, 4]
    assert faces.keys[3] == "Probe/9_5"
    found = identify_embeddings(perfect(faces), perfect(faces), faces.labels, enrolment)
    assert found.rank_k(1) == 1 and found.enrolled == 6
    gallery, probes = enrolment.gallery, enrolment.probes
    embeddings = perfect(faces)
    found = search(embeddings[probes], faces.labels[probes], embeddings[gallery], faces.labels[gallery])
    assert found.average_precision.tolist() == [1, 1]
    assert len(tinyface(tmp_path, distractors=False)[0]) == 5
    (tmp_path / "Testing_Set" / "Probe" / "7_6.jpg").unlink()
    with pytest.raises(GdrdError, match=r"1 of 5 images of TinyFace are missing.*7_6\.jpg"):
        tinyface(tmp_path)
    (tmp_path / "Testing_Set" / "probe_img_ID_pairs.mat").write_bytes(b"nothing")
    with pytest.raises(GdrdError, match="cannot be read as a MATLAB file"):
        tinyface(tmp_path)
    with pytest.raises(GdrdError, match="holds Testing_Set"):
        tinyface(tmp_path / "elsewhere")


def test_a_broken_recogniser_has_no_score(tmp_path: Path) -> None:
    class Broken:
        name, embedding_size = "broken", 4

        def embed(self, faces: Tensor) -> Tensor:
            return torch.full((len(faces), 4), torch.nan)

    write_tinyface(tmp_path)
    with pytest.raises(GdrdError, match="embeddings of broken are not finite for 9 of 9 faces"):
        score_tinyface(tmp_path, Broken(), EmbedOptions(progress=False))


def test_scface(tmp_path: Path) -> None:
    root = tmp_path / "SCface_database"
    for person in (1, 2, 60):
        save(root / "mugshot_frontal_original_all" / f"{person:03d}_frontal.jpg", drawn_face(200, person % 3))
        for distance in (1, 2, 3):
            for camera in (1, 5):
                folder = root / f"surveillance_cameras_distance_{distance}" / f"cam_{camera}"
                image = noise_face(camera, 40) if distance == 1 else drawn_face(60 + 60 * distance, person % 3)
                save(folder / f"{person:03d}_cam{camera}_{distance}.jpg", image)
    save(root / "surveillance_cameras_IR_cam6" / "001_cam6.jpg", noise_face(1))
    faces, probes = scface(tmp_path, progress=False)
    assert len(faces) == 3 + 3 * 6 and sorted(probes) == [1, 2, 3]
    assert [faces.keys[i] for i in probes[2].gallery] == ["001_frontal", "002_frontal", "060_frontal"]
    assert {faces.keys[i] for i in probes[2].probes} == {f"{p:03d}_cam{c}_2" for p in (1, 2, 60) for c in (1, 5)}
    assert faces.labels[probes[1].probes].tolist() == [0, 1, 2, 0, 1, 2]
    assert identify_embeddings(perfect(faces), perfect(faces), faces.labels, probes[3]).rank_k(1) == 1
    later, _ = scface(root, range(51, 131), progress=False)
    assert len(later) == 7
    (root / "mugshot_frontal_original_all" / "002_frontal.jpg").unlink()
    with pytest.raises(GdrdError, match="person 002 has no mugshot"):
        scface(root, progress=False)


def write_survface(root: Path) -> None:
    folder = root / "Face_Identification_Test_Set"
    parts = {
        "gallery": [(3, "a"), (3, "b"), (8, "c")],
        "mated_probe": [(8, "d")],
        "unmated_probe": [(0, "e"), (0, "f")],
    }
    for part, rows in parts.items():
        names = [f"{name}.jpg" for _, name in rows]
        for seed, name in enumerate(names):
            save(folder / part / name, noise_face(seed, 24))
        arrays = {f"{part}_set": cells(names), f"{part}_ids": np.array([[person] for person, _ in rows])}
        savemat(folder / f"{part}_img_ID_pairs.mat", arrays)
    folder = root / "Face_Verification_Test_Set"
    for seed, name in enumerate("pqrs"):
        save(folder / "verification_images" / f"{name}.jpg", noise_face(seed, 22))
    for kind, rows in (("positive", ["pq", "qr"]), ("negative", ["ps", "rs"])):
        names = np.array([[f"{name}.jpg" for name in row] for row in rows], object)
        savemat(folder / f"{kind}_pairs_names.mat", {f"{kind}_pairs_names": names})


def test_survface(tmp_path: Path) -> None:
    write_survface(tmp_path)
    faces, enrolment, non_mated = survface_identification(tmp_path)
    assert faces.labels.tolist() == [0, 0, 1, 1, -1, -1] and non_mated.tolist() == [4, 5]
    assert enrolment.gallery.tolist() == [0, 1, 2] and enrolment.probes.tolist() == [3]
    e = perfect(faces)
    gallery, probes = enrolment.gallery, enrolment.probes
    found = tpir_at_fpir(e[probes], faces.labels[probes], e[non_mated], e[gallery], faces.labels[gallery])
    assert found.tolist() == [1, 1, 1, 1]
    faces, pairs = survface_verification(tmp_path, folds=2)
    assert list(faces.keys) == ["p.jpg", "q.jpg", "r.jpg", "s.jpg"]
    assert pairs.first.tolist() == [0, 1, 0, 2] and pairs.second.tolist() == [1, 2, 3, 3]
    assert pairs.genuine.tolist() == [True, True, False, False]
    axes = np.eye(2)[[0, 0, 0, 1]]
    assert verify_embeddings(axes, axes, pairs).accuracy.mean == 1
    savemat(tmp_path / "Face_Verification_Test_Set" / "negative_pairs_names.mat", {"other": np.zeros(2)})
    with pytest.raises(GdrdError, match="has no negative_pairs_names, only other"):
        survface_verification(tmp_path)


def write_ijb(root: Path, name: str) -> None:
    marks = " ".join(f"{x:.2f} {y:.2f}" for x, y in template(112))
    rows = [("1.jpg", 10, 1), ("2.jpg", 10, 2), ("3.jpg", 10, 2), ("1.jpg", 20, 1), ("4.jpg", 30, 5), ("5.jpg", 40, 6)]
    for seed in range(1, 6):
        save(root / "loose_crop" / f"{seed}.jpg", noise_face(seed))
    meta = root / "meta"
    meta.mkdir(parents=True)
    (meta / f"{name}_name_5pts_score.txt").write_text("".join(f"{n}.jpg {marks} 0.99\n" for n in range(1, 6)))
    (meta / f"{name}_face_tid_mid.txt").write_text("".join(f"{n} {t} {m}\n" for n, t, m in rows))
    (meta / f"{name}_template_pair_label.txt").write_text("10 20 1\n10 30 0\n40 20 0\n")
    head = "TEMPLATE_ID,SUBJECT_ID,FILENAME,FACE_X\n"
    (meta / f"{name}_1N_gallery_G1.csv").write_text(
        head + "10,100,img/1.jpg,0\n10,100,img/2.jpg,0\n30,300,img/4.jpg,0\n"
    )
    (meta / f"{name}_1N_probe_mixed.csv").write_text(head + "20,100,img/1.jpg,0\n40,400,frames/5.jpg,0\n")


@pytest.mark.parametrize("name", ["ijbb", "ijbc"])
def test_ijb(tmp_path: Path, name: str) -> None:
    write_ijb(tmp_path, name)
    templates = ijb(tmp_path, name)
    assert len(templates.faces) == 6 and templates.names.tolist() == [10, 20, 30, 40]
    assert templates.template.tolist() == [0, 0, 0, 1, 2, 3]
    assert np.abs(templates.faces[0].astype(int) - noise_face(1)).mean() < 60  # JPEG of noise
    e = np.array([[1, 0], [0, 1], [0, 1], [1, 0], [0, -1], [-1, 0]], float)
    found = template_embeddings(e, templates)
    # Template 10: a photograph (1, 0) and a video of two frames (0, 1), each counted once.
    assert np.allclose(found, [[0.5**0.5, 0.5**0.5], [1, 0], [0, -1], [-1, 0]])
    pairs = ijb_pairs(tmp_path, templates, name)
    assert pairs.first.tolist() == [0, 0, 3] and pairs.second.tolist() == [1, 2, 1]
    assert pairs.genuine.tolist() == [True, False, False]
    subjects, enrolment, non_mated = ijb_search(tmp_path, templates, "G1", name)
    assert subjects.tolist() == [100, 100, 300, 400] and non_mated.tolist() == [3]
    assert enrolment.gallery.tolist() == [0, 2] and enrolment.probes.tolist() == [1]
    assert identify_embeddings(found, found, subjects, enrolment).rank_k(1) == 1


def test_damaged_ijb_lists_are_named(tmp_path: Path) -> None:
    write_ijb(tmp_path, "ijbc")
    templates = ijb(tmp_path)
    (tmp_path / "meta" / "ijbc_template_pair_label.txt").write_text("10 99 1\n")
    with pytest.raises(GdrdError, match="names template 99, which has no face"):
        ijb_pairs(tmp_path, templates)
    (tmp_path / "meta" / "ijbc_1N_gallery_G1.csv").write_text("A,B\n1,2\n")
    with pytest.raises(GdrdError, match="is not a 1:N list"):
        ijb_search(tmp_path, templates)
    (tmp_path / "meta" / "ijbc_face_tid_mid.txt").write_text("1.jpg 10\n")
    with pytest.raises(GdrdError, match=r"Line 1 of .* does not have 3 words"):
        ijb(tmp_path)
    with pytest.raises(GdrdError, match="holds loose_crop and meta"):
        ijb(tmp_path / "nowhere")


def test_the_command_scores_every_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tinyface(tmp_path / "tinyface")
    write_survface(tmp_path / "survface")
    write_ijb(tmp_path / "ijbb", "ijbb")
    meta = tmp_path / "ijbb" / "meta"
    for gallery in ("S1", "S2"):
        (meta / f"ijbb_1N_gallery_{gallery}.csv").write_bytes((meta / "ijbb_1N_gallery_G1.csv").read_bytes())
    images = [encoded(noise_face(seed // 2 if seed < 4 else seed)) for seed in range(8)]
    (tmp_path / "toy.bin").write_bytes(pickle.dumps((images, [True, True, False, False])))
    expected = {
        "tinyface": ("tinyface", ["rank-1", "rank-5", "rank-20", "mAP"]),
        "survface": ("survface", ["TPIR20@FPIR=0.3", "TAR@FAR=0.01", "AUC", "accuracy"]),
        "ijbb": ("ijbb", ["TAR@FAR=0.0001", "rank-1", "TPIR@FPIR=0.1"]),
        "bin": ("toy.bin", ["accuracy"]),
    }
    for name, (place, measures) in expected.items():
        out = tmp_path / f"{name}.json"
        words = ["benchmarks", name, str(tmp_path / place), "--methods", "student", "--out", str(out), "--quiet"]
        assert main(words) == 0
        (scores,) = json.loads(out.read_text())["scores"].values()
        found = {score["name"]: score["value"] for score in scores}
        assert set(measures) <= set(found) and all(0 <= value <= 1 or np.isnan(value) for value in found.values())
        assert measures[-1] in capsys.readouterr().out
    # Equal images against different ones; one of the four may lie beyond the threshold that the other three set.
    assert found["accuracy"] >= 0.75


def test_the_smallest_crops_are_padded_to_a_square_and_not_stretched(tmp_path: Path) -> None:
    write_tinyface(tmp_path)
    crop = np.full((6, 5, 3), 200, np.uint8)
    crop[:, 2] = 40  # a dark line in the middle column
    for name in ("7_1.png", "7_1.jpg"):
        save(tmp_path / "Testing_Set" / "Gallery_Match" / name, crop)
    (tmp_path / "Testing_Set" / "Gallery_Match" / "7_1.png").replace(
        tmp_path / "Testing_Set" / "Gallery_Match" / "7_1.jpg"
    )
    face = tinyface(tmp_path)[0][0]
    assert face.shape == (112, 112, 3)
    dark = np.flatnonzero(face[50, :, 0] < 120)
    # Six columns of 18.7 pixels: the third of them is dark, whereas stretching would darken the third of five.
    assert dark[0] >= 36 and dark[-1] < 58 and len(dark) <= 20


@pytest.mark.parametrize(
    "ids", [np.array([[7.0], [np.nan], [9.0]]), np.array([[7], [9]]), np.array([[7.0], [7.5], [9.0]])]
)
def test_identities_that_do_not_fit_the_names_are_refused(ids: np.ndarray, tmp_path: Path) -> None:
    write_tinyface(tmp_path)
    arrays = {"gallery_set": cells(["7_1.jpg", "7_2.jpg", "9_1.jpg"]), "gallery_ids": ids}
    savemat(tmp_path / "Testing_Set" / "gallery_match_img_ID_pairs.mat", arrays)
    with pytest.raises(GdrdError, match="does not give one whole number for each of 3 names"):
        tinyface(tmp_path)


def test_landmarks_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    write_ijb(tmp_path, "ijbc")
    file = tmp_path / "meta" / "ijbc_name_5pts_score.txt"
    file.write_text(file.read_text().replace("38.29", "nan"))
    with pytest.raises(GdrdError, match="a landmark is not finite"):
        ijb(tmp_path)


def write_yaleb(root: Path) -> None:
    """Three people under six lights: one for each subset, and the frontal one."""
    for person in range(3):
        for number, light in enumerate(("+000E+00", "+010E-05", "-020E+10", "+035E-20", "-070E+00", "+000E+90")):
            save(
                root / f"yaleB{person:02d}" / f"yaleB{person:02d}_P00A{light}.png",
                noise_face(10 * person + number, 112),
            )
        save(root / f"yaleB{person:02d}" / f"yaleB{person:02d}_P00_Ambient.png", noise_face(99, 112))


def test_yaleb_reads_the_light_from_the_name(tmp_path: Path) -> None:
    write_yaleb(tmp_path)
    faces, enrolment, subsets = yaleb(tmp_path)
    assert len(faces) == 18 and sorted(faces.labels) == [0] * 6 + [1] * 6 + [2] * 6
    assert [faces.keys[k] for k in enrolment.gallery] == [f"yaleB0{p}/yaleB0{p}_P00A+000E+00" for p in range(3)]
    lights = dict(zip((key.split("P00A")[1] for key in faces.keys), subsets.tolist(), strict=True))
    # 11.2, 22.3, 39.7, 70 and 90 degrees from the camera.
    expected = {"+010E-05": 1, "-020E+10": 2, "+035E-20": 3, "-070E+00": 4, "+000E+90": 5, "+000E+00": 1}
    assert lights == expected and len(enrolment.probes) == 15


def test_yaleb_counts_each_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recogniser that knows everybody except under the lights of subset 5."""
    write_yaleb(tmp_path)
    faces, _, subsets = yaleb(tmp_path)
    known = np.eye(3)[faces.labels]
    known[subsets == 5] = np.eye(3)[(faces.labels[subsets == 5] + 1) % 3]
    monkeypatch.setattr("gdrd_lab.evaluation.benchmarks.embed_all", lambda *_: known.astype(np.float32))

    class Known:
        name, embedding_size = "known", 3

        def embed(self, faces: Tensor) -> Tensor:
            raise AssertionError

    found = {metric.name: (metric.value, metric.n) for metric in score_yaleb(tmp_path, Known())}
    assert found["rank-1, sharp"] == (0.8, 15) and found["rank-1, sharp, subset 5"] == (0.0, 3)
    assert all(found[f"rank-1, sharp, subset {k}"] == (1.0, 3) for k in range(1, 5))
    others = ("rank-1, 16 px", "rank-1, 16 px, sharp gallery", "rank-1, 8 px")
    assert all(found[name] == (0.8, 15) for name in others)


def test_a_folder_without_frontal_light_is_not_yaleb(tmp_path: Path) -> None:
    write_yaleb(tmp_path)
    (tmp_path / "yaleB01" / "yaleB01_P00A+000E+00.png").unlink()
    for folder in (tmp_path, tmp_path / "empty"):
        with pytest.raises(GdrdError, match="not the Extended Yale B"):
            yaleb(folder)


def write_utkface(root: Path) -> None:
    """Twelve photographs: girls of 17, and men of 18 to 75 of three groups."""
    names = [f"17_1_0_{k}" for k in range(4)] + [f"{age}_0_{group}_9" for age in (18, 39, 40, 75) for group in (1, 4)]
    for number, name in enumerate(names):
        save(root / f"{name}.jpg", noise_face(number, 112))
    save(root / "61_1_20170109.jpg", noise_face(99, 112))  # a group is missing, as in three files of UTKFace


def test_utkface_reads_age_sex_and_group_from_the_name(tmp_path: Path) -> None:
    write_utkface(tmp_path)
    faces, parts = utkface(tmp_path)
    assert len(faces) == 12 and set(faces.labels) == {-1}
    ages = dict(zip((key.split("/")[1] for key in faces.keys), parts["age"], strict=True))
    assert ages["17_1_0_0"] == "0 to 17" and ages["18_0_1_9"] == ages["39_0_4_9"] == "18 to 39"
    assert ages["40_0_1_9"] == "40 to 59" and ages["75_0_4_9"] == "60 and over"
    assert sorted(parts["sex"]) == ["female"] * 4 + ["male"] * 8
    assert sorted(parts["group"]) == ["Black"] * 4 + ["White"] * 4 + ["other"] * 4
    with pytest.raises(GdrdError, match="gives age, sex and group"):
        utkface(tmp_path / "empty")


def test_utkface_compares_small_faces_with_their_own_and_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody is told apart when sharp; the surveillance camera turns women into the first of them."""
    write_utkface(tmp_path)
    _, parts = utkface(tmp_path)
    women = parts["sex"] == "female"

    def embed(_: object, faces: object, degradation: Degradation | None, options: object) -> np.ndarray:
        out = np.eye(12, dtype=np.float32)
        if degradation is not None and degradation.camera == "surveillance":
            assert degradation.resolution == 16
            out[women] = out[np.flatnonzero(women)[0]]
        return out

    monkeypatch.setattr("gdrd_lab.evaluation.benchmarks.embed_all", embed)
    found = {metric.name: metric for metric in score_utkface(tmp_path, None, far=0.05)}  # type: ignore[arg-type]
    # Of the women's 4 x 3 pairs three are the first one's photograph, and three of four are not recognised.
    assert found["surveillance, sex female, FMR"].value == pytest.approx(3 / 12)
    assert found["surveillance, sex female, FNMR"].value == pytest.approx(3 / 4)
    assert found["surveillance, sex male, FMR"].value == found["surveillance, sex male, FNMR"].value == 0
    assert found["clean, everyone, FMR"].value == found["clean, everyone, FNMR"].value == 0
    assert found["clean, age 18 to 39, FMR"].n == 4 and len(found) == 3 * 2 * (1 + 4 + 2 + 3)

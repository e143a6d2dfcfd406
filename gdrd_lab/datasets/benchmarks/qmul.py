"""TinyFace and QMUL-SurvFace: native faces of about 20 x 16 and 24 x 20 pixels, cropped by the benchmark.

TinyFace: Testing_Set/ with Gallery_Match/, Gallery_Distractor/, Probe/, gallery_match_img_ID_pairs.mat (gallery_set,
gallery_ids) and probe_img_ID_pairs.mat (probe_set, probe_ids).

QMUL-SurvFace: Face_Identification_Test_Set/ with gallery/, mated_probe/, unmated_probe/ and gallery_img_ID_pairs.mat
(gallery_set, gallery_ids), mated_probe_img_ID_pairs.mat (mated_probe_set, mated_probe_ids),
unmated_probe_img_ID_pairs.mat (unmated_probe_set); Face_Verification_Test_Set/ with verification_images/,
positive_pairs_names.mat (positive_pairs_names) and negative_pairs_names.mat (negative_pairs_names), N x 2 names.

Source: Cheng, Zhu and Gong, Low-Resolution Face Recognition, ACCV 2018, and Surveillance Face Recognition Challenge
(arXiv 1804.09691).
"""

from pathlib import Path

import numpy as np
from scipy.io import loadmat

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import square
from gdrd_lab.datasets.base import FaceDataset, resized
from gdrd_lab.datasets.benchmarks import find_folder, must_exist
from gdrd_lab.datasets.fingerprint import file_digests
from gdrd_lab.datasets.pairs import Enrolment, Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import SUFFIXES, read_image

TINYFACE = "Name the folder of TinyFace that holds Testing_Set"
SURVFACE = "Name QMUL-SurvFace's folder, which holds Face_Identification_Test_Set and Face_Verification_Test_Set"


class CropFaces(FaceDataset):
    """Faces that the benchmark has cropped, down to 6 x 5 pixels; no detector is run, as in published results.

    A crop is padded to a square by repeating its border, and resized to 112 x 112 by bicubic interpolation.
    """

    def __init__(self, files: list[Path], labels: np.ndarray, name: str, keys: list[str] | None = None) -> None:
        keys = keys or [f"{file.parent.name}/{file.stem}" for file in files]
        super().__init__(name, TEMPLATE_SIZE, labels, keys)
        self.files = files

    def __getitem__(self, index: int) -> np.ndarray:
        return resized(square(read_image(self.files[index])), self.size)

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face's file."""
        return file_digests(self.files)


def tinyface(path: Path | str, *, distractors: bool = True) -> tuple[CropFaces, Enrolment]:
    """Return TinyFace's test faces and the enrolment; each of 153,428 distractors is an identity without a probe."""
    folder = find_folder(path, "gallery_match_img_ID_pairs.mat", TINYFACE)
    enrolled, gallery_ids = _read_list(folder / "gallery_match_img_ID_pairs.mat", "gallery")
    shown, probe_ids = _read_list(folder / "probe_img_ID_pairs.mat", "probe")
    files = [folder / "Gallery_Match" / name for name in enrolled] + [folder / "Probe" / name for name in shown]
    must_exist(files, "TinyFace")
    if distractors:
        others = [file for file in (folder / "Gallery_Distractor").glob("*") if file.suffix.lower() in SUFFIXES]
        must_exist(others or [folder / "Gallery_Distractor"], "TinyFace")
        files += sorted(others)
    labels = np.unique(np.concatenate([gallery_ids, probe_ids]), return_inverse=True)[1]
    labels = np.concatenate([labels, labels.max() + 1 + np.arange(len(files) - len(labels))])
    gallery, probes, rest = np.split(np.arange(len(files)), np.cumsum([len(enrolled), len(shown)]))
    return CropFaces(files, labels, "TinyFace"), Enrolment(np.concatenate([gallery, rest]), probes)


def survface_identification(path: Path | str) -> tuple[CropFaces, Enrolment, np.ndarray]:
    """Return the open-set identification test: faces, gallery with mated probes, and the non-mated probes.

    Published is TPIR20 at a FPIR (``metrics.identification.tpir_at_fpir``).
    """
    folder = find_folder(path, "Face_Identification_Test_Set", SURVFACE) / "Face_Identification_Test_Set"
    parts = ("gallery", "mated_probe", "unmated_probe")
    lists = [_read_list(folder / f"{part}_img_ID_pairs.mat", part, ids=part != "unmated_probe") for part in parts]
    files = [folder / part / name for part, (names, _) in zip(parts, lists, strict=True) for name in names]
    must_exist(files, "QMUL-SurvFace")
    labels = np.concatenate([numbers for _, numbers in lists])
    known = labels >= 0
    labels[known] = np.unique(labels[known], return_inverse=True)[1]
    gallery, mated, non_mated = np.split(np.arange(len(files)), np.cumsum([len(names) for names, _ in lists[:2]]))
    return CropFaces(files, labels, "QMUL-SurvFace"), Enrolment(gallery, mated), non_mated


def survface_verification(path: Path | str, folds: int = 10) -> tuple[CropFaces, Pairs]:
    """Return the verification test: TAR at FAR, AUC and mean accuracy. Pair k is in fold k mod ``folds``."""
    folder = find_folder(path, "Face_Verification_Test_Set", SURVFACE) / "Face_Verification_Test_Set"
    names: list[str] = []
    genuine: list[bool] = []
    for kind in ("positive", "negative"):
        source = folder / f"{kind}_pairs_names.mat"
        found = _names_in(source, f"{kind}_pairs_names")
        if len(found) % 2:
            raise GdrdError(f"{source} has {len(found)} names, which cannot be pairs", "Get the official file")
        names += found
        genuine += [kind == "positive"] * (len(found) // 2)
    unique, places = np.unique(names, return_inverse=True)
    keys = unique.tolist()
    files = [folder / "verification_images" / key for key in keys]
    must_exist(files, "QMUL-SurvFace")
    faces = CropFaces(files, np.full(len(files), -1), "QMUL-SurvFace verification", keys)
    return faces, Pairs(places[::2], places[1::2], np.array(genuine), np.arange(len(genuine)) % folds)


def _array(path: Path, name: str) -> np.ndarray:
    """Return an array of a MATLAB file, row by row; MATLAB's format cannot hold programs."""
    try:
        arrays = loadmat(path)
    except NotImplementedError as error:
        raise GdrdError(f"{path} is a MATLAB 7.3 file", "Save it in MATLAB with -v7") from error
    except Exception as error:  # damaged files raise many kinds
        raise GdrdError(f"{path} cannot be read as a MATLAB file ({str(error)[:80]})", "Get it again") from error
    if name not in arrays:
        there = ", ".join(sorted(key for key in arrays if not key.startswith("__")))
        raise GdrdError(f"{path} has no {name}, only {there or 'nothing'}", "Get the official file")
    return np.asarray(arrays[name]).reshape(-1)


def _names_in(path: Path, name: str) -> list[str]:
    """Return the texts of a MATLAB cell array of any shape, row by row."""
    out = []
    for value in _array(path, name):
        while isinstance(value, np.ndarray):
            value = value.reshape(-1)[0] if value.size else ""
        out.append(str(value))
    return out


def _read_list(path: Path, part: str, *, ids: bool = True) -> tuple[list[str], np.ndarray]:
    """Return the names in ``part``_set and the identities, int64 (N,), in ``part``_ids of a MATLAB file, or -1."""
    names = _names_in(path, f"{part}_set")
    found = _array(path, f"{part}_ids") if ids else np.full(len(names), -1)
    try:
        whole = bool((found.astype(np.float64) % 1 == 0).all())  # NaN is not
    except (TypeError, ValueError):
        whole = False
    if len(found) != len(names) or not whole:
        raise GdrdError(f"{path} does not give one whole number for each of {len(names)} names", "Get it again")
    return names, found.astype(np.int64)

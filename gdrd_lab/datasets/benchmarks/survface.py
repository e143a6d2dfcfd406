"""QMUL-SurvFace: native surveillance faces of 24 x 20 pixels on average; open-set identification and verification.

Layout: Face_Identification_Test_Set/ with gallery/, mated_probe/, unmated_probe/ and gallery_img_ID_pairs.mat
(gallery_set, gallery_ids), mated_probe_img_ID_pairs.mat (mated_probe_set, mated_probe_ids),
unmated_probe_img_ID_pairs.mat (unmated_probe_set); Face_Verification_Test_Set/ with verification_images/,
positive_pairs_names.mat (positive_pairs_names) and negative_pairs_names.mat (negative_pairs_names), N x 2 names.

Source: Cheng, Zhu and Gong, Surveillance Face Recognition Challenge (arXiv 1804.09691).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.benchmarks.layout import CropFaces, find_folder, must_exist, names_in, read_list
from gdrd_lab.datasets.gallery import Enrolment
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError

WHERE = "Name QMUL-SurvFace's folder, which holds Face_Identification_Test_Set and Face_Verification_Test_Set"
PARTS = ("gallery", "mated_probe", "unmated_probe")


@dataclass(frozen=True)
class OpenSet:
    """An open-set identification task: gallery and mated probes, and the probes whose person is not in the gallery."""

    enrolment: Enrolment
    non_mated: np.ndarray


def survface_identification(path: Path | str) -> tuple[CropFaces, OpenSet]:
    """Return the identification test. Published is TPIR20 at a FPIR (``evaluation.metrics.open_set.tpir_at_fpir``)."""
    folder = find_folder(path, "Face_Identification_Test_Set", WHERE) / "Face_Identification_Test_Set"
    files: list[Path] = []
    labels: list[int] = []
    ends = []
    for part in PARTS:
        source = folder / f"{part}_img_ID_pairs.mat"
        if part == "unmated_probe":
            names = names_in(source, f"{part}_set")
            labels += [-1] * len(names)
        else:
            names, numbers = read_list(source, part)
            labels += numbers.tolist()
        files += [folder / part / name for name in names]
        ends.append(len(files))
    must_exist(files, "QMUL-SurvFace")
    gallery, mated, every = ends
    identities = np.array(labels, np.int64)
    known_rows = identities >= 0
    identities[known_rows] = np.unique(identities[known_rows], return_inverse=True)[1]
    faces = CropFaces(files, [f"{file.parent.name}/{file.stem}" for file in files], identities, "QMUL-SurvFace")
    return faces, OpenSet(Enrolment(np.arange(gallery), np.arange(gallery, mated)), np.arange(mated, every))


def survface_verification(path: Path | str, folds: int = 10) -> tuple[CropFaces, Pairs]:
    """Return the verification test: TAR at FAR, AUC and mean accuracy. Pair k is in fold k mod ``folds``."""
    folder = find_folder(path, "Face_Verification_Test_Set", WHERE) / "Face_Verification_Test_Set"
    rows: list[list[str]] = []
    genuine: list[bool] = []
    for kind in ("positive", "negative"):
        source = folder / f"{kind}_pairs_names.mat"
        names = names_in(source, f"{kind}_pairs_names")
        if len(names) % 2:
            raise GdrdError(f"{source} has {len(names)} names, which cannot be pairs", "Get the official file")
        rows += [names[place : place + 2] for place in range(0, len(names), 2)]
        genuine += [kind == "positive"] * (len(names) // 2)
    keys = sorted({name for row in rows for name in row})
    places = {name: place for place, name in enumerate(keys)}
    files = [folder / "verification_images" / name for name in keys]
    must_exist(files, "QMUL-SurvFace")
    first, second = (np.array([places[row[side]] for row in rows]) for side in (0, 1))
    faces = CropFaces(files, keys, np.full(len(files), -1), "QMUL-SurvFace verification")
    return faces, Pairs(first, second, np.array(genuine), np.arange(len(rows)) % folds)

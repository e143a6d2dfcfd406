"""TinyFace: 1:N identification of faces of 20 x 16 pixels on average, with 153,428 distractors.

Layout: Testing_Set/ with Gallery_Match/, Gallery_Distractor/, Probe/, gallery_match_img_ID_pairs.mat (gallery_set,
gallery_ids) and probe_img_ID_pairs.mat (probe_set, probe_ids).

Source: Cheng, Zhu and Gong, Low-Resolution Face Recognition, ACCV 2018.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gdrd_lab.datasets.benchmarks.layout import CropFaces, find_folder, images_in, must_exist, read_list
from gdrd_lab.datasets.gallery import Enrolment

WHERE = "Name the folder of TinyFace that holds Testing_Set"


def tinyface(path: Path | str, *, distractors: bool = True) -> tuple[CropFaces, Enrolment]:
    """Return TinyFace's test faces and the enrolment; each distractor is an identity without a probe."""
    folder = find_folder(path, "gallery_match_img_ID_pairs.mat", WHERE)
    files: list[Path] = []
    identities: list[int] = []
    counts = []
    for part, place in (("gallery", "Gallery_Match"), ("probe", "Probe")):
        source = folder / (f"{part}_match_img_ID_pairs.mat" if part == "gallery" else f"{part}_img_ID_pairs.mat")
        names, numbers = read_list(source, part)
        files += [folder / place / name for name in names]
        identities += numbers.tolist()
        counts.append(len(names))
    others = images_in(folder / "Gallery_Distractor") if distractors else []
    must_exist(files, "TinyFace")
    if distractors and not others:
        must_exist([folder / "Gallery_Distractor"], "TinyFace")
    labels = np.unique(identities, return_inverse=True)[1]
    labels = np.concatenate([labels, labels.max() + 1 + np.arange(len(others))])
    files += others
    keys = [f"{file.parent.name}/{file.stem}" for file in files]
    gallery, probes = counts
    enrolled = np.concatenate([np.arange(gallery), np.arange(gallery + probes, len(files))])
    return CropFaces(files, keys, labels, "TinyFace"), Enrolment(enrolled, np.arange(gallery, gallery + probes))

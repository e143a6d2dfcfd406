"""UTKFace: photographs of unnamed people whose file names give age, sex and group, as 25_0_1_20170116.jpg.

Source: Zhang, Song and Qi, Age Progression/Regression by Conditional Adversarial Autoencoder, CVPR 2017. The labels are
guesses of a model, checked by people.
"""

import re
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.benchmarks.qmul import CropFaces
from gdrd_lab.errors import GdrdError

AGES = (18, 40, 60)
BANDS, SEXES = ("0 to 17", "18 to 39", "40 to 59", "60 and over"), ("male", "female")
GROUPS = ("White", "Black", "Asian", "Indian", "other")


def utkface(path: Path | str) -> tuple[CropFaces, dict[str, np.ndarray]]:
    """Return the faces, all of unknown identity, and for age, sex and group the name of each face's part (N,)."""
    name = re.compile(r"(\d+)_([01])_([0-4])_.*")
    found = [(file, match) for file in sorted(Path(path).glob("*")) if (match := name.fullmatch(file.name))]
    if not found:
        do = "Name the folder of UTKFace's aligned faces, 25_0_1_20170116.jpg and so on"
        raise GdrdError(f"No file name in {path} gives age, sex and group", do)
    age, sex, group = (np.array([int(match[part]) for _, match in found]) for part in (1, 2, 3))
    parts = {"age": (BANDS, np.searchsorted(AGES, age, "right")), "sex": (SEXES, sex), "group": (GROUPS, group)}
    faces = CropFaces([file for file, _ in found], np.full(len(found), -1), "UTKFace")
    return faces, {attribute: np.array(names)[numbers] for attribute, (names, numbers) in parts.items()}

"""Extended Yale B, frontal pose: 38 people under 64 lights, as yaleB01/yaleB01_P00A+035E-20.pgm (or .png) and so on.

Source: Georghiades, Belhumeur and Kriegman, From few to many, IEEE TPAMI 2001; Lee, Ho and Kriegman, IEEE TPAMI 2005.
"""

import re
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.benchmarks.qmul import CropFaces
from gdrd_lab.datasets.pairs import Enrolment
from gdrd_lab.errors import GdrdError

SUBSETS = (12, 25, 50, 77)  # largest angle in degrees between the light and the camera, subsets 1 to 4


def yaleb(path: Path | str) -> tuple[CropFaces, Enrolment, np.ndarray]:
    """Return the faces, the face under frontal light of each person as gallery, and each face's subset, 1 to 5."""
    light = re.compile(r"(\w+)_P00A([+-]\d+)E([+-]\d+)")
    found = [(file, match) for file in sorted(Path(path).rglob("*")) if (match := light.fullmatch(file.stem))]
    labels = np.unique([match[1] for _, match in found], return_inverse=True)[1]
    azimuth, elevation = (np.radians([float(match[part]) for _, match in found]) for part in (2, 3))
    frontal = (azimuth == 0) & (elevation == 0)
    if not found or frontal.all() or sorted(labels[frontal]) != sorted(set(labels)):
        raise GdrdError(f"{path} is not the Extended Yale B", "Name the folder that holds yaleB01 and the other people")
    # The azimuth turns the light about the vertical axis, the elevation lifts it.
    angle = np.degrees(np.arccos(np.clip(np.cos(azimuth) * np.cos(elevation), -1, 1))).round(6)
    faces = CropFaces([file for file, _ in found], labels, "Extended Yale B")
    return faces, Enrolment(np.flatnonzero(frontal), np.flatnonzero(~frontal)), 1 + np.searchsorted(SUBSETS, angle)

"""SCface (Grgic et al., MTAP 2011): 130 people, a mugshot each, and five surveillance cameras at three distances.

Layout: mugshot_frontal_original_all/001_frontal.jpg, surveillance_cameras_distance_1/cam_1/001_cam1_1.jpg (the folder
of a camera may be missing), distances 1 (4.2 m), 2 (2.6 m) and 3 (1.0 m).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import align_many, square
from gdrd_lab.datasets.aligned_cache import aligned_copy
from gdrd_lab.datasets.base import FaceDataset, resized
from gdrd_lab.datasets.benchmarks import find_folder
from gdrd_lab.datasets.listing import Listing
from gdrd_lab.datasets.pairs import Enrolment
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

DISTANCES = (1, 2, 3)
MUGSHOTS = "mugshot_frontal_original_all"
WHERE = f"Name SCface's folder, which holds {MUGSHOTS} and surveillance_cameras_distance_1 to _3"


def scface(
    path: Path | str, people: Iterable[int] = range(1, 131), *, progress: bool = True
) -> tuple[FaceDataset, dict[int, Enrolment]]:
    """Return mugshots and surveillance faces, aligned, and for each distance the probes against the mugshots.

    Published is rank-1 at each distance. Many papers fine-tune on the first 50 people and test on the other 80:
    ``range(51, 131)``. Images in which no face is found (most are at 4.2 m) are used whole, so that every probe counts.
    """
    folder, wanted = find_folder(path, MUGSHOTS, WHERE), set(people)
    found = _named(folder / MUGSHOTS, r"(\d{3})_frontal", 0)
    for distance in DISTANCES:
        place = folder / f"surveillance_cameras_distance_{distance}"
        found += _named(place, rf"(\d{{3}})_cam([1-5])_{distance}", distance)
    found = [row for row in found if row[1] in wanted]
    enrolled = {person for _, person, distance in found if distance == 0}
    missing = {person for _, person, _ in found} - enrolled
    if missing or not enrolled or len(enrolled) == len(found):
        what = f"person {min(missing):03d} has no mugshot" if missing else "there are no surveillance images"
        raise GdrdError(f"In {folder} {what}", WHERE)
    files = [file for file, _, _ in found]
    labels = np.unique([person for _, person, _ in found], return_inverse=True)[1].astype(np.int64)
    distances = np.array([distance for _, _, distance in found])
    listing = Listing(files, [file.stem for file in files], labels)
    faces = aligned_copy(listing, "SCface", partial(_align, progress=progress), "scface")
    gallery = np.flatnonzero(distances == 0)
    return faces, {distance: Enrolment(gallery, np.flatnonzero(distances == distance)) for distance in DISTANCES}


def _named(folder: Path, pattern: str, distance: int) -> list[tuple[Path, int, int]]:
    """Return the images whose name fits, each with the number of its person and the distance."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    matches = [re.fullmatch(pattern, file.stem) for file in files]
    return [(file, int(match[1]), distance) for file, match in zip(files, matches, strict=True) if match]


def _align(files: Sequence[Path], progress: bool) -> Iterator[np.ndarray | GdrdError]:
    for file, face in zip(files, align_many(files, face_selection="central", progress=progress), strict=True):
        yield resized(square(read_image(file)), TEMPLATE_SIZE) if isinstance(face, GdrdError) else face

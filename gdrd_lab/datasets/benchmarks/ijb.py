"""IJB-B and IJB-C by templates, 1:1 and 1:N, from the lists that InsightFace publishes for NIST's images.

Layout: loose_crop/NAME and meta/ijbc_name_5pts_score.txt ("NAME x1 y1 ... x5 y5 score"), ijbc_face_tid_mid.txt
("NAME template medium"), ijbc_template_pair_label.txt ("template template 0|1"), and for 1:N ijbc_1N_gallery_G1.csv,
ijbc_1N_gallery_G2.csv and ijbc_1N_probe_mixed.csv (TEMPLATE_ID,SUBJECT_ID,FILENAME,...); ijbb and S1, S2 for IJB-B.

Source: Maze et al., IARPA Janus Benchmark - C, ICB 2018; InsightFace, recognition/_evaluation_/ijb.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.benchmarks import find_folder, must_exist
from gdrd_lab.datasets.celeba import LandmarkedFaces
from gdrd_lab.datasets.listing import Listing
from gdrd_lab.datasets.pairs import Enrolment, Pairs
from gdrd_lab.errors import GdrdError

WHERE = "Name the folder that holds loose_crop and meta"
AGAIN = "Get the meta files again"


@dataclass(frozen=True)
class Templates:
    """N faces in T sets, each compared as one; a face in two templates occurs twice."""

    faces: LandmarkedFaces
    template: np.ndarray  # (N,) number of the template each face belongs to, 0 to T - 1
    medium: np.ndarray  # (N,) photograph or video it comes from; a video's frames count as one
    names: np.ndarray  # (T,) the templates' official numbers


def ijb(path: Path | str, name: str = "ijbc") -> Templates:
    """Return the faces of IJB-C or IJB-B with their templates, cut out by the published landmarks when asked for."""
    folder = find_folder(path, f"meta/{name}_face_tid_mid.txt", WHERE)
    rows = _rows(folder / "meta" / f"{name}_face_tid_mid.txt", 3)
    points = {row[0]: row[1:11] for row in _rows(folder / "meta" / f"{name}_name_5pts_score.txt", 12)}
    if lost := [row[0] for row in rows if row[0] not in points]:
        raise GdrdError(f"{len(lost)} faces have no landmarks, among them {lost[0]}", AGAIN)
    files = [folder / "loose_crop" / row[0] for row in rows]
    must_exist(files, name.upper())
    try:
        landmarks = np.array([[float(word) for word in points[row[0]]] for row in rows]).reshape(-1, 5, 2)
        if not np.isfinite(landmarks).all():
            raise ValueError("a landmark is not finite")
        numbers, media = (np.array([int(row[column]) for row in rows]) for column in (1, 2))
    except ValueError as error:
        raise GdrdError(f"The lists of {name} have a value that is not a number ({error})", AGAIN) from error
    names, template = np.unique(numbers, return_inverse=True)
    keys = [f"{number}/{row[0]}" for number, row in zip(numbers, rows, strict=True)]
    faces = LandmarkedFaces(Listing(files, keys, np.full(len(files), -1)), name.upper(), landmarks)
    return Templates(faces, template, media, names)


def template_embeddings(embeddings: np.ndarray, templates: Templates) -> np.ndarray:
    """Average embeddings (N, d) by medium, then the media of each template: (T, d) unit vectors.

    e_T = normalise( sum_media mean_{faces of the medium} e )
    """
    both = np.stack([templates.template, templates.medium], 1)
    pairs, medium, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    means = np.zeros((len(pairs), embeddings.shape[1]))
    np.add.at(means, medium.reshape(-1), embeddings)
    means /= counts[:, None]
    out = np.zeros((len(templates.names), embeddings.shape[1]))
    np.add.at(out, pairs[:, 0], means)
    return (out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def ijb_pairs(path: Path | str, templates: Templates, name: str = "ijbc") -> Pairs:
    """Return the 1:1 protocol: pairs of templates, all in one fold (TAR at FAR is published, no folds)."""
    folder = find_folder(path, f"meta/{name}_face_tid_mid.txt", WHERE)
    source = folder / "meta" / f"{name}_template_pair_label.txt"
    try:
        rows = np.loadtxt(source, np.int64, ndmin=2)
        first, second, genuine = rows.T
    except (OSError, ValueError) as error:
        raise GdrdError(f"{source} is not a list of pairs ({str(error)[:80]})", AGAIN) from error
    places = [_places(templates, numbers, source) for numbers in (first, second)]
    return Pairs(places[0], places[1], genuine == 1, np.zeros(len(rows), np.int64))


def ijb_search(
    path: Path | str, templates: Templates, gallery: str = "G1", name: str = "ijbc"
) -> tuple[np.ndarray, Enrolment, np.ndarray]:
    """Return the 1:N protocol for one of the two galleries.

    It is the subject of each template (T,), -1 where none is named; the gallery's templates with the mated probes; and
    the non-mated probes, whose subject is not in the gallery.
    """
    folder = find_folder(path, f"meta/{name}_face_tid_mid.txt", WHERE) / "meta"
    enrolled, shown = (
        _subjects(folder / f"{name}_1N_{part}.csv", templates) for part in (f"gallery_{gallery}", "probe_mixed")
    )
    subjects = np.full(len(templates.names), -1)
    for table in (enrolled, shown):
        subjects[list(table)] = list(table.values())
    known = set(enrolled.values())
    probes = np.array(sorted(shown))
    mated = np.array([shown[place] in known for place in probes])
    return subjects, Enrolment(np.array(sorted(enrolled)), probes[mated]), probes[~mated]


def _subjects(path: Path, templates: Templates) -> dict[int, int]:
    """Return the subject of each template of a 1:N list, by the template's position."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        numbers = [(int(row["TEMPLATE_ID"]), int(row["SUBJECT_ID"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        do = "It has the columns TEMPLATE_ID, SUBJECT_ID, FILENAME"
        raise GdrdError(f"{path} is not a 1:N list ({error})", do) from error
    places = _places(templates, np.array([number for number, _ in numbers]), path)
    return dict(zip(places.tolist(), [subject for _, subject in numbers], strict=True))


def _places(templates: Templates, numbers: np.ndarray, source: Path) -> np.ndarray:
    places = np.minimum(np.searchsorted(templates.names, numbers), len(templates.names) - 1)
    wrong = templates.names[places] != numbers
    if wrong.any():
        raise GdrdError(f"{source} names template {numbers[wrong][0]}, which has no face", AGAIN)
    return places


def _rows(path: Path, count: int) -> list[list[str]]:
    try:
        rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise GdrdError(f"{path} cannot be read", WHERE) from error
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != count), None)
    if wrong or not rows:
        raise GdrdError(f"Line {wrong or 1} of {path} does not have {count} words", AGAIN)
    return rows

"""Photographs reduced as a whole, as a distant camera does it: which faces are found there, and how well recognised."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

import numpy as np
from tqdm.auto import tqdm

from gdrd_lab.alignment.template import TEMPLATE_SIZE, similarity, template
from gdrd_lab.alignment.yunet import Aligner, crop
from gdrd_lab.datasets.base import ArrayFaces, FaceDataset, to_images, to_tensor
from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.identification import clustered_error
from gdrd_lab.evaluation.metrics.verification import lfw_accuracy
from gdrd_lab.evaluation.protocol import pair_scores
from gdrd_lab.evaluation.sweep import Score, method_name
from gdrd_lab.io.paths import commit
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation
from gdrd_lab.transforms.resize import downscale

SETTING, DETECTION = "aligned at the low resolution", "detection in reduced photographs"
TIMES = (1, 2, 4)  # how much a reduced photograph is enlarged before it is searched
FAR_OFF = 0.5  # of the distance between the eyes: a face whose landmarks lie further off is another one, or none


def face_widths(photographs: FaceDataset, progress: bool = True) -> np.ndarray:
    """Return the width (N,) in pixels of the most central face of each photograph, aligned; NaN where there is none."""
    aligner, widths = Aligner(), np.full(len(photographs), np.nan)
    for index in tqdm(range(len(photographs)), desc="full resolution", disable=not progress, leave=False):
        image = photographs[index]
        with suppress(GdrdError):
            widths[index] = _width(aligner.choose(image, "central").landmarks)
    return widths


def _width(landmarks: np.ndarray) -> float:
    return float(TEMPLATE_SIZE / np.hypot(*similarity(landmarks, template())[:, 0]))


def _reduced(image: np.ndarray, zoom: float) -> np.ndarray:
    return image if zoom >= 1 else to_images(downscale(to_tensor([image]), round(len(image) * zoom)))[0]


def align_reduced(
    photographs: FaceDataset, resolution: int, progress: bool = True, widths: np.ndarray | None = None
) -> tuple[ArrayFaces, np.ndarray]:
    """Reduce each photograph until its face is ``resolution`` pixels wide, then find and align the face there.

    ``photographs`` are N that are not aligned, as ``lfw(options=ReadOptions(align="never"))`` gives them, with their
    ``face_widths``. Returned are the faces, grey where none was found, and which were found, (N,) bool.
    """
    zooms = resolution / (face_widths(photographs, progress) if widths is None else widths)
    aligner, found = Aligner(), np.zeros(len(photographs), bool)
    faces = np.full((len(photographs), resolution, resolution, 3), 128, np.uint8)
    for index in tqdm(np.flatnonzero(zooms > 0), desc=f"{resolution} px", disable=not progress, leave=False):
        small = _reduced(photographs[index], zooms[index])
        with suppress(GdrdError):
            faces[index] = crop(small, aligner.choose(small, "central").landmarks, resolution)
            found[index] = True
    return ArrayFaces(faces, photographs.labels, photographs.keys, photographs.name), found


def verify_photographs(
    recognisers: Sequence[Recogniser],
    photographs: FaceDataset,
    pairs: Pairs,
    resolutions: Sequence[int],
    options: EmbedOptions = EmbedOptions(),
) -> list[Score]:
    """Measure accuracy and detection rate; a pair with a face that was not found counts as decided wrongly."""
    scores, code, widths = [], commit(), face_widths(photographs, options.progress)
    for resolution in resolutions:
        faces, found = align_reduced(photographs, resolution, options.progress, widths)
        missed = ~(found[pairs.first] & found[pairs.second])
        rate = float(found.mean())
        detected = ("detection rate", rate, clustered_error(found, photographs.labels), len(found))
        for recogniser in recognisers:
            began = time.perf_counter()
            embeddings = embed_all(recogniser, faces, None, options)
            similar = pair_scores(embeddings, embeddings, pairs)
            rows = [detected, ("accuracy", *accuracy_where_found(similar, pairs, ~missed), len(similar))]
            method, seconds = method_name(recogniser, options), round(time.perf_counter() - began, 3)
            place = (method, photographs.name, SETTING, resolution, asdict(Degradation(resolution)))
            scores += [Score(*place, *row, options.seed, code, seconds) for row in rows]
    return scores


def accuracy_where_found(scores: np.ndarray, pairs: Pairs, found: np.ndarray) -> tuple[float, float]:
    """Return accuracy and standard error; pairs that are not ``found`` (P,) are wrong and choose no threshold.

    NaN where the pairs that are found cannot choose a threshold: they lie in one fold, or are all genuine or impostors.
    """
    folds = np.unique(pairs.fold)
    shares = np.array([found[pairs.fold == fold].mean() for fold in folds])
    right = np.zeros(len(folds))
    if found.any():
        try:
            result = lfw_accuracy(scores[found], pairs.genuine[found], pairs.fold[found])
        except GdrdError:
            return np.nan, np.nan
        right[shares > 0] = result.per_fold * shares[shares > 0]
    return float(right.mean()), float(right.std(ddof=1) / np.sqrt(len(folds)))


def detection_scores(photographs: FaceDataset, resolutions: Sequence[int], progress: bool = True) -> list[Score]:
    """Measure the detection rate, and the landmark error of the faces found in shares of the distance between the eyes.

    Each photograph is reduced until its most central face has the resolution, and searched as it is and enlarged 2 and
    4 times by bicubic interpolation. The landmarks found at full resolution count as right.
    """
    aligner, began = Aligner(), time.perf_counter()
    errors: dict[tuple[int, int], list[float]] = {(times, size): [] for times in TIMES for size in resolutions}
    for index in tqdm(range(len(photographs)), desc=photographs.name, disable=not progress, leave=False):
        image = photographs[index]
        try:
            right = aligner.choose(image, "central").landmarks
        except GdrdError:
            continue
        width = _width(right)
        for size in (size for size in resolutions if size <= width):
            small = _reduced(image, size / width)
            truth = (right + 0.5) * (len(small) / len(image)) - 0.5
            eyes = np.linalg.norm(truth[0] - truth[1])
            for times in TIMES:
                found = aligner.detect_at(small, times)
                off = (np.linalg.norm(face.landmarks - truth, axis=1).mean() / eyes for face in found)
                errors[times, size].append(min(off, default=np.inf))
    if not all(errors.values()):
        raise GdrdError(f"{photographs.name} has no faces as large as the resolutions", "Give larger photographs")
    scores, code, seconds = [], commit(), round(time.perf_counter() - began, 3)
    for (times, size), values in errors.items():
        hit, n = np.array(values) < FAR_OFF, len(values)
        near = np.array(values)[hit]
        rows = [("detection rate", float(hit.mean()), clustered_error(hit, np.arange(n)), n)]
        if len(near) > 1:
            rows.append(("landmark error", float(near.mean()), float(near.std(ddof=1) / np.sqrt(len(near))), len(near)))
        way = "as it is" if times == 1 else f"enlarged {times} times"
        place = (way, photographs.name, DETECTION, size, asdict(Degradation(size)))
        scores += [Score(*place, *row, 0, code, seconds) for row in rows]
    return scores

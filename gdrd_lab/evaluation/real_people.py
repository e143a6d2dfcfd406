"""Calibration on real people: only counts of their pairs' scores are kept, no face and no name.

A likelihood ratio says how many times as often two faces of one person have a score as faces of two people have it.
It is log10 LR = a + b score by logistic regression, in which both kinds of pairs have the same weight. Its interval
comes from resampling the people.

Source: Morrison, Tutorial on logistic-regression calibration and fusion (Australian Journal of Forensic Sciences 2013).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from gdrd_lab.datasets.base import FaceDataset, batches, require_pairs, subset
from gdrd_lab.datasets.embed import embed_faces, face_seeds
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS, KnownPairs, all_pairs, read_embeddings, write_embeddings
from gdrd_lab.evaluation.metrics.verification import require_finite_scores, resamples
from gdrd_lab.evaluation.results import provenance
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.io.cache import fingerprint, keep, keyed, recall
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.camera import preset
from gdrd_lab.transforms.degradation import Degradation

CAMERAS = {"clean": RESOLUTIONS, "webcam": (8, 16, 32, 112), "surveillance": (8, 16, 32, 112)}
KIND = "calibration"  # of the cache
EDGES = np.linspace(-1, 1, 401)  # of the bins of a cosine
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
KINDS = ("impostor", "genuine")
SAMPLES = 50  # resamplings of the people
MOST_FACES = 2000
FORMAT = 1
REMEDY = "Make it again: gdrd calibrate --data PEOPLE --validation-split 0.05"


@dataclass(frozen=True, eq=False)
class ScoreCounts(KnownPairs):
    """Counts of scores by one recogniser and camera, (R, 2, bins): impostor pairs, then genuine pairs.

    ``lines`` (R, 5) are a, b, and the variance of a, covariance and variance of b, see above.
    """

    resolutions: tuple[int, ...]
    counts: np.ndarray
    lines: np.ndarray

    def pairs(self, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Return scores with these counts, evenly spread in each bin, and which are genuine."""
        counts = self.counts[self.resolutions.index(self.nearest(resolution))]
        totals = counts.sum(1)
        scores = [
            np.interp(np.arange(total) + 0.5, [0, *row.cumsum()], EDGES)
            for row, total in zip(counts, totals, strict=True)
        ]
        return np.concatenate(scores), np.arange(totals.sum()) >= totals[0]

    def likelihood_ratio(self, resolution: int, score: float) -> tuple[float, float, float]:
        """Return the likelihood ratio of a score and its 95 percent interval (value, low, high).

        A score outside the range in which both kinds of pairs were seen counts as the end of that range.
        """
        require_finite_scores(np.array([score]))
        row = self.resolutions.index(self.nearest(resolution))
        seen = [np.flatnonzero(counts) for counts in self.counts[row]]
        low, high = sorted((MIDDLES[seen[1][0]], MIDDLES[seen[0][-1]]))
        x = np.array([1, np.clip(score, low, high)])
        a, b, *variances = self.lines[row]
        (var_a, cov, var_b), value = variances, x @ (a, b)
        spread = 1.96 * np.sqrt(max(x @ [[var_a, cov], [cov, var_b]] @ x, 0))
        return float(10**value), float(10 ** (value - spread)), float(10 ** (value + spread))


def real_people(recogniser: Recogniser, camera: str = "clean", path: Path | None = None) -> ScoreCounts | None:
    """Return the shipped calibration of a recogniser and camera; None if these weights or this camera have none."""
    weights = keyed(recogniser)
    for method in _read(path or shipped_file())["methods"]:
        if weights == method["weights"] and camera in method["cameras"]:
            cells = method["cameras"][camera]
            counts = np.stack([[_numbers(cell[kind]) for kind in KINDS] for cell in cells.values()])
            lines = np.array([[float(number) for number in cell["line"].split()] for cell in cells.values()])
            return ScoreCounts(tuple(map(int, cells)), counts, lines)
    return None


def shipped_file() -> Path:
    """Return the path of the shipped calibration."""
    return data_folder() / "results" / "calibration.json"


def write_real_people(
    path: Path,
    recognisers: Sequence[Recogniser],
    faces: FaceDataset,
    resolutions: Mapping[str, Sequence[int]] = CAMERAS,
    progress: bool = True,
) -> None:
    """Write the calibration of recognisers on labelled faces at the ``resolutions`` of each camera.

    Embeddings are kept in the cache, so an interrupted or repeated call measures only what is new.
    """
    faces = subset(faces, np.flatnonzero(np.asarray(faces.labels) >= 0), faces.name)
    require_pairs(faces)
    if len(faces) > MOST_FACES:
        what = f"{faces.name} has {len(faces):,} faces, and every pair of at most {MOST_FACES:,} can be counted"
        raise GdrdError(what, "Give fewer, for example by --validation-split 0.05")
    found: dict[str, Any] = {r.name: {camera: {} for camera in resolutions} for r in recognisers}
    settings = [(camera, size) for camera, sizes in resolutions.items() for size in sorted(sizes)]
    for camera, size in tqdm(settings, desc="calibrate", disable=not progress):
        for name, table in _embedded(recognisers, faces, Degradation(size, camera=camera)).items():
            found[name][camera][str(size)] = _cell(table, faces.labels)
    methods = [{"name": r.name, "weights": fingerprint(r), "cameras": found[r.name]} for r in recognisers]
    counts = np.unique(faces.labels, return_counts=True)[1]
    genuine, every = int((counts * (counts - 1) // 2).sum()), len(faces) * (len(faces) - 1) // 2
    about = {"data": faces.name, "people": len(counts), "faces": len(faces), "genuine": genuine}
    document = {"format": FORMAT, **provenance(), **about, "impostor": every - genuine, "methods": methods}
    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())


def _embedded(recognisers: Sequence[Recogniser], faces: FaceDataset, degradation: Degradation) -> dict[str, np.ndarray]:
    """Return embeddings (N, d) by the recogniser's name; a face is degraded once for all that the cache lacks."""
    how = dataset_fingerprint(faces), degradation, preset(degradation.camera)
    keys = {r.name: fingerprint(r, *how) for r in recognisers}
    kept = ((name, recall(KIND, key, partial(read_embeddings, key))) for name, key in keys.items())
    found = {name: table for name, table in kept if table is not None}
    missing = [r for r in recognisers if r.name not in found]
    tables = {r.name: np.zeros((len(faces), r.embedding_size), np.float32) for r in missing}
    for indices, batch in batches(faces, 64) if missing else ():
        degraded = degradation(batch, face_seeds(0, indices))
        for r in missing:
            tables[r.name][indices] = embed_faces(r, degraded)
    for name, table in tables.items():
        key = keys[name]
        found[name] = keep(KIND, key, {key: table}, partial(read_embeddings, key), write_embeddings)
    return found


def _cell(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    """Return what is kept of one recogniser, camera and resolution."""
    scores, genuine = all_pairs(embeddings, labels)
    counts = _counts(scores, genuine)
    people = labels[np.stack(np.triu_indices(len(labels), 1), 1)]
    drawn = [log_ratio(_counts(*pairs)) for pairs in resamples(scores, genuine, identities=people, samples=SAMPLES)]
    variances = np.cov(np.array(drawn).T)[np.triu_indices(2)]
    line = " ".join(f"{number:.7g}" for number in (*log_ratio(counts), *variances))
    return {**{kind: _text(row) for kind, row in zip(KINDS, counts, strict=True)}, "line": line}


def _counts(scores: np.ndarray, genuine: np.ndarray) -> np.ndarray:
    """Return the counts (2, bins) of impostor and genuine scores."""
    return np.stack([np.histogram(scores[kind].clip(-1, 1), len(MIDDLES), (-1, 1))[0] for kind in (~genuine, genuine)])


def log_ratio(counts: np.ndarray) -> np.ndarray:
    """Return a and b of log10 LR = a + b score."""
    from sklearn.linear_model import LogisticRegression

    kind, place = np.nonzero(counts)
    weights = (counts / counts.sum(1, keepdims=True))[kind, place]
    centre = np.average(MIDDLES[place], weights=weights)
    scale = np.sqrt(np.average((MIDDLES[place] - centre) ** 2, weights=weights))
    fit = LogisticRegression(C=1e6, max_iter=1000)
    fit.fit(((MIDDLES[place] - centre) / scale)[:, None], kind, weights)
    slope = fit.coef_[0, 0] / scale
    return np.array([fit.intercept_[0] - slope * centre, slope]) / np.log(10)


def _text(counts: np.ndarray) -> str:
    """Return the first bin that is not empty and the counts from there to the last one."""
    there = np.flatnonzero(counts)
    return f"{there[0]}: {' '.join(map(str, counts[there[0] : there[-1] + 1]))}"


def _numbers(text: str) -> np.ndarray:
    first, *counts = text.replace(":", "").split()
    return np.pad(np.array(counts, int), (int(first), len(MIDDLES) - int(first) - len(counts)))


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GdrdError(f"{path} is not a calibration ({str(error)[:80]})", REMEDY) from error
    return document

"""The metrics of TinyFace, SCface, QMUL-SurvFace, IJB-B, IJB-C, Extended Yale B, UTKFace and .bin files."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdrd_lab.datasets.benchmarks import ijb, qmul, scface, utkface, yaleb
from gdrd_lab.datasets.embed import EmbedOptions, embed_all, require_finite
from gdrd_lab.datasets.insightface.bin import BinFaces, bin_pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.groups import group_rates
from gdrd_lab.evaluation.metrics.identification import clustered_error, tpir_at_fpir
from gdrd_lab.evaluation.metrics.retrieval import search
from gdrd_lab.evaluation.metrics.verification import tar_at_far, threshold_at_far
from gdrd_lab.evaluation.protocol import identify_embeddings, pair_scores, verify_embeddings
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation


@dataclass(frozen=True)
class Metric:
    """One published number in [0, 1] of ``n`` probes or pairs; NaN where impostors are too few for a FAR."""

    name: str
    value: float
    n: int
    spread: float = math.nan  # standard error, clustered by person, where it is computed


def read_benchmark(*paths: Path) -> dict[str, list[Metric]]:
    """Read the metrics of each method that `gdrd benchmarks` wrote, in one file or several."""
    found: dict[str, list[Metric]] = {}
    for path in paths:
        try:
            scores = json.loads(path.read_text())["scores"]
            found |= {method: [Metric(**metric) for metric in metrics] for method, metrics in scores.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{path} holds no scores of a benchmark ({error})"
            raise GdrdError(what, "Write it with `gdrd benchmarks`") from error
    return found


def score_tinyface(path: Path, recogniser: Recogniser, options: EmbedOptions = EmbedOptions()) -> list[Metric]:
    """Rank-1, rank-5, rank-20 and mAP of TinyFace's probes in gallery and distractors.

    A rank counts people: several faces of one person before the right one count once (in TinyFace's own code, each).
    """
    faces, enrolment = qmul.tinyface(path)
    found = embed_all(recogniser, faces, options=options)
    result = identify_embeddings(found, found, faces.labels, enrolment)
    count = len(enrolment.probes)
    metrics = [Metric(f"rank-{k}", result.rank_k(k), count) for k in (1, 5, 20)]
    parts = [part for rows in (enrolment.probes, enrolment.gallery) for part in (found[rows], faces.labels[rows])]
    return [*metrics, Metric("mAP", search(*parts).mean_average_precision, count)]


def score_scface(path: Path, recogniser: Recogniser, options: EmbedOptions = EmbedOptions()) -> list[Metric]:
    """Rank-1 of SCface's surveillance faces against the mugshots, at each distance."""
    faces, tasks = scface.scface(path)
    found = embed_all(recogniser, faces, options=options)
    shown = {distance: task for distance, task in tasks.items() if len(task.probes)}
    results = {place: identify_embeddings(found, found, faces.labels, task) for place, task in shown.items()}
    return [Metric(f"rank-1 at distance {place}", one.rank_k(1), len(one.ranks)) for place, one in results.items()]


def score_survface(path: Path, recogniser: Recogniser, options: EmbedOptions = EmbedOptions()) -> list[Metric]:
    """QMUL-SurvFace: TPIR20 at four FPIRs, TAR at three FARs, AUC and mean accuracy."""
    faces, enrolment, non_mated = qmul.survface_identification(path)
    found = embed_all(recogniser, faces, options=options)
    gallery, mated = enrolment.gallery, enrolment.probes
    fpirs = (0.3, 0.2, 0.1, 0.01)
    tpirs = tpir_at_fpir(
        found[mated], faces.labels[mated], found[non_mated], found[gallery], faces.labels[gallery], fpirs
    )
    metrics = _at_rates("TPIR20@FPIR", fpirs, tpirs, len(mated))
    faces, pairs = qmul.survface_verification(path)
    found = embed_all(recogniser, faces, options=options)
    fars = (0.3, 0.1, 0.01)
    result = verify_embeddings(found, found, pairs, fars=fars)
    metrics += _at_rates("TAR@FAR", fars, result.tar_at_far, len(pairs))
    return [*metrics, Metric("AUC", result.auc, len(pairs)), Metric("accuracy", result.accuracy.mean, len(pairs))]


def score_ijb(
    path: Path, recogniser: Recogniser, options: EmbedOptions = EmbedOptions(), name: str = "ijbc"
) -> list[Metric]:
    """IJB-C or IJB-B: TAR at FARs over template pairs; rank-1, rank-5 and TPIR at FPIRs, mean of both galleries."""
    templates = ijb.ijb(path, name)
    embeddings = embed_all(recogniser, templates.faces, options=options)
    found = require_finite(ijb.template_embeddings(embeddings, templates), recogniser.name)
    pairs = ijb.ijb_pairs(path, templates, name)
    scores = pair_scores(found, found, pairs)
    fars = (1e-5, 1e-4, 1e-3, 1e-2)
    metrics = _at_rates("TAR@FAR", fars, tar_at_far(scores, pairs.genuine, fars), len(pairs))
    galleries = ("G1", "G2") if name == "ijbc" else ("S1", "S2")
    several: dict[str, list[float]] = {}
    count = 0
    for gallery in galleries:
        subjects, task, non_mated = ijb.ijb_search(path, templates, gallery, name)
        result = identify_embeddings(found, found, subjects, task)
        count += len(task.probes)
        for k in (1, 5):
            several.setdefault(f"rank-{k}", []).append(result.rank_k(k))
        if len(non_mated):
            rows = task.gallery
            enrolled = (found[rows], subjects[rows])
            tpirs = tpir_at_fpir(
                found[task.probes], subjects[task.probes], found[non_mated], *enrolled, (0.1, 0.01), rank=len(rows)
            )
            for fpir, value in zip((0.1, 0.01), tpirs, strict=True):
                several.setdefault(f"TPIR@FPIR={fpir:g}", []).append(float(value))
    return [*metrics, *(Metric(what, float(np.mean(values)), count) for what, values in several.items())]


def score_yaleb(path: Path, recogniser: Recogniser, options: EmbedOptions = EmbedOptions()) -> list[Metric]:
    """Rank-1 of Extended Yale B against the faces in frontal light: sharp, by subset of lights, at 16 and at 8 px."""
    faces, enrolment, subsets = yaleb.yaleb(path)
    sharp, low, lowest = (embed_all(recogniser, faces, how, options) for how in (None, *map(Degradation, (16, 8))))
    lights, people, metrics = subsets[enrolment.probes], faces.labels[enrolment.probes], []
    both = (
        ("sharp", sharp, sharp),
        ("16 px", low, low),
        ("16 px, sharp gallery", low, sharp),
        ("8 px", lowest, lowest),
    )
    for name, probe, gallery in both:
        right = identify_embeddings(probe, gallery, faces.labels, enrolment).ranks == 1
        shown = {"": right >= 0} | {f", subset {k}": lights == k for k in np.unique(lights) if name == "sharp"}
        for which, part in shown.items():
            error = clustered_error(right[part], people[part])
            metrics.append(Metric(f"rank-1, {name}{which}", float(right[part].mean()), int(part.sum()), error))
    return metrics


def score_utkface(
    path: Path, recogniser: Recogniser, options: EmbedOptions = EmbedOptions(), far: float = 0.001
) -> list[Metric]:
    """Errors of each age, sex and group, faces at 16 px against sharp ones, at one threshold for each camera.

    The threshold accepts ``far`` of all pairs of different photographs. FMR is the share of a group's pairs of
    different photographs that are accepted; FNMR that of faces rejected against their own sharp photograph.
    """
    faces, attributes = utkface.utkface(path)
    sharp, metrics = embed_all(recogniser, faces, None, options), []
    own = np.eye(len(faces), dtype=bool).ravel()
    for camera in ("clean", "webcam", "surveillance"):
        similar = embed_all(recogniser, faces, Degradation(16, camera=camera), options) @ sharp.T
        accepted = similar >= threshold_at_far(similar.ravel(), own, far)
        for attribute, groups in ({"everyone": np.full(len(faces), "")} | attributes).items():
            for group, rates in group_rates(accepted, groups).items():
                name, n = f"{camera}, {attribute} {group}".strip(), int((groups == group).sum())
                metrics += [Metric(f"{name}, {k}", r, n, e) for k, (r, e) in zip(("FMR", "FNMR"), rates, strict=True)]
    return metrics


def score_bin(path: Path, recogniser: Recogniser, options: EmbedOptions = EmbedOptions()) -> list[Metric]:
    """Mean accuracy over ten folds of an InsightFace verification file."""
    faces = BinFaces(path)
    found, pairs = embed_all(recogniser, faces, options=options), bin_pairs(faces)
    return [Metric("accuracy", verify_embeddings(found, found, pairs).accuracy.mean, len(pairs))]


def _at_rates(name: str, rates: Sequence[float], values: np.ndarray, n: int) -> list[Metric]:
    return [Metric(f"{name}={rate:g}", float(value), n) for rate, value in zip(rates, values, strict=True)]

"""Scores and result files with numbers that a test can follow."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.transforms.degradation import Degradation


def score(
    method: str, value: float, metric: str = "accuracy", setting: str = "same resolution", **how: object
) -> Score:
    degradation = replace(Degradation(16), **how)
    size = degradation.resolution or 112
    return Score(method, "faces", setting, size, asdict(degradation), metric, value, 0.0123, 700, 0, "abc", 1.0)


def camera_scores() -> list[Score]:
    """SFace loses 20 and 30 points through the webcam, the student 5 and 10."""
    values = {("SFace", "clean"): (0.8, 0.9), ("SFace", "webcam"): (0.6, 0.6)}
    values |= {("student", "clean"): (0.7, 0.8), ("student", "webcam"): (0.65, 0.7)}
    found = [
        score(method, value, resolution=size, camera=camera)
        for (method, camera), pair in values.items()
        for size, value in zip((8, 16), pair, strict=True)
    ]
    rates = (("all pairs, TAR@FAR=0.001", 0.5), ("all pairs, TAR@FAR=0.0001", 0.25), ("TPIR@FPIR=0.1", np.nan))
    found += [
        score(method, value + 0.1 * (method == "student"), name)
        for name, value in rates
        for method in ("SFace", "student")
    ]
    return found


def yaleb_file(path: Path, **values: tuple[float, float]) -> Path:
    """Write {method: (sharp, 16 px)} as `gdrd benchmarks yaleb` does."""
    names = ("rank-1, sharp", "rank-1, 16 px")
    scores = {
        method: [
            {"name": name, "value": value, "n": 9, "spread": 0.01} for name, value in zip(names, pair, strict=True)
        ]
        for method, pair in values.items()
    }
    path.write_text(json.dumps({"command": "gdrd benchmarks yaleb", "date": "2026-11-27", "scores": scores}))
    return path


def discard_values(method: str, first: float, last: float) -> list[Score]:
    values = zip((0, 10, 20, 30, 40), np.linspace(first, last, 5).tolist(), strict=True)
    return [score(method, value, f"FNMR with {share} % discarded, FAR=0.01") for share, value in values]


def utkface_file(path: Path) -> Path:
    """Write two methods' rates of everyone and of two groups through two cameras."""
    rates = {"everyone": (0.001, 0.02), "sex male": (0.0005, 0.01), "sex female": (0.004, 0.05)}
    scores = {
        method: [
            {"name": f"{camera}, {group}, {kind}", "value": value * factor, "n": 40, "spread": 0.0001}
            for camera in ("clean", "webcam")
            for group, pair in rates.items()
            for kind, value in zip(("FMR", "FNMR"), pair, strict=True)
        ]
        for method, factor in (("student", 1), ("SFace", 2))
    }
    path.write_text(json.dumps({"command": "gdrd benchmarks utkface", "date": "2026-11-27", "scores": scores}))
    return path


def detection_scores() -> list[Score]:
    """At 16 px nothing is found unless the photograph is enlarged."""
    values = {"as it is": (0.0, None), "enlarged 4 times": (0.9, 0.1)}
    return [
        score(way, value, metric, "detection in reduced photographs")
        for way, pair in values.items()
        for metric, value in zip(("detection rate", "landmark error"), pair, strict=True)
        if value is not None
    ]


CONVERGED = {"L_kd only": 0.7, "L_kd + L_rcd + L_cls, no L_gen": 0.72, "random frozen backbone, then the same": 0.65}
PAPER = "L_gen, frozen, then L_kd + L_rcd + L_cls (the paper)"


def converged_scores(gain: float, **others: float) -> list[Score]:
    """Scores of three seeds in which the paper's row gains over the row without L_gen, at 8 and 16 px alike.

    ``others`` are gains at "at_8" px, of the row with the "earlier" teacher, and the "noise" between folds and seeds.
    """
    rows = {**CONVERGED, PAPER: 0.72 + gain}
    if "earlier" in others:
        rows[f"{PAPER}, earlier generative teacher"] = 0.72 + others["earlier"]
    random, out = np.random.default_rng(0), []
    for row, whole in rows.items():
        for size in (8, 16):
            value = 0.72 + others["at_8"] if "at_8" in others and size == 8 and row == PAPER else whole
            for seed in range(3):
                folds = value + others.get("noise", 0.001) * random.normal(size=10)
                place = {"resolution": size}
                final = [score(row, float(folds.mean()), **place)]
                final += [score(row, float(fold), f"accuracy, fold {k}", **place) for k, fold in enumerate(folds, 1)]
                out += [replace(one, seed=seed, samples=128_000) for one in final]
                out.append(replace(score(row, value - 0.1, **place), seed=seed, samples=64_000))
    return out

"""Train and score every row of the ablation; what is done is kept and not done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm

from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.datasets.pairs import Pairs, folds_that_fit, random_pairs
from gdrd_lab.datasets.split import split_identities
from gdrd_lab.evaluation import results as report
from gdrd_lab.evaluation import sweep
from gdrd_lab.experiments.ablation.rows import AblationConfig, Row, rows
from gdrd_lab.io.config import to_dict
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import pipeline

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.evaluation.sweep import Score
    from gdrd_lab.models.recogniser import Recogniser


def ablate(
    config: AblationConfig,
    faces: FaceDataset,
    generative: Path,
    teacher: Recogniser,
    out: Path,
    *,
    assistant: Path | None = None,
    baselines: Sequence[Recogniser] = (),
    chosen: Sequence[Row] | None = None,
    progress: bool = True,
) -> list[Score]:
    """Train every row with every seed on most identities and score it on the others.

    Each run is saved in ``out`` as it ends; the same call goes on where an earlier one stopped.

    Args:
        config: size of it all.
        faces: labelled faces; ``config.hold_out`` of the identities are scored, the rest trained on.
        generative: folder or hub id of the generative teacher.
        teacher: the discriminative teacher.
        out: folder of the runs.
        assistant: folder of the second teacher of rows that have one; it should not have seen the scored identities.
        baselines: other recognisers, scored as they are.
        chosen: the rows; all if None.
        progress: show progress bars.

    Returns:
        Scores of all runs; ``method`` is the row's name, ``seed`` the run's.

    Raises:
        GdrdError: a row has a second teacher, and there is none.
    """
    training, held_out = split_identities(faces, config.hold_out)
    pairs = random_pairs(held_out.labels, folds=folds_that_fit(held_out.labels))
    scores: list[Score] = []
    for recogniser in tqdm(baselines, desc="as they are", unit="method", disable=not progress):

        def itself(recogniser: Recogniser = recogniser) -> Recogniser:
            return recogniser

        scores += _scored(itself, recogniser.name, config, held_out, pairs, 0, out / "beside")
    runs = [(seed, row) for seed in config.seeds for row in (rows(config) if chosen is None else chosen)]
    for seed, row in (bar := tqdm(runs, desc="ablation", unit="run", disable=not progress)):
        bar.set_postfix_str(f"{row.name}, seed {seed}")
        folder = out / f"seed-{seed}"
        second = assistant if row.head.weight_assistant else None
        make = partial(_train, row, config, seed, training, generative, teacher, second, folder)
        learned = str(generative) if row.backbone else str(second or "")
        scores += _scored(make, row.name, config, held_out, pairs, seed, folder, learned)
    return scores


def _train(
    row: Row,
    config: AblationConfig,
    seed: int,
    faces: FaceDataset,
    generative: Path,
    teacher: Recogniser,
    assistant: Path | None,
    folder: Path,
) -> Student:
    """Train a row; rows with the same stage 1 share its backbone."""
    recipe = row.recipe(config, seed)
    made = [str(generative), to_dict(recipe.backbone)] if row.backbone else "random"
    backbone = folder / f"backbone-{_digest(made)}"
    if not (backbone / "backbone").is_dir():
        if row.backbone:
            pipeline.train_backbone(recipe, faces, backbone, generative, progress=False)
        else:
            torch.manual_seed(seed)
            Student(recipe.student).save(backbone / "backbone")
    told = [row.name, backbone.name, *([str(assistant)] if assistant else [])]
    place = folder / f"head-{_digest(told)}"
    return pipeline.train_head(recipe, faces, place, teacher, backbone / "backbone", False, assistant)


def _scored(
    make: Callable[[], Recogniser],
    name: str,
    config: AblationConfig,
    faces: FaceDataset,
    pairs: Pairs,
    seed: int,
    folder: Path,
    learned: str = "",
) -> list[Score]:
    """Return the scores kept from last time, or make the recogniser, score it and keep the scores."""
    path = _file(name, learned, config, folder)
    if path.exists():
        return list(report.read_json(path).scores)
    measures = sweep.MetricConfig(pairs, (0.01,), identification=True, distractors=True, retrieval=True)
    degradations = sweep.resolutions(config.resolutions)
    measured = sweep.sweep([make()], faces, degradations, measures, QUIET)
    scores = [replace(score, method=name, seed=seed) for score in measured]
    report.write_json(path, report.collect(scores))
    return scores


def _file(name: str, learned: str, config: AblationConfig, folder: Path) -> Path:
    # The name of the file tells configuration and the other model learned from, so that other scores are not taken for
    # these. Seeds do not count: more of them may be asked for later, or each by a process of its own.
    return folder / f"scores-{_digest([name, learned, to_dict(replace(config, seeds=()))])}.json"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]

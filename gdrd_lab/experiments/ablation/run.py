"""Train and score every row of the ablation. Each result is kept under the fingerprint of all that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm

from gdrd_lab import __version__
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.pairs import folds_that_fit, random_pairs
from gdrd_lab.datasets.split import split_identities, split_record
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation import results as report
from gdrd_lab.evaluation import sweep
from gdrd_lab.experiments.ablation.rows import AblationConfig, Row, rows
from gdrd_lab.io.cache import fingerprint
from gdrd_lab.models.diffusion.pipeline import load_generative
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import pipeline
from gdrd_lab.training.checks import check_run
from gdrd_lab.training.config import Recipe
from gdrd_lab.training.run import VERSION, RunOptions, generative_fingerprint, weights_fingerprint
from gdrd_lab.training.teacher_targets import teacher_embeddings

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

    Each result is kept in ``out``. A repeated call reuses those of the same faces, networks and settings.

    Args:
        faces: labelled faces; ``config.hold_out`` of the identities are scored, the rest trained on.
        generative: folder or hub id of the generative teacher.
        chosen: the rows; all if None.

    Returns:
        Scores of all runs; ``method`` is the row's name, ``seed`` the run's.
    """
    trained, held_out = split_identities(faces, config.hold_out)
    chosen = rows(config) if chosen is None else chosen
    for row in chosen:
        if row.head.weight_assistant and assistant is None:
            raise GdrdError(f"There is no assistant, which the row {row.name!r} needs", "Give the folder of one")
        check_run(row.recipe(config, 0), trained, ["backbone", "head"] if row.backbone else ["head"], teacher)
    prints: dict[str, str | None] = {"faces": dataset_fingerprint(trained)}
    prints["teacher"] = weights_fingerprint(teacher) or fingerprint(teacher_embeddings(teacher, trained, progress))
    if any(row.backbone for row in chosen):
        prints["generative"] = generative_fingerprint(load_generative(generative))
    if assistant is not None and any(row.head.weight_assistant for row in chosen):
        prints["assistant"] = weights_fingerprint(Student.load(assistant))
    split = split_record(trained, held_out, config.hold_out)
    inputs = _Inputs(trained, teacher, generative, assistant, RunOptions(split=split), prints)
    jobs = [_Job(found.name, 0, weights_fingerprint(found), out, partial(_itself, found)) for found in baselines]
    jobs += [_row_job(row, row.recipe(config, seed), inputs, out) for seed in config.seeds for row in chosen]
    scoring = fingerprint(dataset_fingerprint(held_out), config.resolutions, __version__)
    files = [job.folder / f"scores-{fingerprint(job.key, scoring)[:16]}.json" for job in jobs]
    kept = sum(file.exists() and job.key is not None for job, file in zip(jobs, files, strict=True))
    if progress:
        tqdm.write(f"{kept} of {len(jobs)} results are kept from earlier calls with the same inputs")
    pairs = random_pairs(held_out.labels, folds=folds_that_fit(held_out.labels))
    metrics = sweep.MetricConfig(pairs, (0.01,), identification=True, distractors=True, retrieval=True)
    scores: list[Score] = []
    for job, file in zip(bar := tqdm(jobs, desc="ablation", unit="run", disable=not progress), files, strict=True):
        bar.set_postfix_str(f"{job.name}, seed {job.seed}")
        if job.key is None or not file.exists():
            measured = sweep.sweep([job.make()], held_out, sweep.resolutions(config.resolutions), metrics, QUIET)
            named = [replace(score, method=job.name, seed=job.seed) for score in measured]
            report.write_json(file, report.collect(named))
        scores += [replace(score, method=job.name) for score in report.read_json(file).scores]
    return scores


@dataclass(frozen=True)
class _Inputs:
    """What the rows learn from, and the fingerprints of it by role."""

    faces: FaceDataset
    teacher: Recogniser
    generative: Path
    assistant: Path | None
    options: RunOptions
    prints: dict[str, str | None]


@dataclass(frozen=True)
class _Job:
    """A recogniser to score: ``key`` is the fingerprint of what it was made from, ``make`` makes it."""

    name: str
    seed: int
    key: str | None  # None: it cannot be known again, and its scores are not kept
    folder: Path
    make: Callable[[], Recogniser]


def _itself(recogniser: Recogniser) -> Recogniser:
    return recogniser


def _row_job(row: Row, recipe: Recipe, inputs: _Inputs, out: Path) -> _Job:
    """Describe the training of a row; rows with the same stage 1 share its backbone."""
    folder, prints = out / f"seed-{recipe.seed}", inputs.prints
    first = (recipe.backbone, prints["generative"]) if row.backbone else "random"
    backbone = fingerprint(VERSION, prints["faces"], recipe.student, recipe.seed, first)
    second = prints["assistant"] if row.head.weight_assistant else ""
    head = fingerprint(backbone, recipe.head, prints["teacher"], second)
    places = folder / f"backbone-{backbone[:16]}", folder / f"head-{head[:16]}"
    return _Job(row.name, recipe.seed, head, folder, partial(_train, row, recipe, inputs, *places))


def _train(row: Row, recipe: Recipe, inputs: _Inputs, first: Path, second: Path) -> Student:
    """Train a row: its backbone in the folder ``first`` unless it is there, then its head in ``second``."""
    if not (first / "backbone").is_dir():
        if row.backbone:
            pipeline.train_backbone(recipe, inputs.faces, first, inputs.generative, False, inputs.options)
        else:
            torch.manual_seed(recipe.seed)
            Student(recipe.student).save(first / "backbone")
    assistant = inputs.assistant if row.head.weight_assistant else None
    start = first / "backbone"
    return pipeline.train_head(recipe, inputs.faces, second, inputs.teacher, start, False, assistant, inputs.options)

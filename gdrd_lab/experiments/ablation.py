"""The ablation: losses, generative features, frozen or trained backbone, with the same number of steps in every row."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import torch
from tqdm.auto import tqdm

from gdrd_lab import __version__
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.pairs import folds_that_fit, random_pairs
from gdrd_lab.datasets.split import split_identities, split_record, split_records
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation import results, sweep
from gdrd_lab.io.cache import fingerprint
from gdrd_lab.io.config import check_ranges
from gdrd_lab.io.weights_folder import load_into, read_folder
from gdrd_lab.models.diffusion.pipeline import load_generative
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.registry import shipped
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import pipeline, recipes
from gdrd_lab.training.checkpoint import read_metadata
from gdrd_lab.training.checks import check_run
from gdrd_lab.training.config import BackboneConfig, GenerativeConfig, HeadConfig, LoopConfig, Recipe
from gdrd_lab.training.run import VERSION, RunOptions, generative_fingerprint, weights_fingerprint
from gdrd_lab.training.teacher_targets import teacher_embeddings

BEST = "the recipe best"


@dataclass(frozen=True)
class AblationConfig:
    """Size of the ablation."""

    student: StudentConfig | SeparableConfig  # of every row
    loop: LoopConfig  # of every row; ``steps`` counts both stages together
    stage_one: float = 1 / 3  # share of the steps for stage 1, in rows that have it
    seeds: tuple[int, ...] = (0, 1, 2)  # of the runs: initial weights, order of faces, augmentation
    resolutions: tuple[int, ...] = (8, 16)  # of training and of scoring
    timesteps: tuple[int, ...] = (250, 750)  # noise levels of the generative features, tried besides 0
    blocks: tuple[str, ...] = ("down_blocks.0", "down_blocks.1")  # of the generative teacher, besides the middle
    plain_timestep: int = 0  # noise level of the features in all other rows; above 0 the mean of the noised input
    hold_out: float = 0.2  # share of the identities that are scored and not trained on, if no teacher's record says who
    only: tuple[str, ...] = ()  # texts that the names of the rows contain; none: all rows
    curve: tuple[float, ...] = ()  # shares of the steps of stage 2 after which a row is scored, besides the end
    start: Path | None = None  # a student that every row continues with the recipe ``best``; None: random weights
    cameras: tuple[str, ...] = ("clean",)  # presets of ``Degradation.camera`` that take the scored faces

    def __post_init__(self) -> None:
        check_ranges(self, stage_one=(0.0, 1.0), seeds=(0, 2**32 - 1), timesteps=(0, 999), plain_timestep=(0, 999))
        check_ranges(self, hold_out=(0.0, 1.0), curve=(0.0, 1.0))
        if not self.seeds:
            raise GdrdError("The ablation has no seeds", "Give at least one")

    @classmethod
    def smoke(cls) -> Self:
        """Return the smallest ablation that trains every row; its scores mean nothing."""
        smoke = recipes.smoke()
        loop = replace(smoke.head.loop, steps=3)
        return cls(
            smoke.student, loop, 1 / 3, (0, 1), timesteps=(250,), blocks=("down_blocks.1",), hold_out=0.3, curve=(0.5,)
        )

    @classmethod
    def cpu(cls) -> Self:
        """Return three seeds of 240 steps of 64 faces with a third of the usual student: some 40 minutes."""
        student = StudentConfig(backbone_channels=(48, 96), backbone_blocks=(1, 2), head_channels=192, head_blocks=1)
        loop = replace(recipes.cpu().head.loop, steps=240, batch_size=64, checkpoint_every=120)
        return cls(student, replace(loop, ema=0.99))

    @classmethod
    def converged(cls) -> Self:
        """Return three seeds of 2,000 steps of 32 faces of the rows that decide: some 1.5 hours on two cores."""
        only = "class labels", "L_kd only", "L_rcd only", "no L_gen", "the paper", "random frozen", "not frozen"
        loop, step = replace(cls.cpu().loop, steps=2_000, batch_size=32, compile=True), recipes.cpu().backbone.timestep
        return replace(cls.cpu(), loop=loop, only=only, curve=(1 / 8, 1 / 4, 1 / 2, 3 / 4), plain_timestep=step)

    @classmethod
    def best(cls) -> Self:
        """Return three seeds of 250 steps of 64 faces that continue the shipped student, without stage 1.

        Its two rows are the recipe ``best`` and the same with L_gen on the backbone's features.
        """
        best, step = recipes.best(), recipes.cpu().backbone.timestep
        loop = replace(best.head.loop, steps=250, learning_rate=2.5e-4, ema=0.99, compile=True)
        how = {"start": shipped("student"), "cameras": ("clean", "surveillance")}
        return cls(best.student, loop, 0.0, plain_timestep=step, **how)  # type: ignore[arg-type]

    @classmethod
    def paper(cls) -> Self:
        """Return three seeds at the size of ``recipes.paper()``, for GPUs; give it a generative teacher of 112 px."""
        return cls(recipes.paper().student, recipes.paper().head.loop, resolutions=(16,))


@dataclass(frozen=True)
class Row:
    """One way to train the student: its name in the table, stage 2, and stage 1 (None: random weights)."""

    name: str
    head: HeadConfig
    backbone: BackboneConfig | None = None
    generative: Path | None = None  # the teacher of stage 1; None: that of the ablation

    def recipe(self, config: AblationConfig, seed: int) -> Recipe:
        """Return the row's recipe; one without a stage 1 gives all its steps to stage 2."""
        first = round(config.loop.steps * config.stage_one) if self.backbone and not config.start else 0
        head = replace(self.head, loop=replace(config.loop, steps=config.loop.steps - first))
        backbone = replace(self.backbone or BackboneConfig(config.loop), loop=replace(config.loop, steps=max(1, first)))
        return Recipe(GenerativeConfig(config.loop), backbone, head, config.student, seed=seed)


def rows(config: AblationConfig) -> list[Row]:
    """Return the rows that ``config.only`` chooses, in the order of the table."""
    paper = HeadConfig(config.loop, freeze_backbone=True, resolutions=config.resolutions)
    distilled = replace(paper, weight_rcd=0.0, weight_cls=0.0)
    alone, whole = replace(distilled, freeze_backbone=False), replace(paper, freeze_backbone=False)
    no_kd = partial(replace, alone, weight_kd=0.0)
    step, sizes = config.plain_timestep, config.resolutions
    plain = BackboneConfig(config.loop, resolutions=sizes, timestep=step, noise=not step)
    known = [
        # Adam is invariant to the scale of a single loss.
        Row("class labels only (L_cls)", no_kd(weight_cls=1.0)),
        Row("L_kd only", alone),
        Row("RKD only", no_kd(weight_rkd=10.0)),
        Row("CRD only (in the batch)", no_kd(weight_crd=1.0)),
        Row("CRD only (against the whole training set)", no_kd(weight_crd_memory=1.0)),
        Row("L_rcd only", no_kd(weight_rcd=1.0)),
        Row("L_kd + an assistant's embedding", replace(alone, weight_kd=2.0, weight_assistant=10.0)),
        Row("L_kd + L_rcd + L_cls, no L_gen", whole),
        Row("L_gen, frozen, then L_kd", distilled, plain),
        Row("L_gen, frozen, then L_kd + L_rcd + L_cls (the paper)", paper, plain),
        Row("... features of the sharp image", paper, replace(plain, hr=True)),
        Row("... target not normalised", paper, replace(plain, normalise=False)),
        *(Row(f"... features of {block}", paper, replace(plain, block=block)) for block in config.blocks),
        *(Row(f"... features at t = {step}", paper, replace(plain, timestep=step)) for step in config.timesteps),
        Row("random frozen backbone, then the same", paper),
        Row("L_gen, not frozen, then the same", whole, plain),
    ]
    if config.start:
        strong = replace(recipes.best().head, loop=config.loop)
        known = [Row(BEST, strong), Row(f"L_gen added to {BEST}", replace(strong, weight_gen=1.0), plain)]
    for text in config.only:
        if not any(text in row.name for row in known):
            names = "; ".join(row.name for row in known)
            raise GdrdError(f"No row's name contains {text!r}", f"The rows are: {names}")
    return [row for row in known if any(text in row.name for text in config.only or [""])]


def with_teacher(chosen: Sequence[Row], name: str, folder: str | Path) -> list[Row]:
    """Return the rows, each one with a stage 1 followed by the same under another generative teacher."""
    name = f"{name or 'other'} generative teacher"
    pairs = ((row, replace(row, name=f"{row.name}, {name}", generative=Path(folder))) for row in chosen)
    return [row for pair in pairs for row in (pair if pair[0].backbone else pair[:1])]


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
    others: Sequence[Path] = (),
    progress: bool = True,
) -> list[sweep.Score]:
    """Train every row of ``chosen`` (None: all) with every seed on most identities and score it on the others.

    The others are those whom all teachers held out, where their records name people of these faces; the folders
    ``others`` are of teachers of rows that another call trains.
    Each result is kept in ``out``; a repeated call reuses those of the same faces, networks and settings.
    ``generative`` is a folder or hub id. Of the scores ``method`` is the row's name, ``seed`` the run's and ``samples``
    the faces seen; ``config.curve`` asks for earlier ones, of averaged weights, in the setting ``Setting.SAME`` alone.
    """
    chosen = rows(config) if chosen is None else chosen
    folders = {row.generative or generative for row in chosen if row.backbone}
    second = assistant if any(row.head.weight_assistant for row in chosen) else None
    sources = {generative, second, config.start, *folders, *others}
    records = split_records(*(read_metadata(source) for source in sources if source))
    trained, held_out = split_identities(faces, config.hold_out, records=records)
    for row in chosen:
        if row.head.weight_assistant and assistant is None:
            raise GdrdError(f"There is no assistant, which the row {row.name!r} needs", "Give the folder of one")
        check_run(row.recipe(config, 0), trained, ["backbone", "head"] if row.backbone else ["head"], teacher)
    prints: dict[str, str | None] = {"faces": dataset_fingerprint(trained)}
    prints["teacher"] = weights_fingerprint(teacher) or fingerprint(teacher_embeddings(teacher, trained, progress))
    for folder in folders:
        prints[str(folder)] = generative_fingerprint(load_generative(folder))
    if config.start:
        prints["start"] = weights_fingerprint(Student.load(config.start))
    if second is not None:
        prints["assistant"] = weights_fingerprint(Student.load(second))
    split = split_record(trained, held_out, config.hold_out)
    inputs = _Inputs(trained, teacher, generative, assistant, RunOptions(split=split), prints, config)
    jobs = [_Job(item.name, 0, weights_fingerprint(item), out, partial(list, [(0, item)])) for item in baselines]
    jobs += [_row_job(row, row.recipe(config, seed), inputs, out) for seed in config.seeds for row in chosen]
    scoring = fingerprint(
        dataset_fingerprint(held_out), config.resolutions, config.curve, config.cameras, "what is shown", __version__
    )
    files = [job.folder / f"scores-{fingerprint(job.key, scoring)[:16]}.json" for job in jobs]
    kept = sum(file.exists() and job.key is not None for job, file in zip(jobs, files, strict=True))
    if progress:
        tqdm.write(f"{kept} of {len(jobs)} results are kept from earlier calls with the same inputs")
    pairs = random_pairs(held_out.labels, folds=folds_that_fit(held_out.labels))
    quick = sweep.MetricConfig(pairs, (), bootstrap=0)
    metrics = replace(quick, per_fold=True, identification=True, distractors=True, ks=(1,))
    sizes = [replace(one, camera=name) for name in config.cameras for one in sweep.resolutions(config.resolutions)]
    scores: list[sweep.Score] = []
    for job, file in zip(bar := tqdm(jobs, desc="ablation", unit="run", disable=not progress), files, strict=True):
        bar.set_postfix_str(f"{job.name}, seed {job.seed}")
        if job.key is None or not file.exists():
            *earlier, (seen, last) = job.make()
            found = [replace(score, samples=seen) for score in sweep.sweep([last], held_out, sizes, metrics, QUIET)]
            for seen, student in earlier:
                part = sweep.sweep([student], held_out, sizes, quick, QUIET, settings=[sweep.Setting.SAME])
                found += [replace(score, samples=seen) for score in part]
            named = [replace(score, method=job.name, seed=job.seed) for score in found]
            results.write_json(file, results.collect(named))
        scores += [replace(score, method=job.name) for score in results.read_json(file)]
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
    config: AblationConfig


@dataclass(frozen=True)
class _Job:
    """A recogniser to score: the last that ``make`` returns, after itself earlier in training, with its samples."""

    name: str
    seed: int
    key: str | None  # fingerprint of what it was made from; None: it cannot be known again, and its scores are not kept
    folder: Path
    make: Callable[[], Sequence[tuple[int, Recogniser]]]


def _row_job(row: Row, recipe: Recipe, inputs: _Inputs, out: Path) -> _Job:
    """Describe the training of a row; rows with the same stage 1 share its backbone."""
    folder, prints = out / f"seed-{recipe.seed}", inputs.prints
    first = (recipe.backbone, prints[str(row.generative or inputs.generative)]) if row.backbone else "random"
    backbone = fingerprint(VERSION, prints["faces"], recipe.student, recipe.seed, first, prints.get("start"))
    second = prints["assistant"] if row.head.weight_assistant else ""
    head = fingerprint(backbone, recipe.head, prints["teacher"], second, *inputs.config.curve)
    places = folder / f"backbone-{backbone[:16]}", folder / f"head-{head[:16]}"
    return _Job(row.name, recipe.seed, head, folder, partial(_train, row, recipe, inputs, *places))


def _train(row: Row, recipe: Recipe, inputs: _Inputs, first: Path, second: Path) -> list[tuple[int, Student]]:
    """Train a row: its backbone in the folder ``first`` unless it is there, then its head in ``second``."""
    start, source = inputs.config.start or first / "backbone", row.generative or inputs.generative
    if not start.is_dir():
        if row.backbone:
            pipeline.train_backbone(recipe, inputs.faces, first, source, False, inputs.options)
        else:
            torch.manual_seed(recipe.seed)
            Student(recipe.student).save(first / "backbone")
    assistant = inputs.assistant if row.head.weight_assistant else None
    steps, batch = recipe.head.loop.steps, recipe.head.loop.batch_size
    milestones = tuple(sorted({max(1, round(share * steps)) for share in inputs.config.curve} - {steps}))
    options = replace(inputs.options, milestones=milestones)
    given = start, False, assistant, options, source
    student = pipeline.train_head(recipe, inputs.faces, second, inputs.teacher, *given)
    before, folder = inputs.config.loop.steps - steps, second / "checkpoints" / "head"
    earlier = [((before + at) * batch, _with_average(student, folder / f"average-{at:07d}")) for at in milestones]
    return [*earlier, ((before + steps) * batch, student)]


def _with_average(student: Student, folder: Path) -> Student:
    """Return the student as it was when its training wrote the averaged weights in ``folder``."""
    earlier, state = copy.deepcopy(student), student.state_dict()
    found = read_folder(folder)[0]["average"].items()  # a frozen backbone is not in it
    load_into(earlier, state | {name: value for name, value in found if name in state}, folder)
    return earlier

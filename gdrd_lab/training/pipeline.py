"""The stages in the paper's order: generative teacher, then the student's backbone, then its head."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError

from gdrd_lab import distributed
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_folder
from gdrd_lab.io.cache import fingerprint
from gdrd_lab.io.weights_folder import load_into
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, load_generative
from gdrd_lab.models.recogniser import Recogniser, require_finite
from gdrd_lab.models.registry import shipped_assistant, shipped_generative
from gdrd_lab.models.sface import load_sface
from gdrd_lab.models.student.adapter import FeatureAdapter
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.student.pruning import sface_from
from gdrd_lab.training.checkpoint import read_metadata
from gdrd_lab.training.checks import check_run
from gdrd_lab.training.config import Recipe
from gdrd_lab.training.data import StepBatches
from gdrd_lab.training.run import Run, RunOptions, exclusive, generative_fingerprint, weights_fingerprint
from gdrd_lab.training.stages.backbone import BackboneStage, fit_adapter
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.training.stages.diffusion import GenerativeStage
from gdrd_lab.training.stages.head import HeadStage
from gdrd_lab.training.stages.stem import continued, pruned_from_teacher
from gdrd_lab.training.teacher_targets import teacher_embeddings

ADAPTER_BATCHES = 40  # of 64 faces, on which the adapter of a backbone with a start is fitted


def train_generative(
    recipe: Recipe,
    faces: FaceDataset,
    out: Path,
    progress: bool = True,
    init_from: Path | None = None,
    options: RunOptions | None = None,
    assistant: Path | None = None,
) -> SuperResolutionPipeline:
    """Train the generative teacher and save it as ``out/generative`` (a diffusers folder); a repeated call continues.

    It starts from ``init_from``, the folder or hub id of one of the same shape, or from random weights. ``assistant``
    is the folder of that which ``assistant_targets`` reads, the shipped one if not given.
    """
    check_run(recipe, faces, ["generative"])
    run = Run(recipe, faces, out, progress, options or RunOptions())
    with exclusive(out):
        torch.manual_seed(recipe.seed)
        teacher = load_sface() if recipe.generative.needs_teacher else None
        second = Student.load(assistant or shipped_assistant()) if recipe.generative.assistant_targets else None
        stage = GenerativeStage(recipe.generative, recipe.seed, teacher, second)
        inputs = {} if second is None else {"assistant": weights_fingerprint(second)}
        start: str | None = ""
        if init_from is not None:
            unet = load_generative(init_from).unet
            load_into(stage.pipeline.unet, unet.state_dict(), init_from)
            start = weights_fingerprint(unet)
        upstream = {} if second is None else {"assistant": second.metadata}
        metadata = run.train(stage, upstream, start=start, **inputs)
        stage.pipeline.unet.requires_grad_(False)
        with distributed.main_process_first() as main:
            if main:
                _save_generative(stage.pipeline, out / "generative", metadata)
    return stage.pipeline


def train_backbone(
    recipe: Recipe,
    faces: FaceDataset,
    out: Path,
    generative: Path | None = None,
    progress: bool = True,
    options: RunOptions | None = None,
    init_from: Path | None = None,
) -> Student:
    """Stage 1: the backbone learns features of ``generative`` (a folder or hub id) and is saved as ``out/backbone``.

    It starts from random weights or from a student, ``init_from``, whose head it is then saved with. In that case the
    adapter is first fitted to what the backbone's features say already.
    """
    check_run(recipe, faces, ["backbone"])
    run = Run(recipe, faces, out, progress, options or RunOptions())
    with exclusive(out):
        source = generative or run.product("generative")
        teacher, config = load_generative(source), recipe.backbone
        inputs: dict[str, str | None] = {"generative": generative_fingerprint(teacher), "start": ""}
        upstream = {"generative": read_metadata(source)}
        torch.manual_seed(recipe.seed)
        parent = None if init_from is None else Student.load(init_from)
        student = continued(run, parent, Path(init_from)) if parent and init_from else Student(recipe.student)
        stage = BackboneStage(config, student, teacher, recipe.seed)
        if parent is not None:
            inputs["start"], upstream["start"] = weights_fingerprint(parent), parent.metadata
            _fit_adapter(recipe, faces, stage, student, teacher)
        metadata = run.train(stage, upstream, **inputs)
        save_student(student, out / "backbone", metadata)
    return student


def _fit_adapter(
    recipe: Recipe, faces: FaceDataset, stage: Stage, student: Student, teacher: SuperResolutionPipeline
) -> None:
    config = recipe.backbone
    batches = StepBatches(faces, 64, config.resolutions, config.augment, recipe.seed, ADAPTER_BATCHES)
    fit_adapter(config, cast(FeatureAdapter, stage.trained["adapter"]), student, teacher, batches.iterate(0, 0))


def train_head(
    recipe: Recipe,
    faces: FaceDataset,
    out: Path,
    recogniser: Recogniser,
    init_from: Path | None = None,
    progress: bool = True,
    assistant: Path | None = None,
    options: RunOptions | None = None,
    generative: Path | None = None,
) -> Student:
    """Stage 2: train the student's head under the discriminative teacher; saves ``out/student``.

    The student starts from ``init_from`` if given, or from SFace or the assistant if the recipe says so
    (``init_from_teacher``), or from the backbone of stage 1, ``out/backbone``. ``assistant`` is the folder of a larger
    student of low-resolution faces, the second teacher of ``weight_assistant``. ``generative`` is the teacher of
    ``weight_gen``, the shipped one if not given; its adapter is first fitted, as in stage 1 of a student.
    """
    prune = recipe.init_from_teacher and init_from is None
    if assistant is not None and not (prune or recipe.head.weight_assistant):
        remedy = "Set head.weight_assistant (--set head.weight_assistant=10)"
        raise GdrdError("The assistant would teach nothing", remedy)
    check_run(recipe, faces, ["stem", "head"] if prune else ["head"], recogniser)
    run = Run(recipe, faces, out, progress, options or RunOptions())
    second = None if assistant is None else Student.load(assistant)
    with exclusive(out):
        targets = teacher_embeddings(recogniser, faces, progress=progress)
        teacher = weights_fingerprint(recogniser) or fingerprint(targets)
        inputs = {"recogniser": teacher, "assistant": "" if second is None else weights_fingerprint(second)}
        if prune:
            student = pruned_from_teacher(run, recogniser if second is None else sface_from(second), **inputs)
            upstream, inputs["start"] = {}, ""
        else:
            source = init_from or run.product("backbone")
            parent = Student.load(source)
            student, upstream = continued(run, parent, source), {"start": parent.metadata}
            inputs["start"] = weights_fingerprint(parent)
        if second is not None:
            upstream["assistant"] = second.metadata
        student.teacher_name, target = recogniser.name, None
        if recipe.head.weight_gen:
            source = generative or shipped_generative()
            target = recipe.backbone, load_generative(source)
            inputs["generative"], upstream["generative"] = generative_fingerprint(target[1]), read_metadata(source)
        taught = second if recipe.head.weight_assistant else None
        count, seed = int(faces.labels.max()) + 1, recipe.seed
        stage = HeadStage(recipe.head, student, targets, count, seed, taught, recogniser, target)
        if target is not None:
            _fit_adapter(recipe, faces, stage, student, target[1])
        metadata = run.train(stage, upstream, **inputs)
        save_student(student, out / "student", {**metadata, "start": str(init_from or "")})
    return student


def train_all(
    recipe: Recipe,
    faces: FaceDataset,
    out: Path,
    recogniser: Recogniser,
    progress: bool = True,
    assistant: Path | None = None,
    generative: Path | None = None,
    options: RunOptions | None = None,
) -> Student:
    """Run the recipe's stages in order, or with ``init_from_teacher`` only the head, after a check of all of them."""
    first = ["stem"] if recipe.init_from_teacher else ["generative"] * (generative is None) + ["backbone"]
    check_run(recipe, faces, [*first, "head"], recogniser)
    run = Run(recipe, faces, out, progress, options or RunOptions())
    for name in (*first, "head"):
        run.check_checkpoint(name)
    if "generative" in first:
        train_generative(recipe, faces, out, progress, None, options, assistant)
    if "backbone" in first:
        train_backbone(recipe, faces, out, generative, progress, options)
    heads = recipe.init_from_teacher or recipe.head.weight_assistant or not recipe.generative.assistant_targets
    second = assistant if heads else None
    return train_head(recipe, faces, out, recogniser, None, progress, second, options, generative)


def train(
    recipe: Recipe,
    faces: FaceDataset,
    out: Path | str,
    *,
    recogniser: Recogniser | None = None,
    assistant: Path | None = None,
    progress: bool = True,
) -> Student:
    """Train a student: all stages of the recipe in order, each saved in ``out``; a repeated call continues.

    Args:
        recipe: the run's configuration, such as ``gl.recipes.cpu()``.
        faces: aligned faces; labels of -1 take no part in L_cls.
        out: the run's folder; the student is saved as ``out/student``.
        recogniser: the discriminative teacher; SFace if None.
        assistant: folder of the second teacher of a recipe that has one; the shipped assistant if None.
        progress: show progress bars.

    Returns:
        The trained student, in evaluation mode.

    Raises:
        GdrdError: the recipe does not fit the faces, or ``out`` holds a run of another configuration.

    Example:
        >>> import tempfile
        >>> import gdrd_lab as gl
        >>> faces = gl.synthetic_faces(identities=8, per_identity=2)
        >>> with tempfile.TemporaryDirectory() as out:
        ...     student = gl.train(gl.recipes.smoke(), faces, out, progress=False)
        >>> student.embed(gl.to_tensor([faces[0]])).shape
        torch.Size([1, 128])
    """
    if assistant is None and recipe.head.weight_assistant:
        assistant = shipped_assistant()
    return train_all(recipe, faces, Path(out), recogniser or load_sface(), progress, assistant)


def save_student(student: Student, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Save a student from process 0, without what is known of the one that it began as."""
    student.metadata = {}
    require_finite(student.state_dict(), f"The student of {folder.parent}")
    with distributed.main_process_first() as main:
        if main:
            student.save(folder, metadata)


def _save_generative(pipeline: SuperResolutionPipeline, folder: Path, metadata: Mapping[str, Any]) -> None:
    with atomic_folder(folder) as draft:
        try:
            pipeline.save_pretrained(draft, safe_serialization=True)
        except SafetensorError as error:  # a full disk
            raise OSError(str(error)) from error
        (draft / "facts.json").write_text(json.dumps(metadata, indent=1))

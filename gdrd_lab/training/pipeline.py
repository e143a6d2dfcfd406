"""The three stages in the paper's order: generative teacher, then the student's backbone, then its head."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import to_dict
from gdrd_lab.io.weights_folder import load_into
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, load_generative
from gdrd_lab.models.registry import shipped_assistant
from gdrd_lab.models.sface import SFace, load_sface
from gdrd_lab.models.student.config import SeparableConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.student.pruning import Parent, init_from, sface_from, stems
from gdrd_lab.training.config import BackboneConfig, GenerativeConfig, HeadConfig, Recipe, StemConfig
from gdrd_lab.training.data import StepBatches
from gdrd_lab.training.stages.backbone import BackboneStage
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.training.stages.diffusion import GenerativeStage
from gdrd_lab.training.stages.head import HeadStage
from gdrd_lab.training.stages.stem import StemStage
from gdrd_lab.training.teacher_targets import teacher_embeddings
from gdrd_lab.training.trainer import run

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.models.recogniser import Recogniser


def train_generative(
    recipe: Recipe, faces: FaceDataset, out: Path, progress: bool = True, start: Path | None = None
) -> SuperResolutionPipeline:
    """Train the generative teacher and save it as ``out/generative`` (a diffusers folder); resumes by itself.

    Args:
        recipe: the run's configuration.
        faces: aligned faces; labels are not used.
        out: the run's folder.
        progress: show progress bars.
        start: folder or hub id of a generative teacher of the same shape to go on from; random weights if None.

    Returns:
        The pipeline with averaged weights, in evaluation mode.

    Raises:
        GdrdError: the teacher to start from has another shape.
    """
    torch.manual_seed(recipe.seed)
    stage = GenerativeStage(recipe.generative, recipe.seed)
    if start is not None:
        load_into(stage.pipeline.unet, load_generative(start).unet.state_dict(), start)
    _train(stage, recipe.generative, recipe, faces, out, progress, start=start)
    stage.pipeline.unet.requires_grad_(False)
    with distributed.main_process_first() as main:
        if main:
            stage.pipeline.save_pretrained(out / "generative", safe_serialization=True)
    return stage.pipeline


def train_backbone(
    recipe: Recipe, faces: FaceDataset, out: Path, generative: Path | None = None, progress: bool = True
) -> Student:
    """Stage 1: regress the generative teacher's encoder features with the student's backbone; saves ``out/backbone``.

    Args:
        recipe: the run's configuration.
        faces: aligned faces; labels are not used.
        out: the run's folder.
        generative: folder or hub id of the generative teacher; ``out/generative`` by default.
        progress: show progress bars.

    Raises:
        GdrdError: there is no generative teacher yet.
    """
    teacher = load_generative(generative or out / "generative")
    torch.manual_seed(recipe.seed)
    stage = BackboneStage(recipe.backbone, Student(recipe.student), teacher, recipe.seed)
    _train(stage, recipe.backbone, recipe, faces, out, progress)
    _save(stage.student, out / "backbone", _metadata(recipe, recipe.backbone, faces))
    return stage.student


def train_head(
    recipe: Recipe,
    faces: FaceDataset,
    out: Path,
    recogniser: Recogniser,
    backbone: Path | None = None,
    progress: bool = True,
    assistant: Path | None = None,
) -> Student:
    """Stage 2: train the student's head under the discriminative teacher on the frozen backbone; saves ``out/student``.

    Args:
        recipe: the run's configuration.
        faces: aligned faces; labels of -1 take no part in L_cls.
        out: the run's folder.
        recogniser: the discriminative teacher.
        backbone: folder of the trained backbone, or of a whole student to go on from; ``out/backbone`` by default, or
            the recipe's warm start. A separable student may have more channels and higher ranks than the recipe's:
            it is cut down first.
        progress: show progress bars.
        assistant: folder of a larger student of low-resolution faces: a second teacher (``weight_assistant``), and what
            a warm start is cut from in SFace's place.

    Raises:
        GdrdError: there is no backbone yet, its shape is not the recipe's, or the assistant has no part.
    """
    second = None if assistant is None else Student.load(assistant)
    warm = recipe.warm_start and backbone is None
    if second is not None and not (warm or recipe.head.weight_assistant):
        raise GdrdError(
            "The assistant would teach nothing", "Set head.weight_assistant (--set head.weight_assistant=10)"
        )
    if warm:
        parent = recogniser if second is None else sface_from(second)
        student = _warm_student(recipe, faces, out, parent, progress, assistant)
    else:
        source = backbone or out / "backbone"
        student = Student.load(source)
        if student.config != recipe.student:
            student = _smaller(student, recipe, faces, source)
    student.teacher_name = recogniser.name
    targets = teacher_embeddings(recogniser, faces, progress=progress)
    taught = second if recipe.head.weight_assistant else None
    stage = HeadStage(recipe.head, student, targets, int(faces.labels.max()) + 1, recipe.seed, taught)
    _train(stage, recipe.head, recipe, faces, out, progress, start=backbone, assistant=assistant)
    _save(student, out / "student", {**_metadata(recipe, recipe.head, faces), "start": str(backbone or "")})
    return student


def train_all(
    recipe: Recipe,
    faces: FaceDataset,
    out: Path,
    recogniser: Recogniser,
    progress: bool = True,
    assistant: Path | None = None,
) -> Student:
    """Run the recipe's stages one after the other; each goes on from its own checkpoints."""
    if not recipe.warm_start:
        train_generative(recipe, faces, out, progress)
        train_backbone(recipe, faces, out, progress=progress)
    return train_head(recipe, faces, out, recogniser, progress=progress, assistant=assistant)


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


def _warm_student(
    recipe: Recipe, faces: FaceDataset, out: Path, source: Recogniser, progress: bool, assistant: Path | None
) -> Student:
    """Cut a separable student from SFace or the assistant; what could not be copied learns its features on its grid."""
    if not isinstance(recipe.student, SeparableConfig):
        raise GdrdError("Only a separable student can start from SFace", "Give the recipe a SeparableConfig")
    if not isinstance(source, SFace):
        raise GdrdError(f"A warm start copies SFace's weights, not {source.name}'s", "Set warm_start=false")
    torch.manual_seed(recipe.seed)
    student = Student(recipe.student).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    copied = init_from(student.backbone, student.head, source, _measured(recipe, faces))
    stem, target = stems(student, source, copied)
    stage = StemStage(student.backbone, stem, source, target)
    if len(stem) and stage.fits():
        _train(stage, recipe.stem, recipe, faces, out, progress, assistant=assistant)
    return student


def _smaller(student: Student, recipe: Recipe, faces: FaceDataset, source: Path) -> Student:
    """Cut a separable student down to the recipe's shape; every layer must come from it."""
    if isinstance(recipe.student, SeparableConfig) and isinstance(student.config, SeparableConfig):
        cut = Student(recipe.student).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        parent = Parent(student)
        copied = init_from(cut.backbone, cut.head, parent, _measured(recipe, faces))
        if not len(stems(cut, parent, copied)[0]):
            return cut
    raise GdrdError(
        f"The backbone {source} has another shape than the recipe's student", "Use the recipe it was trained with"
    )


def _measured(recipe: Recipe, faces: FaceDataset) -> Iterator[Tensor]:
    """Low-resolution faces on which what layers read is measured."""
    stem = recipe.stem
    batches = StepBatches(faces, stem.loop.batch_size, stem.resolutions, stem.augment, recipe.seed, stem.measured)
    return (batch.lr for batch in batches.iterate(0, 0))


def _save(student: Student, folder: Path, metadata: dict[str, Any]) -> None:
    with distributed.main_process_first() as main:
        if main:
            student.save(folder, metadata)


def _metadata(recipe: Recipe, config: BackboneConfig | HeadConfig, faces: FaceDataset) -> dict[str, Any]:
    return {"config": to_dict(config), "seed": recipe.seed, "data": faces.name, "faces": len(faces)}


def _train(
    stage: Stage,
    config: GenerativeConfig | BackboneConfig | StemConfig | HeadConfig,
    recipe: Recipe,
    faces: FaceDataset,
    out: Path,
    progress: bool,
    **origins: Path | None,
) -> None:
    if len(faces) == 0:
        raise GdrdError("There are no faces to train on", "Give a folder with aligned faces")
    loop = config.loop
    data = StepBatches(faces, loop.batch_size, config.resolutions, config.augment, recipe.seed, loop.steps)
    metadata = {"config": to_dict(config), "student": to_dict(recipe.student), "data": faces.name, "faces": len(faces)}
    metadata |= {"seed": recipe.seed, "start": "", **{name: str(path) for name, path in origins.items() if path}}
    run(stage, data, loop, out / "checkpoints" / stage.name, metadata, progress)

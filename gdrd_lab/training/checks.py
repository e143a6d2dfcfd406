"""What is checked before the first step of the first stage, so that nothing fails after hours."""

import os
import shutil
from collections.abc import Sequence

import numpy as np
import torch
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from gdrd_lab import distributed
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.readable import require_readable
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.student.model import Student
from gdrd_lab.training.config import LoopConfig, Recipe
from gdrd_lab.training.stages.head import first_blocks
from gdrd_lab.training.trainer import own_rows


def check_run(recipe: Recipe, faces: FaceDataset, stages: Sequence[str], recogniser: Recogniser | None = None) -> None:
    """Check that a recipe fits the faces and the machine."""
    if len(faces) == 0:
        raise GdrdError("There are no faces to train on", "Give a folder with aligned faces")
    for name in stages:
        config = getattr(recipe, name)
        check_loop(config.loop, batch_norm=name != "generative")
        if len(faces) < config.loop.batch_size:
            what = f"{faces.name} has {len(faces)} faces, fewer than a batch of {name}, {config.loop.batch_size}"
            raise GdrdError(what, f"Give more faces or set {name}.loop.batch_size")
        if (largest := max(config.resolutions)) > faces.size:
            what = f"{name}.resolutions holds {largest} px, and the faces have {faces.size} px"
            raise GdrdError(what, "Give resolutions up to the size of the faces")
    require_readable(faces)
    sample = [faces[int(index)] for index in np.linspace(0, len(faces) - 1, min(32, len(faces))).astype(int)]
    if sum(int(face.max()) - int(face.min()) < 8 for face in sample) > len(sample) / 2:
        raise GdrdError(f"Most faces of {faces.name} are a single colour", "Check the images")
    if "backbone" in stages:
        blocks = [*(f"down_blocks.{level}" for level in range(len(recipe.generative.channels))), "mid_block"]
        if "generative" in stages and recipe.backbone.block not in blocks:
            raise GdrdError(f"backbone.block={recipe.backbone.block} is unknown", f"Use one of {', '.join(blocks)}")
    if "head" in stages:
        _check_head(recipe, faces, recogniser)


def _check_head(recipe: Recipe, faces: FaceDataset, recogniser: Recogniser | None) -> None:
    head, size = recipe.head, recipe.student.embedding_size
    identities = len(np.unique(faces.labels[faces.labels >= 0]))
    others = [name for name in head.__dataclass_fields__ if name.startswith("weight_")]
    others = [name for name in others if name not in ("weight_cls", "weight_gen")]
    if head.weight_cls and (identities == 1 or (not identities and not any(getattr(head, name) for name in others))):
        remedy = "Give faces of two or more labelled people, or set head.weight_cls=0 and another weight"
        raise GdrdError(f"L_cls tells identities apart, and {faces.name} has {identities}", remedy)
    if recogniser is not None and recogniser.embedding_size != size:
        what = f"The student's embeddings have size {size}, those of {recogniser.name} {recogniser.embedding_size}"
        raise GdrdError(what, f"Set student.embedding_size={recogniser.embedding_size}")
    with torch.device("meta"):  # the shape alone
        first_blocks(Student(recipe.student), head.freeze_blocks)


def check_loop(config: LoopConfig, batch_norm: bool) -> None:
    """Check that this machine can run a loop."""
    share = len(own_rows(config, distributed.world_size(), distributed.rank())) // config.accumulate
    if batch_norm and share < 2:
        raise GdrdError("A micro-batch of one face has no BatchNorm statistics", "Raise batch_size or lower accumulate")
    if config.precision == "fp16" and not torch.accelerator.is_available():
        raise GdrdError("precision=fp16 needs a GPU", "Set precision=bf16 or precision=no")
    available = sorted(str(tracker) for tracker in get_available_trackers())
    if config.tracker not in {*available, "all"}:
        state = "not installed" if config.tracker in LOGGER_TYPE_TO_CLASS else "unknown"
        raise GdrdError(f"The tracker {config.tracker} is {state}", f"Set tracker to one of {', '.join(available)}")
    if config.compile and not torch.accelerator.is_available() and not shutil.which(os.environ.get("CXX", "g++")):
        raise GdrdError("compile=true needs a C++ compiler on a CPU", "Install g++ or set compile=false")

"""The recognisers a user can name: teachers, the student, and the teacher on super-resolved faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.recogniser import Recogniser


@dataclass(frozen=True)
class ModelInfo:
    """What to know of a recogniser before loading it.

    Args:
        name: what ``load_model`` takes.
        description: what it is.
        resolutions: lowest and highest resolution in pixels that it was made for.
        parameters: in millions.
        multiply_adds: of one face, in millions; one denoising step for "super-resolved".
        lfw: accuracy on LFW View 2 by the resolution of both faces in pixels, where measured.
    """

    name: str
    description: str
    resolutions: tuple[int, int]
    parameters: float
    multiply_adds: float
    lfw: Mapping[int, float]


class ModelList(list[ModelInfo]):
    """Models that print as a table."""

    def __repr__(self) -> str:
        rows = ["name           resolutions parameters multiply-adds  LFW, % at 8, 16, 32, 112 px   description"]
        for model in self:
            low, high = model.resolutions
            cost = f"{model.parameters:>8.1f} M {model.multiply_adds:>11.0f} M"
            lfw = "".join(f"{100 * model.lfw[size]:7.1f}" if size in model.lfw else "      -" for size in LFW_SIZES)
            rows.append(f"{model.name:<14} {f'{low}-{high} px':<11} {cost} {lfw}   {model.description}")
        return "\n".join(rows)


LFW_SIZES = (8, 16, 32, 112)
# (name, resolutions, parameters, multiply-adds, accuracies, description); a test compares them with data/results.
_MODELS = (
    ("student", (8, 32), 7.08, 83.9, (0.867, 0.951, 0.964, 0.962), "compact student for low resolutions"),
    ("assistant", (8, 32), 9.64, 574.1, (0.873, 0.961, 0.981, 0.986), "SFace fine-tuned on low-resolution faces"),
    ("paper-student", (8, 32), 3.60, 125.49, (0.758, 0.793, 0.786, 0.786), "student by the paper's recipe, short run"),
    ("sface", (112, 112), 9.64, 574.1, (0.753, 0.924, 0.987, 0.994), "SFace, the discriminative teacher"),
    ("dlib", (150, 150), 5.61, 270.9, (), "dlib's ResNet, an independent recogniser"),
    ("super-resolved", (8, 32), 16.9, 897.4, (0.749, 0.913, 0.982), "SFace on the generative teacher's output"),
)


def list_models() -> ModelList:
    """List the recognisers that ``load_model`` takes by name: resolutions, cost and accuracy on LFW.

    Example:
        >>> import gdrd_lab as gl
        >>> [model.name for model in gl.list_models()]
        ['student', 'assistant', 'paper-student', 'sface', 'dlib', 'super-resolved']
        >>> gl.list_models()[0].lfw[16]
        0.951
    """
    return ModelList(
        ModelInfo(name, text, resolutions, size, cost, dict(zip(LFW_SIZES, lfw, strict=False)))
        for name, resolutions, size, cost, lfw, text in _MODELS
    )


def shipped_student() -> Path:
    """Return the folder of the shipped student."""
    return data_folder() / "student"


def shipped_paper_student() -> Path:
    """Return the folder of the shipped student that was trained in the paper's order with the paper's losses."""
    return data_folder() / "student-paper"


def shipped_assistant() -> Path:
    """Return the folder of the shipped assistant: SFace itself, trained on for low resolutions."""
    return data_folder() / "assistant"


def shipped_generative() -> Path:
    """Return the folder of the shipped generative teacher."""
    return data_folder() / "generative"


def load_model(name: str, generative: str | Path | None = None, steps: int = 4) -> Recogniser:
    """Open a recogniser by the name a user types.

    Args:
        name: "sface", "dlib", "student" (the shipped one), "paper-student" (shipped, by the paper's recipe),
            "assistant" (shipped, of SFace's own size), "super-resolved" (SFace reading the generative teacher's
            output), the folder of a trained student, or a .onnx file of `gdrd export`.
        generative: folder or hub id of the generative teacher for "super-resolved"; the shipped one by default.
        steps: its denoising steps.

    Raises:
        GdrdError: the name is none of these, or what it needs is missing.
    """
    from gdrd_lab.models.sface import load_sface

    if name == "sface":
        return load_sface()
    if name == "dlib":
        from gdrd_lab.models.dlib import load_dlib

        return load_dlib()
    if name == "super-resolved":
        from gdrd_lab.models.diffusion.pipeline import load_generative
        from gdrd_lab.models.super_resolved import SuperResolved

        return SuperResolved(load_generative(generative or shipped_generative()), load_sface(), steps)
    if name.endswith(".onnx"):
        from gdrd_lab.models.onnx import OnnxRecogniser

        return OnnxRecogniser(name)
    if name.endswith(".pt2"):
        raise GdrdError(
            f"{name} is a torch.export program, and opening one can run code hidden in it",
            "Use the same student as a folder or .onnx file; in your own code, torch.export.load opens it",
        )
    from gdrd_lab.models.student.model import Student

    named = {"student": shipped_student(), "paper-student": shipped_paper_student(), "assistant": shipped_assistant()}
    folder = named.get(name) or Path(name)
    if not folder.is_dir():
        raise GdrdError(
            f"{name!r} is no recogniser and no folder",
            "Use sface, dlib, student, paper-student, assistant, super-resolved, a student's folder or .onnx file",
        )
    return Student.load(folder)

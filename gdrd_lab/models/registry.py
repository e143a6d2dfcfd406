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
        resolutions: lowest and highest resolution in pixels that it was trained or made for.
        parameters: in millions.
        multiply_adds: of one face, in millions; "super-resolved" at one denoising step.
        lfw: accuracy on LFW View 2 by the resolution of both faces in pixels; empty where not measured.
    """

    name: str
    description: str
    resolutions: tuple[int, int]
    parameters: float
    multiply_adds: float
    lfw: Mapping[int, float]

    def __str__(self) -> str:
        scores = ", ".join(f"{100 * value:.1f} at {size} px" for size, value in self.lfw.items()) or "not measured"
        low, high = self.resolutions
        return (
            f"{self.name}: {self.description}; {low} to {high} px, {self.parameters:.1f} M parameters, "
            f"{self.multiply_adds:.0f} M multiply-adds; LFW, %: {scores}"
        )


class ModelList(list[ModelInfo]):
    """Models that print one a line."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self))


# Cost and scores are those of data/results; a test compares them.
MODELS = (
    ModelInfo(
        "student", "compact low-resolution student", (8, 32), 7.08, 83.9, {8: 0.867, 16: 0.951, 32: 0.964, 112: 0.962}
    ),
    ModelInfo(
        "assistant",
        "SFace fine-tuned on low-resolution faces",
        (8, 32),
        9.64,
        574.1,
        {8: 0.873, 16: 0.961, 32: 0.981, 112: 0.986},
    ),
    ModelInfo(
        "paper-student",
        "student by the paper's recipe, short training",
        (8, 32),
        3.60,
        125.5,
        {8: 0.758, 16: 0.793, 32: 0.786, 112: 0.786},
    ),
    ModelInfo(
        "sface",
        "SFace, the discriminative teacher",
        (112, 112),
        9.64,
        574.1,
        {8: 0.753, 16: 0.924, 32: 0.987, 112: 0.994},
    ),
    ModelInfo("dlib", "dlib's ResNet, an independent recogniser", (150, 150), 5.61, 270.9, {}),
    ModelInfo(
        "super-resolved",
        "SFace on faces super-resolved by the generative teacher",
        (8, 32),
        16.9,
        897.4,
        {8: 0.749, 16: 0.913, 32: 0.982},
    ),
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
    return ModelList(MODELS)


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

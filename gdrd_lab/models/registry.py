"""The recognisers a user can name: teachers, the student, and the teacher on super-resolved faces."""

from __future__ import annotations

from pathlib import Path

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.recogniser import Recogniser


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

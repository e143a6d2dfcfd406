"""The models that have a name: teachers, students, and the generative teacher. No other file knows these names."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.dlib import load_dlib
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.sface import load_sface
from gdrd_lab.models.student.model import Student


@dataclass(frozen=True)
class ModelInfo:
    """A model that ``load_model`` knows by name."""

    name: str
    description: str
    resolutions: tuple[int, int]  # lowest and highest that it was trained for, in pixels
    multiply_adds: float  # of one face, in millions
    lfw: tuple[float, float] | None = None  # accuracy on LFW View 2 with both faces at 16 px and at 112 px


MODELS = (
    ModelInfo("sface", "SFace, the discriminative teacher", (112, 112), 574.1, (0.924, 0.994)),
    ModelInfo("student", "student, `best` recipe", (8, 64), 83.9, (0.951, 0.965)),
    ModelInfo("paper-student", "student, the paper's losses and order", (8, 64), 83.9, (0.939, 0.956)),
    ModelInfo("assistant", "SFace fine-tuned on low-resolution faces", (8, 32), 574.1, (0.959, 0.987)),
    ModelInfo("super-resolved", "SFace on super-resolved faces, one step", (8, 32), 897.4),
    ModelInfo("super-resolved-dlib", "dlib's ResNet on super-resolved faces", (8, 32), 594.1),
    ModelInfo("dlib", "dlib's ResNet, an independent evaluator", (150, 150), 270.9),
)
FOLDERS = {"student": "student", "paper-student": "student-paper", "assistant": "assistant", "generative": "generative"}
READERS = {"super-resolved": "sface", "super-resolved-dlib": "dlib"}  # who reads the generative teacher's output


class ModelList(tuple[ModelInfo, ...]):
    """A tuple of ``ModelInfo`` that prints as a table."""

    def __repr__(self) -> str:
        rows = [("name", "resolutions", "multiply-adds", "LFW 16 px", "LFW 112 px", "description")]
        for name, description, (low, high), cost, lfw in map(astuple, self):
            scores = [f"{score:.3f}" for score in lfw or ()] or ["", ""]
            rows.append((name, f"{low} to {high} px", f"{cost:.0f} M", *scores, description))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def list_models() -> ModelList:
    """List the models that ``load_model`` knows by name, with resolutions, multiply-adds and LFW accuracy.

    Example:
        >>> [model.name for model in list_models()][:2]
        ['sface', 'student']
        >>> print(repr(list_models()).splitlines()[2])
        student         8 to 64 px     84 M           0.951      0.965       student, `best` recipe
    """
    return ModelList(MODELS)


def shipped(name: str) -> Path:
    """Return the folder of a shipped model: "student", "paper-student", "assistant" or "generative"."""
    return data_folder() / FOLDERS[name]


shipped_student, shipped_assistant = partial(shipped, "student"), partial(shipped, "assistant")
shipped_generative = partial(shipped, "generative")


def labelled(text: str) -> tuple[str, str]:
    """Return (NAME, PATH) of "NAME=PATH"; the name of a path alone is empty."""
    label, equals, path = text.partition("=")
    return (label, path) if equals and label and not Path(text).exists() else ("", text)


def load_model(name_or_path: str | Path, generative: str | Path | None = None, steps: int = 1) -> Recogniser:
    """Load a recogniser by name or path.

    Args:
        name_or_path: a name of ``list_models``, the folder of a trained student, or a .onnx file of `gdrd export`.
            "NAME=PATH" gives the recogniser another name in tables and files.
        generative: folder or hub id of the generative teacher of the super-resolved models; None: the shipped one.
        steps: its denoising steps; one keeps most of the identity.

    Raises:
        GdrdError: there is no such model, a file is missing or damaged, or a weight is not finite.

    Example:
        >>> import torch
        >>> load_model("student").embed(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 128])
        >>> load_model("ours=student").name
        'ours'
    """
    name = str(name_or_path)
    label, path = labelled(name)
    if label:
        recogniser = load_model(path, generative, steps)
        recogniser.name = label
        return recogniser
    if name == "sface":
        return load_sface()
    if name == "dlib":
        return load_dlib()
    if name in READERS:
        from gdrd_lab.models.diffusion.pipeline import load_generative
        from gdrd_lab.models.super_resolved import SuperResolved

        return SuperResolved(load_generative(generative or shipped_generative()), load_model(READERS[name]), steps)
    if name.endswith(".onnx"):
        from gdrd_lab.models.onnx import OnnxRecogniser

        return OnnxRecogniser(name)
    if name.endswith(".pt2"):
        remedy = "Use the same student as a folder or .onnx file; in your own code, torch.export.load opens it"
        raise GdrdError(f"{name} is a torch.export program, and opening one can run code hidden in it", remedy)
    folder = shipped(name) if name in FOLDERS and name != "generative" else Path(name)
    if not folder.is_dir():
        names = ", ".join(model.name for model in MODELS)
        remedy = f"Use {names}, a student's folder or a .onnx file"
        raise GdrdError(f"{name!r} is neither a recogniser nor a folder", remedy)
    return Student.load(folder)


def load_models(names: Sequence[str | Path], generative: str | Path | None = None, steps: int = 1) -> list[Recogniser]:
    """Load recognisers to be compared, with unique names; arguments as for ``load_model``.

    A model from a path takes the path as its name if another model has the same name.

    Raises:
        GdrdError: as ``load_model``; or two models still have the same name.

    Example:
        >>> [model.name for model in load_models(["student", "ours=student"])]
        ['student', 'ours']
    """
    models = [load_model(name, generative, steps) for name in names]
    counts = Counter(model.name for model in models)
    for name, model in zip(map(str, names), models, strict=True):
        if counts[model.name] > 1 and name not in FOLDERS and Path(name).exists():
            model.name = name
    (name, count), *_ = Counter(model.name for model in models).most_common(1) or [("", 0)]
    if count > 1:
        raise GdrdError(f"{count} models have the name {name!r}", "Name them apart with NAME=PATH")
    return models

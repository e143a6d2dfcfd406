"""The methods that a view compares: teacher, student, and a third one if it is chosen."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from gdrd_lab.app.gallery import once, recognisers
from gdrd_lab.app.state import View
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import KnownPairs, shipped_calibration
from gdrd_lab.evaluation.real_people import real_people
from gdrd_lab.models.registry import load_model, load_models

SHIPPED = ("assistant", "paper-student", "dlib")


@once
def own_methods() -> dict[str, Any]:
    """Return the methods that were given at start-up, by name; the server adds them before it builds the page."""
    return {}


def add_own_methods(words: Sequence[str]) -> None:
    """Load methods, each "NAME=PATH"; only the command line can name a path."""
    taken = {"none", *SHIPPED, *(model.name for model in recognisers())}
    for model in load_models(words):
        if model.name in taken or len(model.name) > 40:
            what = f"A method of the app cannot have the name {model.name!r}"
            raise GdrdError(what, "Give another one of at most 40 letters: --method NAME=PATH")
        own_methods()[model.name] = model


def third_names() -> tuple[str, ...]:
    """Return what can be chosen as the third method."""
    shipped = [name for name in SHIPPED if name != "dlib" or find_spec("face_recognition_models")]
    return "none", *shipped, *own_methods()


@lru_cache(maxsize=4)
def third(name: str) -> tuple[Any, ...]:
    """Return the third method of this name; an empty tuple for "none"."""
    if name not in third_names():
        raise GdrdError(f"This app has no method {name!r}", f"Choose {', '.join(third_names())}")
    if name == "none":
        return ()
    return (own_methods().get(name) or load_model(f"{name}={name}"),)


@lru_cache(maxsize=16)
def third_known(name: str, camera: str | None) -> dict[str, KnownPairs]:
    """Return the calibration of the third method by its name: on real people whom ``camera`` took, or synthetic faces.

    It is empty if there is none.
    """
    found = {model.name: real_people(model, camera) if camera else shipped_calibration(model) for model in third(name)}
    return {name: known for name, known in found.items() if known}


def methods(view: View) -> tuple[Any, ...]:
    """Return teacher, student and the third method of a view."""
    return *recognisers(), *third(view.third)

"""What the page loads once and shares between users: networks and embedded faces, never anybody's photograph."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gdrd_lab.app.face import Face
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import Calibration, calibrate, calibration_faces
from gdrd_lab.models.registry import load_model, shipped_generative

if TYPE_CHECKING:
    from gdrd_lab.alignment.yunet import Aligner
    from gdrd_lab.datasets.base import ArrayFaces
    from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline

# Each is loaded once even when several users ask for it at the same time.
_loading = threading.RLock()


@lru_cache(maxsize=1)
def recognisers() -> tuple[Any, ...]:
    """Return the teacher and the shipped student."""
    with _loading:
        return _recognisers()


@lru_cache(maxsize=1)
def _recognisers() -> tuple[Any, ...]:
    return load_model("sface"), load_model("student")


def slow_recognisers() -> tuple[Any, ...]:
    """Return SFace on super-resolved faces (one step, its best) and, where it is installed, dlib's network."""
    with _loading:
        return _slow_recognisers()


@lru_cache(maxsize=1)
def _slow_recognisers() -> tuple[Any, ...]:
    from gdrd_lab.models.super_resolved import SuperResolved

    found: list[Any] = [SuperResolved(generative(), recognisers()[0], steps=1)]
    with suppress(GdrdError):
        found.append(load_model("dlib"))
    return tuple(found)


@lru_cache(maxsize=4)
def untrained(number: int) -> Any:
    """Return recogniser ``number`` with random weights."""
    from gdrd_lab.analysis.cam import with_random_weights

    return with_random_weights(recognisers()[number])


def warm_up() -> None:
    """Load what the first visit to a tab would wait for; for a thread of its own, after the page is served."""
    from gdrd_lab.analysis.projection import trustworthiness

    for number in range(len(recognisers())):
        untrained(number)
    generative()
    known = calibrations()[recognisers()[0].name].embeddings[0]
    trustworthiness(known, known[:, :2])


def generative() -> SuperResolutionPipeline:
    """Return the shipped generative teacher."""
    with _loading:
        return _generative()


@lru_cache(maxsize=1)
def _generative() -> SuperResolutionPipeline:
    from gdrd_lab.models.diffusion.pipeline import load_generative

    return load_generative(shipped_generative())


@lru_cache(maxsize=1)
def aligner() -> Aligner:
    """Return the face detector."""
    from gdrd_lab.alignment.yunet import Aligner

    return Aligner()


@lru_cache(maxsize=1)
def examples() -> ArrayFaces:
    """Return the embedded faces that the page offers, nobody's photographs."""
    return calibration_faces()


@lru_cache(maxsize=128)
def example(number: int) -> Face:
    """Return one of them, with the embeddings computed so far."""
    faces = examples()
    return Face(faces[number], f"embedded face {number}", example=number)


def calibrations() -> dict[str, Calibration]:
    """Return each recogniser's calibration on the embedded faces."""
    with _loading:
        return _calibrations()


@lru_cache(maxsize=1)
def _calibrations() -> dict[str, Calibration]:
    return {r.name: calibrate(r, examples(), options=QUIET) for r in recognisers()}

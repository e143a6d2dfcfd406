"""The faces and networks of the app: those shared by all users, and sets of faces embedded for the map."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, wraps
from typing import Any, TypeVar

import numpy as np

from gdrd_lab.analysis.projection import pca_map, umap_map
from gdrd_lab.app.html import photograph_link
from gdrd_lab.datasets.base import ArrayFaces, to_images
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import Calibration, calibrate, calibration_faces
from gdrd_lab.evaluation.compare import embed_reduced, reduced
from gdrd_lab.evaluation.metrics.retrieval import retrieve
from gdrd_lab.evaluation.real_people import ScoreCounts, real_people
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.degradation import Degradation

MAX_RESULTS = 2000  # kept for one face
Made = TypeVar("Made")


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """Return a function that calls ``make`` once, even when several threads ask at the same time."""
    lock, cached = threading.RLock(), lru_cache(maxsize=1)(make)

    @wraps(make)
    def call() -> Made:
        with lock:
            return cached()

    return call


@once
def recognisers() -> tuple[Any, ...]:
    """Return the teacher and the shipped student."""
    return load_model("sface"), load_model("student")


@once
def calibrations() -> dict[str, Calibration]:
    """Return the calibration of each recogniser on the synthetic faces, by name."""
    return {r.name: calibrate(r, options=QUIET) for r in recognisers()}


@lru_cache(maxsize=4)
def real_calibrations(camera: str) -> dict[str, ScoreCounts]:
    """Return the calibration of each recogniser on real people whom a camera took, by name; {} unless all have one."""
    found = {r.name: real_people(r, camera) for r in recognisers()}
    return {name: known for name, known in found.items() if known} if all(found.values()) else {}


@once
def examples() -> ArrayFaces:
    """Return the synthetic faces that the app offers."""
    return calibration_faces()


@dataclass(eq=False)
class Face:
    """An aligned face and the results computed for it. An uploaded face is kept in the session of its user only."""

    image: np.ndarray  # uint8 (112, 112, 3), RGB
    name: str
    width: int | None = None  # of the face in its photograph, in pixels; None if unknown
    example: int | None = None  # number among the synthetic faces; None for an upload
    results: dict[Any, np.ndarray] = field(default_factory=dict, repr=False)

    def result(self, key: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the result kept under ``key``; it is made if there is none."""
        found = self.results.get(key)  # another thread may clear the results of a shared face at any time
        if found is None:
            if len(self.results) >= MAX_RESULTS:
                self.results.clear()
            found = self.results[key] = make()
        return found

    def embedding(self, recogniser: Any, degradation: Degradation, seed: int) -> np.ndarray:
        """Return the embedding (d,) under a degradation, computed once."""
        key = (recogniser.name, degradation, seed)
        return self.result(key, lambda: embed_reduced(self.image, recogniser, degradation, seed))

    def degraded(self, degradation: Degradation, seed: int) -> np.ndarray:
        """Return the degraded face, uint8 (r, r, 3)."""
        return to_images(reduced(self.image, degradation, seed))[0]


@lru_cache(maxsize=128)
def example(number: int) -> Face:
    """Return one synthetic face; all users share it and the results computed for it."""
    return Face(examples()[number], f"synthetic face {number}", example=number)


@dataclass(eq=False)
class Gallery:
    """N faces of 112 px, their embeddings by each recogniser, and the maps made so far."""

    faces: ArrayFaces
    known: dict[str, Calibration]  # embeddings at every calibrated resolution, by the recogniser's name
    people: Sequence[str] = ()  # names by label
    maps: dict[tuple[str, str, int], np.ndarray] = field(default_factory=dict, repr=False)

    def map(self, name: str, method: str, seed: int) -> np.ndarray:
        """Return the points (R, N, 2) of one map of the faces at all R resolutions together, computed once."""
        table = self.known[name].embeddings
        key = (name, method, seed if method == "UMAP" else 0)
        if key not in self.maps:
            flat = table.reshape(-1, table.shape[-1])
            self.maps[key] = (umap_map(flat, seed) if method == "UMAP" else pca_map(flat)).points
        return self.maps[key].reshape(*table.shape[:2], 2)

    def missing(self, method: str, seed: int) -> dict[tuple[str, str, int], np.ndarray]:
        """Return the embeddings of the maps that are still to be made: a map takes long, and has a second seed."""
        wanted = [(name, method, one) for name in self.known for one in (seed, seed + 1)] if method == "UMAP" else []
        flat = {name: known.embeddings.reshape(-1, known.embeddings.shape[-1]) for name, known in self.known.items()}
        return {key: flat[key[0]] for key in wanted if key not in self.maps}

    def person(self, label: int) -> str:
        """Return the name of a person."""
        return "unknown person" if label < 0 else self.people[label] if self.people else f"person {label}"

    def at(self, name: str, resolution: int) -> np.ndarray:
        """Return the embeddings (N, d) at the calibrated resolution nearest to ``resolution``."""
        known = self.known[name]
        return known.embeddings[known.resolutions.index(known.nearest(resolution))]

    def errors(self, name: str, resolution: int) -> np.ndarray:
        """Return the rank-1 error (N,) of each face among the HR faces of the others: 1, 0, or -1 without a second."""
        labels, out = self.faces.labels, np.full(len(self.faces), -1)
        with suppress(GdrdError):  # no identity has two faces
            found = retrieve(self.at(name, resolution), self.known[name].embeddings[-1], labels)
            out[found.queries] = found.first_rank > 1
        return out

    @cached_property
    def thumbnails(self) -> list[str]:
        """Small pictures of the faces as data links."""
        return [photograph_link(face, 64) for face in self.faces.images]


@once
def synthetic_gallery() -> Gallery:
    """Return the gallery of the synthetic faces."""
    return Gallery(examples(), calibrations())

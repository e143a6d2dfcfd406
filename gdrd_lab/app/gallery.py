"""The faces of the embedding map: the embedded set or a user's own, embedded by both networks at every resolution."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from gdrd_lab.analysis.projection import EmbeddingMap, pca_map, umap_map
from gdrd_lab.app import models
from gdrd_lab.app.html import photograph_link
from gdrd_lab.app.uploads import MAX_FILES, aligned_face, forget
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS, Calibration, embeddings_at
from gdrd_lab.evaluation.metrics.retrieval import retrieve
from gdrd_lab.models.recogniser import Recogniser


@dataclass(eq=False)
class Gallery:
    """N faces and their embeddings by each recogniser.

    Args:
        faces: the faces, 112 px.
        known: by recogniser's name, embeddings at every resolution.
        maps: the maps made so far.
    """

    faces: ArrayFaces
    known: dict[str, Calibration]
    maps: dict[tuple[str, str, int], EmbeddingMap] = field(default_factory=dict, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def __deepcopy__(self, memo: object) -> Gallery:
        """Return itself: a page's state is copied by what runs the page, but a lock cannot be."""
        return self

    def map(self, name: str, method: str, seed: int) -> tuple[EmbeddingMap, np.ndarray]:
        """Return one map of the faces at all resolutions together, and its points (R, N, 2); computed once."""
        table = self.known[name].embeddings
        with self.lock:
            key = (name, method, seed if method == "UMAP" else 0)
            if key not in self.maps:
                flat = table.reshape(-1, table.shape[-1])
                self.maps[key] = umap_map(flat, seed) if method == "UMAP" else pca_map(flat)
            found = self.maps[key]
        return found, found.points.reshape(*table.shape[:2], 2)

    def wrong(self, name: str, resolution: int) -> np.ndarray:
        """Return, per face, 1 where the sharp face found first for it shows another identity, else 0; -1 where unknown.

        Args:
            name: of the recogniser.
            resolution: of the faces searched with.
        """
        known = self.known[name]
        labels, out = self.faces.labels, np.full(len(self.faces), -1)
        lr = known.embeddings[known.resolutions.index(known.nearest(resolution))]
        try:
            found = retrieve(lr, known.embeddings[-1], labels)
        except GdrdError:  # no identity has two faces, so nothing can be right
            return out
        out[found.queries] = found.first_rank > 1
        return out

    @cached_property
    def thumbnails(self) -> list[str]:
        """Small pictures of the faces as data links."""
        return [photograph_link(self.faces[index], 64) for index in range(len(self.faces))]


def own_gallery(
    paths: Sequence[str], names: Sequence[str], recognisers: Sequence[Recogniser]
) -> tuple[Gallery, list[str]]:
    """Align and embed a user's photographs; the files are deleted as soon as they are read.

    Args:
        paths: of the uploaded files.
        names: as the user calls them; the part before the last "/" (or else "_") names the identity.
        recognisers: teacher and student.

    Returns:
        The gallery, and a line for each photograph left out.

    Raises:
        GdrdError: too many files, or fewer than 4 usable faces.
    """
    images, keys, refused = [], [], []
    try:
        if len(paths) > MAX_FILES:
            raise GdrdError(f"{len(paths)} files are too many for the page", f"Give at most {MAX_FILES}")
        for path, name in zip(paths, names, strict=True):
            try:
                images.append(aligned_face(path))
                keys.append(name)
            except GdrdError as error:
                refused.append(f"{name} was left out: {error.what}")
    finally:
        for path in paths:
            forget(path)
    if len(images) < 4:
        reason = f" ({refused[0]})" if refused else ""
        raise GdrdError(f"Only {len(images)} of {len(paths)} files can be used{reason}", "Give at least 4 photographs")
    owners = [_owner(key) for key in keys]
    order = {owner: label for label, owner in enumerate(dict.fromkeys(o for o in owners if o))}
    labels = np.array([order.get(owner, -1) for owner in owners])
    faces = ArrayFaces(np.stack(images), labels, keys, "your photographs")
    known = {}
    for recogniser in recognisers:
        table = embeddings_at(recogniser, faces, options=QUIET)
        known[recogniser.name] = Calibration(RESOLUTIONS, table, labels)
    return Gallery(faces, known), refused


def _owner(name: str) -> str:
    """Return the identity that a file's name tells: its folder, or what stands before its last "_"; "" if neither."""
    path = Path(name)
    if path.parent.name:
        return path.parent.name
    return path.stem.rsplit("_", 1)[0] if "_" in path.stem else ""


@lru_cache(maxsize=1)
def embedded_gallery() -> Gallery:
    """Return the gallery of the embedded faces."""
    return Gallery(models.examples(), models.calibrations())

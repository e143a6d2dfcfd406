"""Tab "Attention": where teacher and student look, beside the same networks with random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from gdrd_lab.analysis.cam import ScoreCurve, class_activation_map, deletion, insertion, rank_agreement
from gdrd_lab.app import models
from gdrd_lab.app.chart import chart_value
from gdrd_lab.app.face import Face
from gdrd_lab.app.html import picture, picture_link, row, sides, table
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs.generate import chosen
from gdrd_lab.evaluation.compare import reduced
from gdrd_lab.plots.interactive import fraction_plot
from gdrd_lab.plots.maps import attention_figure, curves_figure, overlay
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (8, 16, 32, 112)
STEPS = 8  # of the curves; more make them smoother and the page slower


@dataclass(frozen=True)
class Look:
    """One network's maps of one face at several resolutions, and what they are worth at the view's.

    Args:
        name: of the network.
        faces: the inputs by resolution, uint8 (r, r, 3).
        maps: by resolution, (h, w).
        removed: deletion curve.
        returned: insertion curve.
    """

    name: str
    faces: dict[int, np.ndarray]
    maps: dict[int, torch.Tensor]
    removed: ScoreCurve
    returned: ScoreCurve


def looks(view: View, first: Face, second: Face) -> list[Look]:
    """Compute the maps of teacher and student, each trained and with random weights; both are judged by the trained."""
    face, seed = chosen(view, first, second)
    other, other_seed = (second, view.seeds[1]) if face is first else (first, view.seeds[0])
    found = []
    for number, trained in enumerate(models.recognisers()):
        for network, name in ((trained, trained.name), (models.untrained(number), f"{trained.name}, random weights")):
            faces, maps = {}, {}
            for size in sizes(view):
                at = replace(view.degradation, resolution=size)
                towards = None if view.target == "itself" else (other, other_seed)
                faces[size] = face.small(at, seed)
                maps[size] = _map(network, name, face, at, seed, towards)
            lr, here = reduced(face.image, view.degradation, seed)[0], maps[view.resolution]
            found.append(
                Look(
                    name,
                    faces,
                    maps,
                    *(reference_model(trained, lr, here, STEPS) for reference_model in (deletion, insertion)),
                )
            )
    return found


def _map(
    network: torch.nn.Module, name: str, face: Face, at: Degradation, seed: int, towards: tuple[Face, int] | None
) -> torch.Tensor:
    """Return one map; computed once, but where an embedded face, which all users share, is held against an upload."""
    key = ("map", name, at, seed, towards and (towards[0].example, towards[1]))
    keeps = towards is None or towards[0].example is not None
    found = face.kept.get(key) if keeps else None
    if found is None:
        target = None
        if towards is not None:
            with torch.no_grad():
                target = network.embed(reduced(towards[0].image, at, towards[1]))  # type: ignore[operator]
        found = class_activation_map(network, reduced(face.image, at, seed), target)[0].numpy()
        if keeps:
            face.kept[key] = found
    return torch.from_numpy(found)


def sizes(view: View) -> list[int]:
    """Return the resolutions shown: four, and the view's own."""
    return sorted({*SIZES, view.resolution})


def show(view: View, first: Face, second: Face) -> tuple[str, ...]:
    """Return what the tab shows: maps (HTML), scores (HTML), and the deletion and insertion curves (charts)."""
    found = looks(view, first, second)
    rows = []
    for look in found:
        pictures = [
            picture(
                picture_link(overlay(look.faces[size], look.maps[size], 112)),
                f"{size} px",
                104,
                "marked" if size == view.resolution else "",
            )
            for size in look.maps
        ]
        rows.append(row(pictures, look.name))
    return sides(rows), scores(view, found), *(_chart(view, found, removed) for removed in (True, False))


def scores(view: View, found: list[Look]) -> str:
    """Return the areas under the curves, and how far each map ranks places as the random network's does."""
    lines = []
    for look, pair in zip(found, [found[1], found[0], found[3], found[2]], strict=True):
        alike = rank_agreement(look.maps[view.resolution], pair.maps[view.resolution])
        lines.append([look.name, f"{look.removed.area:.3f}", f"{look.returned.area:.3f}", f"{alike:.2f}"])
    headings = (
        "map of",
        "deletion (lower is better)",
        "insertion (higher is better)",
        "rank agreement, trained and random",
    )
    return table(headings, lines, f"How well the maps explain the scores at {view.resolution} px")


def maps_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the maps as a file."""
    found = looks(view, first, second)
    rows = {look.name: [overlay(look.faces[s], look.maps[s]) for s in look.maps] for look in found}
    return attention_figure(rows, [f"{size} px" for size in sizes(view)], title="Where the networks look")


def deletion_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the deletion curves as a file."""
    curves = {look.name: look.removed for look in looks(view, first, second)}
    return curves_figure(curves, title=f"Deletion at {view.resolution} px")


def insertion_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the insertion curves as a file."""
    curves = {look.name: look.returned for look in looks(view, first, second)}
    return curves_figure(curves, title=f"Insertion at {view.resolution} px", change="given back")


def _chart(view: View, found: list[Look], removed: bool) -> str:
    curves = {look.name: look.removed if removed else look.returned for look in found}
    kind, change = ("Deletion", "removed") if removed else ("Insertion", "given back")
    title = f"{kind} at {view.resolution} px"
    words = ", ".join(f"{name} {curve.area:.2f}" for name, curve in curves.items())
    return chart_value(fraction_plot(curves, title=title, change=change), f"{title}; areas under the curves: {words}.")

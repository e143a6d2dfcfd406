"""Tab "Where it looks": class activation maps (HiResCAM) of teacher and student, trained and with random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gdrd_lab.analysis import cam
from gdrd_lab.app.components import chart_value
from gdrd_lab.app.gallery import Face, recognisers
from gdrd_lab.app.html import columns, picture, picture_link, row, table
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs.generate import chosen
from gdrd_lab.evaluation.compare import reduced
from gdrd_lab.plots import curves_figure, face_strip, fraction_plot, overlay
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (8, 16, 32, 112)
STEPS = 8  # of the curves; more steps make them smoother and the tab slower
CHANGES = {"Deletion": "removed", "Insertion": "inserted"}
HEADS = ("map of", "deletion (lower is better)", "insertion (higher is better)", "rank agreement, trained and random")


@lru_cache(maxsize=4)
def untrained(number: int) -> Any:
    """Return recogniser ``number`` with random weights."""
    return cam.with_random_weights(recognisers()[number])


@dataclass(frozen=True)
class NetworkMaps:
    """The maps of one network for one face at several resolutions, and their quality at the view's resolution."""

    name: str
    faces: dict[int, np.ndarray]  # the inputs by resolution, uint8 (r, r, 3)
    maps: dict[int, torch.Tensor]  # by resolution, (h, w)
    deletion: cam.ScoreCurve
    insertion: cam.ScoreCurve


def network_maps(view: View, first: Face, second: Face) -> list[NetworkMaps]:
    """Compute the maps of teacher and student, trained and with random weights; the trained network scores both."""
    face, seed = chosen(view, first, second)
    other = (second, view.seeds[1]) if view.whose == "first" else (first, view.seeds[0])
    towards = None if view.target == "itself" else other
    settings = {size: replace(view.degradation, resolution=size) for size in sizes(view)}
    found = []
    for number, trained in enumerate(recognisers()):
        target = _embedding(trained, towards, view.degradation)
        for network, name in ((trained, trained.name), (untrained(number), f"{trained.name}, random weights")):
            faces = {size: face.degraded(at, seed) for size, at in settings.items()}
            maps = {size: _map(network, name, face, at, seed, towards) for size, at in settings.items()}
            lr, here = reduced(face.image, view.degradation, seed)[0], maps[view.resolution]
            goal = None if target is None else target[0]
            curves = (curve(trained, lr, here, STEPS, goal) for curve in (cam.deletion, cam.insertion))
            found.append(NetworkMaps(name, faces, maps, *curves))
    return found


def _map(
    network: Any, name: str, face: Face, at: Degradation, seed: int, towards: tuple[Face, int] | None
) -> torch.Tensor:
    """Return one map. It is kept with the face, unless it shows a shared synthetic face compared with an upload."""

    def make() -> np.ndarray:
        target = _embedding(network, towards, at)
        return cam.class_activation_map(network, reduced(face.image, at, seed), target)[0].numpy()

    if towards is not None and towards[0].example is None:
        return torch.from_numpy(make())
    key = ("map", name, at, seed, towards and (towards[0].example, towards[1]))
    return torch.from_numpy(face.result(key, make))


@torch.no_grad()
def _embedding(network: Any, towards: tuple[Face, int] | None, at: Degradation) -> torch.Tensor | None:
    return None if towards is None else network.embed(reduced(towards[0].image, at, towards[1]))


def sizes(view: View) -> list[int]:
    """Return the resolutions shown: four, and the view's own."""
    return sorted({*SIZES, view.resolution})


def show(view: View, first: Face, second: Face) -> tuple[str, ...]:
    """Return the content of the tab: maps (HTML), scores (HTML), and the deletion and insertion curves (charts)."""
    found = network_maps(view, first, second)
    rows = []
    for one in found:
        links = {size: picture_link(overlay(one.faces[size], one.maps[size], 112)) for size in one.maps}
        css = {view.resolution: "marked"}
        rows.append(row([picture(links[size], f"{size} px", 104, css.get(size, "")) for size in links], one.name))
    charts = []
    for shown in (_curves(view, found, kind) for kind in CHANGES):
        areas = ", ".join(f"{name} {curve.area:.2f}" for name, curve in shown["curves"].items())
        charts.append(chart_value(fraction_plot(**shown), f"{shown['title']}; areas under the curves: {areas}."))
    return columns(rows), scores(view, found), *charts


def scores(view: View, found: list[NetworkMaps]) -> str:
    """Return the areas under the curves, and the rank correlation of each map with that of the other weights."""
    lines = []
    for one, pair in zip(found, [found[1], found[0], found[3], found[2]], strict=True):
        agreement = cam.rank_agreement(one.maps[view.resolution], pair.maps[view.resolution])
        lines.append([one.name, f"{one.deletion.area:.3f}", f"{one.insertion.area:.3f}", f"{agreement:.2f}"])
    return table(HEADS, lines, f"How well the maps explain the scores at {view.resolution} px")


def maps_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the maps as a file."""
    found = network_maps(view, first, second)
    rows = {one.name: [overlay(one.faces[s], one.maps[s]) for s in one.maps] for one in found}
    return face_strip(rows, [f"{size} px" for size in sizes(view)], title="Where the networks look")


def curve_figure(view: View, first: Face, second: Face, kind: str) -> Figure:
    """Draw the deletion or insertion curves as a file."""
    return curves_figure(**_curves(view, network_maps(view, first, second), kind))


def _curves(view: View, found: list[NetworkMaps], kind: str) -> dict[str, Any]:
    curves = {one.name: getattr(one, kind.lower()) for one in found}
    against = "" if view.target == "itself" else ", score against the other face"
    return {"curves": curves, "title": f"{kind} at {view.resolution} px{against}", "change": CHANGES[kind]}

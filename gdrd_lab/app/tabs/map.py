"""Tab "Embedding map": teacher and student side by side, with neighbours, one face's path and how far to trust it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from gdrd_lab.analysis.projection import nearest, seed_agreement, trustworthiness
from gdrd_lab.app.chart import chart_value
from gdrd_lab.app.gallery import Gallery
from gdrd_lab.app.html import notes, picture, row, sides, table
from gdrd_lab.app.state import View
from gdrd_lab.errors import GdrdError
from gdrd_lab.plots.interactive import map_plot
from gdrd_lab.plots.maps import map_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (8, 16, 32, 112)  # shown together when resolution is the colour
NEIGHBOURS = 5
GROUPS = {0: "found first", 1: "another identity first", -1: "no second face"}


@dataclass(frozen=True)
class Shown:
    """The points of one map that are shown.

    Args:
        points: (M, 2).
        faces: (M,) number of each point's face.
        values: (M,) what colours it.
        colourbar_label: name of the scale of the values, "" for groups.
        path: (R, 2) the chosen face at every resolution.
        embeddings: (M, d) of the points.
        second: (M, 2) of the same faces in the map of the next seed; None where there is no seed.
    """

    points: np.ndarray
    faces: np.ndarray
    values: np.ndarray
    colourbar_label: str
    path: np.ndarray
    embeddings: np.ndarray
    second: np.ndarray | None


def shown(view: View, gallery: Gallery, name: str) -> Shown:
    """Return what one map shows: each face at the view's resolution, or at four where that is the colour."""
    known, count = gallery.known[name], len(gallery.faces)
    sizes = SIZES if view.colour == "resolution" else (known.nearest(view.resolution),)
    places = [known.resolutions.index(size) for size in sizes]
    _, points = gallery.map(name, view.method, view.map_seed)
    second = None
    if view.method == "UMAP":
        second = gallery.map(name, view.method, view.map_seed + 1)[1][places].reshape(-1, 2)
    if view.colour == "resolution":
        values = np.repeat(np.log2(sizes), count)
    else:
        values = gallery.faces.labels if view.colour == "identity" else gallery.wrong(name, view.resolution)
    return Shown(
        points[places].reshape(-1, 2),
        np.tile(np.arange(count), len(sizes)),
        np.asarray(values),
        "log2 of the resolution" if view.colour == "resolution" else "",
        points[:, chosen(view, gallery)],
        known.embeddings[places].reshape(len(sizes) * count, -1),
        second,
    )


def chosen(view: View, gallery: Gallery) -> int:
    """Return the number of the chosen face; the last where the gallery has fewer."""
    return min(view.chosen, len(gallery.faces) - 1)


def selected(view: View, gallery: Gallery) -> list[int]:
    """Return the selected faces that the gallery has."""
    return sorted({face for face in view.selected if face < len(gallery.faces)})


def show(view: View, gallery: Gallery) -> tuple[str, ...]:
    """Return what the tab shows: two charts, how far to trust them, neighbours, and the gallery (HTML)."""
    found = {name: shown(view, gallery, name) for name in gallery.known}
    charts = [_chart(view, gallery, name, item) for name, item in found.items()]
    return *charts, trust_html(view, gallery, found), neighbours_html(view, gallery), gallery_html(view, gallery)


def trust_html(view: View, gallery: Gallery, found: dict[str, Shown]) -> str:
    """Return the trustworthiness of each map, its agreement with a second seed, and errors at this resolution."""
    rows = []
    for name, item in found.items():
        agreement = "-" if item.second is None else f"{seed_agreement(item.points, item.second):.2f}"
        wrong = gallery.wrong(name, view.resolution)
        judged = wrong >= 0
        errors = f"{int(wrong[judged].sum())} of {int(judged.sum())}" if judged.any() else "-"
        rows.append([name, f"{trustworthiness(item.embeddings, item.points):.3f}", agreement, errors])
    size = next(iter(gallery.known.values())).nearest(view.resolution)
    lines = [] if size == view.resolution else [f"The map shows {size} px, the nearest resolution it was made at."]
    if view.colour == "error" and all((gallery.wrong(name, view.resolution) < 0).all() for name in found):
        lines.append("No identity has two faces here, so there is no error to colour by.")
    headings = ("map of", "trustworthiness (1 is best)", "agreement with a second seed", f"wrong at {size} px")
    return notes(lines) + table(headings, rows, f"How far to trust these {view.method} maps")


def neighbours_html(view: View, gallery: Gallery) -> str:
    """Return, for each recogniser, the sharp faces most alike to the chosen one, found in the ORIGINAL space."""
    face, parts = chosen(view, gallery), []
    labels = gallery.faces.labels
    for name, known in gallery.known.items():
        lr = known.embeddings[known.resolutions.index(known.nearest(view.resolution))]
        near = nearest(known.embeddings[-1], face, NEIGHBOURS, lr)
        pictures = [picture(gallery.thumbnails[face], f"{gallery.faces.keys[face]} (asked)", 84)]
        for other in near:
            same = "" if labels[face] < 0 else ", same identity" if labels[other] == labels[face] else ", another"
            score = float(lr[face] @ known.embeddings[-1][other])
            pictures.append(picture(gallery.thumbnails[other], f"{gallery.faces.keys[other]}: {score:.2f}{same}", 84))
        parts.append(row(pictures, f"Nearest in {name}'s original space, sharp faces"))
    return sides(parts)


def gallery_html(view: View, gallery: Gallery) -> str:
    """Return the selected faces, or all, as buttons that choose a face."""
    picked, asked = selected(view, gallery), chosen(view, gallery)
    faces = picked or list(range(len(gallery.faces)))
    buttons = "".join(
        f'<button type="button" data-face="{k}" aria-pressed="{"true" if k == asked else "false"}" '
        f'aria-label="{escape(gallery.faces.keys[k])}"><img src="{gallery.thumbnails[k]}" alt=""></button>'
        for k in faces
    )
    said = f"{len(picked)} selected" if picked else "None selected: lasso points in a map. All faces"
    return f'<h4>{said} of {len(gallery.faces)}</h4><div class="gdrd-faces">{buttons}</div>'


def selection_csv(view: View, gallery: Gallery) -> str:
    """Return the selected faces, or all, as CSV: number, key, identity, and each map's point and error."""
    found = {name: shown(view, gallery, name) for name in gallery.known}
    out = io.StringIO()
    writer = csv.writer(out)
    heads = [f"{name} {what}" for name in found for what in ("x", "y", "wrong")]
    writer.writerow(["face", "key", "identity", "resolution", *heads])
    size = next(iter(gallery.known.values())).nearest(view.resolution)
    for face in selected(view, gallery) or range(len(gallery.faces)):
        cells: list[object] = [face, gallery.faces.keys[face], int(gallery.faces.labels[face]), size]
        for name in found:
            known = gallery.known[name]
            x, y = gallery.map(name, view.method, view.map_seed)[1][known.resolutions.index(size), face]
            cells += [f"{x:.6g}", f"{y:.6g}", int(gallery.wrong(name, view.resolution)[face])]
        writer.writerow(cells)
    return out.getvalue()


def figure(view: View, gallery: Gallery, number: int) -> Figure:
    """Draw the map of recogniser ``number`` as a file."""
    names = list(gallery.known)
    if not 0 <= number < len(names):
        raise GdrdError(f"There is no map {number}", f"Choose one below {len(names)}")
    item, picked = shown(view, gallery, names[number]), set(view.selected)
    return map_figure(
        item.points,
        item.values,
        title=f"{view.method} of {names[number]}",
        names=GROUPS if view.colour == "error" else None,
        colourbar_label=item.colourbar_label,
        path=item.path,
        selected=[k for k, face in enumerate(item.faces) if face in picked],
    )


def _path_names(resolutions: tuple[int, ...], here: int) -> list[str]:
    """Name the path's ends and the point nearest to the view's resolution; more names would cover each other."""
    named = {resolutions[0], resolutions[-1], min(resolutions, key=lambda size: abs(size - here))}
    return [f"{size} px" if size in named else "" for size in resolutions]


def _chart(view: View, gallery: Gallery, name: str, item: Shown) -> str:
    picked = set(selected(view, gallery))
    words = [gallery.faces.keys[face] for face in item.faces]
    if view.colour == "error":
        words = [f"{key}: {GROUPS[int(value)]}" for key, value in zip(words, item.values, strict=True)]
    plot = map_plot(
        item.points,
        item.values,
        words,
        title=f"{view.method} of {name}",
        colourbar_label=item.colourbar_label,
        path=item.path,
        path_names=_path_names(gallery.known[name].resolutions, view.resolution),
        selected=[k for k, face in enumerate(item.faces) if face in picked],
        ids=item.faces.tolist(),
    )
    return chart_value(plot, f"{view.method} map of {len(item.points)} embeddings of {name}, {len(picked)} selected")

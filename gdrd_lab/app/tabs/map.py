"""Tab "Embedding map": teacher and student side by side, with neighbours, one face's path and the map's quality."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gdrd_lab.analysis.projection import nearest, seed_agreement, trustworthiness
from gdrd_lab.app.components import chart_value
from gdrd_lab.app.gallery import Gallery
from gdrd_lab.app.html import columns, notes, picture, row, table
from gdrd_lab.app.state import View
from gdrd_lab.plots import map_figure, map_plot

SIZES = (8, 16, 32, 112)  # shown together when resolution is the colour
NEIGHBOURS = 5
GROUPS = {0: "right identity first", 1: "wrong identity first", -1: "identity has no second face"}


@dataclass(frozen=True)
class MapPoints:
    """The M points of one map that are shown."""

    points: np.ndarray  # (M, 2)
    faces: np.ndarray  # (M,) number of each point's face
    values: np.ndarray  # (M,) groups or numbers that colour the points
    colourbar_label: str  # name of the scale of the values, "" for groups
    path: np.ndarray  # (R, 2) the chosen face at every resolution
    embeddings: np.ndarray  # (M, d) of the points
    second: np.ndarray | None  # (M, 2) the same faces in the map of the next seed; None if the method has no seed


def map_points(view: View, gallery: Gallery, name: str) -> MapPoints:
    """Return the points of one map: each face at the view's resolution, or at four if that is the colour."""
    known, count = gallery.known[name], len(gallery.faces)
    sizes: tuple[int, ...] = (known.nearest(view.resolution),)
    label, second = "", None
    if view.colour == "resolution":
        sizes, label = SIZES, "log2 of the resolution"
        values = np.repeat(np.log2(sizes), count)
    else:
        values = gallery.faces.labels if view.colour == "identity" else gallery.errors(name, view.resolution)
    places = [known.resolutions.index(size) for size in sizes]
    points, faces = gallery.map(name, view.method, view.map_seed), np.tile(np.arange(count), len(sizes))
    if view.method == "UMAP":
        second = gallery.map(name, view.method, view.map_seed + 1)[places].reshape(-1, 2)
    shown, path = points[places].reshape(-1, 2), points[:, chosen(view, gallery)]
    embeddings = known.embeddings[places].reshape(len(faces), -1)
    return MapPoints(shown, faces, np.asarray(values), label, path, embeddings, second)


def chosen(view: View, gallery: Gallery) -> int:
    """Return the number of the chosen face; the last face if the gallery has fewer."""
    return min(view.chosen, len(gallery.faces) - 1)


def selected(view: View, gallery: Gallery) -> list[int]:
    """Return the selected faces that the gallery has."""
    return sorted({face for face in view.selected if face < len(gallery.faces)})


def show(view: View, gallery: Gallery) -> tuple[str, ...]:
    """Return the content of the tab: two charts, the quality of the maps, neighbours, and the gallery (HTML)."""
    found = {name: map_points(view, gallery, name) for name in gallery.known}
    charts = [_chart(view, gallery, name, item) for name, item in found.items()]
    return *charts, quality_html(view, gallery, found), neighbours_html(view, gallery), gallery_html(view, gallery)


def quality_html(view: View, gallery: Gallery, found: dict[str, MapPoints]) -> str:
    """Return the trustworthiness of each map, its agreement with a second seed, and the rank-1 errors."""
    rows, any_known = [], False
    for name, item in found.items():
        agreement = "-" if item.second is None else f"{seed_agreement(item.points, item.second):.2f}"
        errors = gallery.errors(name, view.resolution)
        known = errors >= 0
        any_known |= bool(known.any())
        count = f"{int(errors[known].sum())} of {int(known.sum())}" if known.any() else "-"
        rows.append([name, f"{trustworthiness(item.embeddings, item.points):.3f}", agreement, count])
    size = _nearest(view, gallery)
    lines = [] if size == view.resolution else [f"The map shows {size} px, the nearest calibrated resolution."]
    if view.colour == "error" and not any_known:
        lines.append("No identity has two faces here, so there is no error to colour by.")
    headings = ("map of", "trustworthiness (1 is best)", "agreement with a second seed", f"rank-1 errors at {size} px")
    return notes(lines) + table(headings, rows, f"Quality of the {view.method} maps")


def neighbours_html(view: View, gallery: Gallery) -> str:
    """Return, for each recogniser, the high-resolution faces nearest to the chosen one in the embedding space."""
    face, parts = chosen(view, gallery), []
    labels, keys = gallery.faces.labels, gallery.faces.keys
    for name, known in gallery.known.items():
        lr, hr = gallery.at(name, view.resolution), known.embeddings[-1]
        pictures = [picture(gallery.thumbnails[face], f"{keys[face]} (query)", 84)]
        for other in nearest(hr, face, NEIGHBOURS, lr):
            whose = f", {'same' if labels[other] == labels[face] else 'other'} identity" if labels[face] >= 0 else ""
            caption = f"{keys[other]}: {float(lr[face] @ hr[other]):.2f}{whose}"
            pictures.append(picture(gallery.thumbnails[other], caption, 84))
        parts.append(row(pictures, f"Nearest faces at {known.resolutions[-1]} px in {name}'s embedding space"))
    return columns(parts)


def gallery_html(view: View, gallery: Gallery) -> str:
    """Return the selected faces, or all of them, as buttons that choose a face."""
    picked, current = selected(view, gallery), chosen(view, gallery)
    buttons = "".join(
        f'<button type="button" data-face="{k}" aria-pressed="{"true" if k == current else "false"}" '
        f'aria-label="{escape(gallery.faces.keys[k])}"><img src="{gallery.thumbnails[k]}" alt=""></button>'
        for k in picked or range(len(gallery.faces))
    )
    count = len(gallery.faces)
    title = f"{len(picked)} selected of {count}" if picked else f"All {count} faces; select some with a lasso in a map"
    return f'<h2>{title}</h2><div class="gdrd-faces">{buttons}</div>'


def selection_csv(view: View, gallery: Gallery) -> str:
    """Return the selected faces, or all of them, as CSV: number, key, identity, and the point and error in each map."""
    chosen_faces = selected(view, gallery) or list(range(len(gallery.faces)))
    size, faces = _nearest(view, gallery), gallery.faces
    cells: dict[str, Sequence[object]] = {
        "face": chosen_faces,
        "key": [faces.keys[face] for face in chosen_faces],
        "identity": faces.labels[chosen_faces].tolist(),
        "resolution": [size] * len(chosen_faces),
    }
    for name, known in gallery.known.items():
        points = gallery.map(name, view.method, view.map_seed)[known.resolutions.index(size), chosen_faces]
        cells |= {f"{name} {axis}": [f"{v:.6g}" for v in points[:, k]] for k, axis in enumerate("xy")}
        cells[f"{name} rank-1 error"] = gallery.errors(name, view.resolution)[chosen_faces].tolist()
    out = io.StringIO()
    csv.writer(out).writerows([cells, *zip(*cells.values(), strict=True)])
    return out.getvalue()


def figure(view: View, gallery: Gallery, number: int) -> Figure:
    """Draw the map of recogniser ``number`` as a file."""
    name = list(gallery.known)[number]
    item = map_points(view, gallery, name)
    names = GROUPS if view.colour == "error" else None
    return map_figure(item.points, item.values, names=names, **_options(view, name, item))


def _nearest(view: View, gallery: Gallery) -> int:
    return next(iter(gallery.known.values())).nearest(view.resolution)


def _options(view: View, name: str, item: MapPoints) -> dict[str, Any]:
    """Return what the map in the page and the map as a file share."""
    selected = np.flatnonzero(np.isin(item.faces, view.selected)).tolist()
    title = f"{view.method} of {name}"
    return {"title": title, "colourbar_label": item.colourbar_label, "path": item.path, "selected": selected}


def _chart(view: View, gallery: Gallery, name: str, item: MapPoints) -> str:
    names = [gallery.faces.keys[face] for face in item.faces]
    if view.colour == "error":
        names = [f"{key}: {GROUPS[int(value)]}" for key, value in zip(names, item.values, strict=True)]
    # Only the ends of the path and the point nearest to the view's resolution are named, so that names do not overlap.
    sizes = gallery.known[name].resolutions
    named = {sizes[0], sizes[-1], min(sizes, key=lambda size: abs(size - view.resolution))}
    path_names = [f"{size} px" if size in named else "" for size in sizes]
    ids, options = item.faces.tolist(), _options(view, name, item)
    plot = map_plot(item.points, item.values, names, path_names=path_names, ids=ids, **options)
    count = len(selected(view, gallery))
    return chart_value(plot, f"{view.method} map of {len(item.points)} embeddings of {name}; {count} faces selected")

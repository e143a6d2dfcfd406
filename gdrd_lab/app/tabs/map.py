"""Tab "Embedding map": teacher and student side by side, with neighbours, one face's path and the map's quality."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.analysis.projection import nearest, seed_agreement, trustworthiness
from gdrd_lab.app.components import chart_value
from gdrd_lab.app.gallery import Gallery
from gdrd_lab.app.html import columns, picture, progress, row, table
from gdrd_lab.app.state import View
from gdrd_lab.plots import map_figure, map_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (8, 16, 32, 112)  # shown together when resolution is the colour
NEIGHBOURS = 5
GROUPS = {0: "right person first", 1: "wrong person first", -1: "person without a second face"}
MOST_NAMED = 6  # people in the legend
LABEL = 48, 18  # width and height of a label of the path in pixels
PLOT = 300, 260  # least width and height of the points in pixels, on a phone


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
        sizes, label = SIZES, "Resolution (px)"
        values = np.repeat(sizes, count)
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


def show(view: View, gallery: Gallery, times: Mapping[str, float] | None = None) -> tuple[str, ...]:
    """Return the content of the tab: the headline, two charts, the maps' quality, neighbours and marks (HTML).

    ``times`` says when the page sent each setting.
    """
    found = {name: map_points(view, gallery, name) for name in gallery.known}
    charts = [_chart(view, gallery, name, item) for name, item in found.items()]
    below = quality_html(view, gallery, found), neighbours_html(view, gallery), marks_html(view, gallery, times or {})
    return headline_html(view, gallery), *charts, *below


def headline_html(view: View, gallery: Gallery) -> str:
    """Return how many faces each recogniser takes for another person at the resolution."""
    size, errors = _nearest(view, gallery), {name: gallery.errors(name, view.resolution) for name in gallery.known}
    known = next(iter(errors.values())) >= 0
    wrong = ", ".join(f"{escape(name)} {int(found[known].sum())}" for name, found in errors.items())
    sharpest = next(iter(gallery.known.values())).resolutions[-1]
    said = f"<b>Wrong at {size} px: {wrong} of {int(known.sum())}.</b> "
    said += f"A face is wrong if the most similar of the others, at {sharpest} px, is of another person."
    if not known.any():
        said = "Errors cannot be counted, because no person has two faces here."
    if size != view.resolution:
        said += f" {size} px is the calibrated resolution nearest to {view.resolution} px."
    return f'<p class="gdrd-verdict" role="status">{said}</p>'


def quality_html(view: View, gallery: Gallery, found: dict[str, MapPoints]) -> str:
    """Return the trustworthiness of each map and its agreement with a second seed."""
    rows = []
    for name, item in found.items():
        agreement = "-" if item.second is None else f"{seed_agreement(item.points, item.second):.2f}"
        rows.append([name, f"{trustworthiness(item.embeddings, item.points):.3f}", agreement])
    headings = ("map of", "trustworthiness (1 is best)", "agreement with a second seed")
    return table(headings, rows, f"Quality of the {view.method} maps")


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


def marks_html(view: View, gallery: Gallery, times: Mapping[str, float]) -> str:
    """Return which faces are selected and which is chosen, and since when, as a heading for the gallery's script."""
    picked, count = selected(view, gallery), len(gallery.faces)
    title = f"{len(picked)} selected of {count} faces" if picked else f"All {count} faces"
    marks = f'data-chosen="{chosen(view, gallery)}" data-selected="{" ".join(map(str, picked))}"'
    marks += "".join(f' data-{name}-at="{times.get(name, 0)}"' for name in ("chosen", "selected"))
    return f"<h2 {marks}>{title}</h2>"


def gallery_html(gallery: Gallery) -> str:
    """Return all faces as a list box, and a field that searches them."""
    faces = "".join(
        f'<div role="option" tabindex="-1" aria-selected="false" data-face="{k}" data-person="{escape(person)}">'
        f'<img src="{link}" alt="{escape(key)}" title="{escape(key)}"></div>'
        for k, (key, person, link) in enumerate(
            zip(gallery.faces.keys, map(gallery.person, gallery.faces.labels.tolist()), gallery.thumbnails, strict=True)
        )
    )
    return (
        '<div class="gdrd-search"><label>Search by name or person <input type="search"></label> '
        '<button type="button">Select what is found</button><span role="status"></span></div>'
        f'<div class="gdrd-faces" role="listbox" aria-multiselectable="true" aria-label="Faces">{faces}</div>'
    )


def waiting_html() -> str:
    """Return what is shown until the maps are made; its script asks for them."""
    return progress(0, "UMAP", "UMAP waits for its turn: maps are made for one user at a time.")


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
    return map_figure(item.points, item.values, names=legend(view, gallery, item), **_options(view, name, item))


def legend(view: View, gallery: Gallery, item: MapPoints) -> dict[int, str]:
    """Return the names of the groups of points; of many people, that of the chosen face's person."""
    if view.colour == "resolution":
        return {}
    counts = Counter(item.values.tolist())
    if view.colour == "error":
        return {group: f"{name} ({counts[group]})" for group, name in GROUPS.items() if counts[group]}
    names = {label: gallery.person(label) for label in sorted(counts)}
    if len(names) <= MOST_NAMED:
        return names
    label = int(gallery.faces.labels[chosen(view, gallery)])
    return {label: names[label], -2: f"{len(names) - 1} other people, each with a colour and symbol"}


def path_names(path: np.ndarray, sizes: Sequence[int], first: Sequence[int], points: np.ndarray) -> list[str]:
    """Return the label of each place (R, 2) of a path, "" where it would cover another; ``first`` come first."""
    everything = np.concatenate([points, path])
    scale = max(np.ptp(everything, axis=0) / PLOT) or 1.0  # units of the map per pixel, the same in both directions
    shown: list[int] = []
    for k in sorted(range(len(sizes)), key=lambda k: sizes[k] not in first):
        if all((np.abs(path[k] - path[other]) / scale >= LABEL).any() for other in shown):
            shown.append(k)
    return [f"{size} px" if k in shown else "" for k, size in enumerate(sizes)]


def _nearest(view: View, gallery: Gallery) -> int:
    return next(iter(gallery.known.values())).nearest(view.resolution)


def _options(view: View, name: str, item: MapPoints) -> dict[str, Any]:
    """Return what the map in the page and the map as a file share."""
    selected = np.flatnonzero(np.isin(item.faces, view.selected)).tolist()
    scale = {"colourbar_label": item.colourbar_label, "ticks": SIZES if item.colourbar_label else ()}
    return {"title": f"{view.method} of {name}", "path": item.path, "selected": selected, **scale}


def _chart(view: View, gallery: Gallery, name: str, item: MapPoints) -> str:
    names = [gallery.faces.keys[face] for face in item.faces]
    if view.colour == "error":
        names = [f"{key}: {GROUPS[int(value)]}" for key, value in zip(names, item.values, strict=True)]
    sizes = gallery.known[name].resolutions
    labels = path_names(item.path, sizes, (sizes[0], sizes[-1], _nearest(view, gallery)), item.points)
    look = {"ids": item.faces.tolist(), "groups": legend(view, gallery, item), "path_names": labels}
    plot = map_plot(item.points, item.values, names, **look, **_options(view, name, item))
    count = len(selected(view, gallery))
    return chart_value(plot, f"{view.method} map of {len(item.points)} embeddings of {name}; {count} faces selected")

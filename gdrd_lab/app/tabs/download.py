"""Tab "Take away": figures, the selection, the state and a notebook cell, all made in memory and linked in the page."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from gdrd_lab.app.face import Face
from gdrd_lab.app.gallery import Gallery
from gdrd_lab.app.html import file_link
from gdrd_lab.app.state import View, from_json
from gdrd_lab.app.tabs import across as across_tab
from gdrd_lab.app.tabs import attention as attention_tab
from gdrd_lab.app.tabs import compare as compare_tab
from gdrd_lab.app.tabs import generate as generate_tab
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.plots.figures import alt_text, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Maker = Callable[[View, Face, Face, Gallery], "Figure"]


def _histogram(number: int) -> Maker:
    def make(view: View, first: Face, second: Face, gallery: Gallery) -> Figure:
        comparison = compare_tab.compared(view, first, second)
        return compare_tab.histogram_figure(view, comparison, list(comparison.scores)[number])

    return make


FIGURES: dict[str, Maker] = {
    "Scores across resolutions": lambda view, first, second, gallery: across_tab.curves_figure(view, first, second),
    "Inputs across resolutions": lambda view, first, second, gallery: across_tab.strip_figure(view, first, second),
    "Known pairs of the teacher": _histogram(0),
    "Known pairs of the student": _histogram(1),
    "Super-resolution": lambda view, first, second, gallery: generate_tab.figure(view, first, second),
    "Attention": lambda view, first, second, gallery: attention_tab.maps_figure(view, first, second),
    "Deletion curves": lambda view, first, second, gallery: attention_tab.deletion_figure(view, first, second),
    "Insertion curves": lambda view, first, second, gallery: attention_tab.insertion_figure(view, first, second),
    "Map of the teacher": lambda view, first, second, gallery: map_tab.figure(view, gallery, 0),
    "Map of the student": lambda view, first, second, gallery: map_tab.figure(view, gallery, 1),
}


def figure_links(view: View, first: Face, second: Face, gallery: Gallery, name: str) -> str:
    """Return a figure as a picture with links to save it as PNG and as SVG."""
    drawn = FIGURES[name](view, first, second, gallery)
    png, svg = render(drawn, "png"), render(drawn, "svg")
    stem = name.lower().replace(" ", "-")
    links = [
        download(png, "image/png", f"{stem}.png", "Save as PNG"),
        download(svg, "image/svg+xml", f"{stem}.svg", "Save as SVG"),
    ]
    shown = f'<img class="gdrd-figure" src="{file_link(png, "image/png")}" alt="{escape(alt_text(drawn))}">'
    return f'<div class="gdrd-links">{"".join(links)}</div>{shown}'


def state_links(view: View, gallery: Gallery) -> str:
    """Return links to save the selection as CSV and the state as JSON, and the link that opens the same view."""
    chosen = map_tab.selected(view, gallery)
    count = f"{len(chosen)} selected faces" if chosen else "all faces"
    table = map_tab.selection_csv(view, gallery).encode()
    query = escape(view.to_query() or "?")
    return (
        '<div class="gdrd-links">'
        + download(table, "text/csv", "selection.csv", f"Save {count} as CSV")
        + download(view.to_json().encode(), "application/json", "view.json", "Save the state as JSON")
        + f'<a class="gdrd-link" id="gdrd-view-link" href="{query}">Link to this view</a></div>'
        '<p class="gdrd-keys">The link and the JSON hold every setting, but no face of your own.</p>'
    )


def download(content: bytes, kind: str, name: str, words: str) -> str:
    """Return a link that saves ``content`` under ``name``; the content is in the link itself."""
    return f'<a class="gdrd-link" download="{escape(name)}" href="{file_link(content, kind)}">{escape(words)}</a>'


def open_query(query: str | None) -> View:
    """Return the view a link's ``view`` holds; a fresh one without it.

    Raises:
        GdrdError: it is damaged.
    """
    return from_json(query) if query else View()

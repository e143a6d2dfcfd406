"""Tab "Download": figures, the selection, the settings and a notebook cell, made in memory and linked in the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from gdrd_lab.app.gallery import Face, Gallery
from gdrd_lab.app.html import file_link
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs import across, cam, compare, generate
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.plots import alt_text, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIR_FIGURES: dict[str, Callable[[View, Face, Face], Figure]] = {
    "Scores across resolutions": across.curves_figure,
    "Inputs across resolutions": across.strip_figure,
    "Pairs of the teacher": partial(compare.histogram_figure, number=0),
    "Pairs of the student": partial(compare.histogram_figure, number=1),
    "Super-resolution": generate.figure,
    "Class activation maps": cam.maps_figure,
    "Deletion curves": partial(cam.curve_figure, kind="Deletion"),
    "Insertion curves": partial(cam.curve_figure, kind="Insertion"),
}
MAPS = {"Map of the teacher": 0, "Map of the student": 1}
# A click copies the link, because following it would open a page without the uploads.
COPY = "if (navigator.clipboard) { navigator.clipboard.writeText(this.href); this.innerText = 'Copied'; return false }"
FIGURES = (*PAIR_FIGURES, *MAPS)


def figure_links(view: View, first: Face, second: Face, gallery: Gallery, name: str) -> str:
    """Return a figure as a picture with links that save it as PNG and as SVG."""
    drawn = map_tab.figure(view, gallery, MAPS[name]) if name in MAPS else PAIR_FIGURES[name](view, first, second)
    png, svg, stem = render(drawn, "png"), render(drawn, "svg"), name.lower().replace(" ", "-")
    links = download_link(png, "image/png", f"{stem}.png", "Save as PNG")
    links += download_link(svg, "image/svg+xml", f"{stem}.svg", "Save as SVG")
    shown = f'<img class="gdrd-figure" src="{file_link(png, "image/png")}" alt="{escape(alt_text(drawn))}">'
    return f'<div class="gdrd-links">{links}</div>{shown}'


def state_links(view: View, gallery: Gallery) -> str:
    """Return links that save the selection as CSV and the settings as JSON, and a link that opens the same view."""
    chosen = map_tab.selected(view, gallery)
    count = f"{len(chosen)} selected faces" if chosen else "all faces"
    table = map_tab.selection_csv(view, gallery).encode()
    query = escape(view.to_query() or "?")
    return (
        '<div class="gdrd-links">'
        + download_link(table, "text/csv", "selection.csv", f"Save {count} as CSV")
        + download_link(view.to_json().encode(), "application/json", "view.json", "Save the settings as JSON")
        + f'<a class="gdrd-link" id="gdrd-view-link" href="{query}" onclick="{COPY}">Copy a link to this view</a></div>'
        f'<p class="gdrd-keys">JSON and link open the tab "{view.tab}" with every setting, and hold no face.</p>'
    )


def download_link(content: bytes, kind: str, name: str, text: str) -> str:
    """Return a link that saves ``content`` under ``name``; the content is in the link itself."""
    return f'<a class="gdrd-link" download="{escape(name)}" href="{file_link(content, kind)}">{escape(text)}</a>'

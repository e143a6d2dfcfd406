"""What happens on the page: plain functions of a session and the controls' values, as Gradio calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import gradio as gr

from gdrd_lab.app import models, uploads
from gdrd_lab.app.face import Face
from gdrd_lab.app.gallery import Gallery, embedded_gallery, own_gallery
from gdrd_lab.app.notebook_cell import cell
from gdrd_lab.app.state import Tab, View, from_json
from gdrd_lab.app.tabs import across as across_tab
from gdrd_lab.app.tabs import attention as attention_tab
from gdrd_lab.app.tabs import compare as compare_tab
from gdrd_lab.app.tabs import download as take_tab
from gdrd_lab.app.tabs import generate as generate_tab
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.app.uploads import Session
from gdrd_lab.errors import GdrdError

# How many outputs each tab has, in the order in which the page lists them.
OUTPUTS = {"compare": 4, "across": 3, "generate": 2, "attention": 4, "map": 5, "take": 2}


@contextmanager
def sentences() -> Iterator[None]:
    """Show a user's mistake inside the block on the page as its one sentence, without a trace in the log."""
    try:
        yield
    except GdrdError as error:
        raise gr.Error(str(error), duration=12, print_exception=False) from error


def in_sentences(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its errors in ``sentences``."""

    @wraps(function)
    def call(*values: Any) -> Any:
        with sentences():
            return function(*values)

    return call


def faces_of(view: View, session: Session | None) -> tuple[Face, Face]:
    """Return the pair: the user's uploads, and embedded faces where there are none."""
    own = session.faces if session else {}
    first = own.get(0) or models.example(view.first)
    return first, own.get(1) or models.example(view.second)


def gallery_of(session: Session | None) -> Gallery:
    """Return the user's own gallery, or the embedded one."""
    return session.gallery if session and isinstance(session.gallery, Gallery) else embedded_gallery()


def tab_content(view: View, session: Session | None) -> tuple[str, ...]:
    """Return what the open tab shows."""
    pair = faces_of(view, session)
    if view.tab == "compare":
        return compare_tab.show(view, *pair)
    if view.tab == "across":
        return across_tab.show(view, *pair)
    if view.tab == "generate":
        return generate_tab.before(view, *pair)
    if view.tab == "attention":
        return attention_tab.show(view, *pair)
    gallery = gallery_of(session)
    return (
        map_tab.show(view, gallery) if view.tab == "map" else (take_tab.state_links(view, gallery), code(view, session))
    )


def refresh(view: View, session: Session | None) -> list[Any]:
    """Return every tab's outputs: the open tab's made anew, the others left alone."""
    out: list[Any] = []
    for tab, count in OUTPUTS.items():
        out += tab_content(view, session) if tab == view.tab else [gr.skip()] * count
    return out


def code(view: View, session: Session | None, tab: Tab | None = None) -> str:
    """Return the notebook cell of a tab (the open one if None)."""
    from dataclasses import replace

    view = replace(view, tab=tab or view.tab)
    own = isinstance(session.gallery, Gallery) if session and view.tab == "map" else bool(session and session.faces)
    return cell(view, own)


def generate(view: View, session: Session | None) -> Iterator[tuple[str, str]]:
    """Yield super-resolution step by step."""
    with sentences():
        yield from generate_tab.show(view, *faces_of(view, session))


def upload(session: Session | None, slot: int, path: str | None) -> tuple[Session | None, None, str, Any]:
    """Take an upload: the session, the emptied upload field, the photograph with its faces framed, the picker."""
    if path is None:
        return session, None, uploads.found_html(session, slot), gr.skip()
    taken = uploads.take(session, slot, path)
    return taken, None, uploads.found_html(taken, slot), picker(taken, slot)


def picker(session: Session, slot: int) -> Any:
    """Return the choice among several faces; hidden where there is one."""
    photograph = session.photographs.get(slot)
    count = len(photograph.boxes) if photograph else 0
    chosen = photograph.largest + 1 if photograph and count else None
    return gr.Radio(choices=list(range(1, count + 1)), value=chosen, visible=count > 1)


def pick(session: Session | None, slot: int, number: int | None) -> tuple[Session | None, str]:
    """Take another face of the photograph."""
    if session is None or number is None or slot not in session.photographs:
        return session, uploads.found_html(session, slot)
    session = uploads.pick(session, slot, int(number) - 1)
    return session, uploads.found_html(session, slot)


def drop(session: Session | None, slot: int) -> tuple[Session, str, Any]:
    """Go back to the embedded face."""
    session = uploads.drop(session, slot)
    return session, "", gr.Radio(choices=[], visible=False)


def take_folder(session: Session | None, paths: Sequence[str] | None) -> tuple[Session, None, str]:
    """Take a user's photographs as the map's faces; returns the session, the emptied field and what was left out."""
    session = session or Session()
    if not paths:
        return Session(session.faces, session.photographs, None), None, "The map shows the embedded faces."
    names = [str(getattr(path, "orig_name", None) or path).rsplit("/", 1)[-1] for path in paths]
    gallery, refused = own_gallery(paths, names, models.recognisers())
    lines = [f"The map shows your {len(gallery.faces)} faces; the files are deleted already.", *refused]
    return Session(session.faces, session.photographs, gallery), None, " ".join(lines)


def make_figure(view: View, session: Session | None, name: str) -> str:
    """Draw a figure for the tab "Take away"."""
    return take_tab.figure_links(view, *faces_of(view, session), gallery_of(session), name)


def open_view(text: str | None) -> View:
    """Read a saved view: the JSON itself, or a link that holds it."""
    from urllib.parse import parse_qs, urlsplit

    text = (text or "").strip()
    if text.startswith(("http://", "https://", "?")):
        text = parse_qs(urlsplit(text).query).get("view", [""])[0]
        if not text:
            raise GdrdError("This link holds no view", "Copy the link from the tab Take away")
    return from_json(text) if text else View()


def api_compare(first: int = 0, second: int = 1, resolution: int = 16) -> dict[str, Any]:
    """Score two embedded faces: by method, score and threshold; for programs that call the app."""
    view = View(first=first, second=second, resolution=resolution)
    pair = faces_of(view, None)
    scores = compare_tab.compared(view, *pair).scores
    limits = models.calibrations()
    return {
        name: {"score": values[0], "threshold": limits[name].threshold(resolution)} for name, values in scores.items()
    }

"""The functions behind the controls: plain functions of a session and the controls' values, called by Gradio."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import gradio as gr

from gdrd_lab.app import uploads
from gdrd_lab.app.gallery import Face, Gallery, calibrations, example, recognisers, synthetic_gallery
from gdrd_lab.app.notebook_cell import cell
from gdrd_lab.app.state import Tab, View
from gdrd_lab.app.tabs import across, cam, compare, download, generate
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.app.uploads import Session
from gdrd_lab.errors import GdrdError

# The number of outputs of each tab, in the order of the layout.
OUTPUTS: dict[Tab, int] = {"compare": 4, "across": 3, "generate": 2, "cam": 4, "map": 5, "download": 2}
PAIR_TABS = {"compare": compare.show, "across": across.show, "generate": generate.before, "cam": cam.show}


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show a ``GdrdError`` of a block or function as one sentence in the app, without a traceback in the log."""
    try:
        yield
    except GdrdError as error:
        raise gr.Error(str(error), duration=12, print_exception=False) from error


def faces_of(view: View, session: Session | None) -> tuple[Face, Face]:
    """Return the pair: the user's uploads, and synthetic faces in place of missing ones."""
    own = session.faces if session else {}
    return own.get(0) or example(view.first), own.get(1) or example(view.second)


def gallery_of(session: Session | None) -> Gallery:
    """Return the user's own gallery, or the synthetic one."""
    return (session and session.gallery) or synthetic_gallery()


def tab_content(view: View, session: Session | None) -> tuple[str, ...]:
    """Return the content of the open tab."""
    if view.tab in PAIR_TABS:
        return PAIR_TABS[view.tab](view, *faces_of(view, session))
    gallery = gallery_of(session)
    if view.tab == "map":
        return map_tab.show(view, gallery)
    return download.state_links(view, gallery), code(view, session)


def refresh(view: View, session: Session | None) -> list[Any]:
    """Return the outputs of every tab: new content for the open tab, no change for the others."""
    unchanged = {tab: [gr.skip()] * count for tab, count in OUTPUTS.items()}
    return list(chain(*(unchanged | {view.tab: tab_content(view, session)}).values()))


def code(view: View, session: Session | None, tab: Tab | None = None) -> str:
    """Return the notebook cell of a tab (the open one if None)."""
    view = replace(view, tab=tab or view.tab)
    return cell(view, bool(session and (session.gallery if view.tab == "map" else session.faces)))


def generate_faces(view: View, session: Session | None) -> Iterator[tuple[str, str]]:
    """Yield super-resolution step by step."""
    with errors_shown():
        yield from generate.show(view, *faces_of(view, session))


def upload(slot: int, session: Session | None, path: str | None) -> tuple[Session | None, None, str, Any]:
    """Use an upload. Returns the session, the emptied field, the photograph with its faces framed, and the picker."""
    if path is None:
        return session, None, uploads.found_html(session, slot), gr.skip()
    session = uploads.add_upload(session, slot, path)
    photograph = session.photographs[slot]
    numbers = list(range(1, len(photograph.boxes) + 1))
    chosen = photograph.largest + 1 if numbers else None
    picker = gr.Radio(choices=numbers, value=chosen, visible=len(numbers) > 1)
    return session, None, uploads.found_html(session, slot), picker


def pick(slot: int, session: Session | None, number: int | None) -> tuple[Session | None, str]:
    """Use another face of the photograph."""
    if session is not None and number is not None and slot in session.photographs:
        session = uploads.pick_face(session, slot, int(number) - 1)
    return session, uploads.found_html(session, slot)


def remove(slot: int, session: Session | None) -> tuple[Session, str, Any]:
    """Go back to the synthetic face."""
    return uploads.remove_upload(session, slot), "", gr.Radio(choices=[], visible=False)


def use_photographs(session: Session | None, paths: Sequence[str] | None) -> tuple[Session, None, str]:
    """Show a user's photographs in the map. Returns the session, the emptied field and what was left out."""
    session = session or Session()
    if not paths:
        return replace(session, gallery=None), None, "The map shows the synthetic faces."
    names = [str(getattr(path, "orig_name", None) or path).rsplit("/", 1)[-1] for path in paths]
    gallery, refused = uploads.own_gallery(paths, names, recognisers())
    lines = [f"The map shows {len(gallery.faces)} faces of yours; the files have been deleted.", *refused]
    return replace(session, gallery=gallery), None, " ".join(lines)


def make_figure(view: View, session: Session | None, name: str) -> str:
    """Draw a figure for the tab "Download"."""
    return download.figure_links(view, *faces_of(view, session), gallery_of(session), name)


def api_compare(first: int = 0, second: int = 1, resolution: int = 16) -> dict[str, Any]:
    """Score two synthetic faces, for programs that call the app: score and threshold by method."""
    view = View(first=first, second=second, resolution=resolution)
    scores = compare.compared(view, *faces_of(view, None)).scores
    limits = {name: known.threshold(view.resolution) for name, known in calibrations().items()}
    return {name: {"score": score, "threshold": limits[name]} for name, (score,) in scores.items()}

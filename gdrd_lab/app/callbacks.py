"""The functions behind the controls: plain functions of a session and the controls' values, called by Gradio."""

import time as clock
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from gdrd_lab.app import uploads
from gdrd_lab.app.gallery import Face, Gallery, example, recognisers, synthetic_gallery
from gdrd_lab.app.html import progress
from gdrd_lab.app.methods import third
from gdrd_lab.app.notebook_cell import cell
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import Tab, View, from_text
from gdrd_lab.app.tabs import across, cam, compare, download, generate, pair_list, search
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.app.umap_job import umap_points
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.real_people import ScoreCounts

# The number of outputs of each tab, in the order of the layout.
OUTPUTS: dict[Tab, int] = {"compare": 8, "across": 3, "search": 1, "generate": 2, "cam": 4, "map": 7, "download": 3}
PAIR_TABS = {"compare": compare.show, "across": across.show, "generate": generate.before, "cam": cam.show}


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show a ``GdrdError`` of a block or function as one sentence in the app, without a traceback in the log."""
    try:
        yield
    except GdrdError as error:
        raise gr.Error(str(error), duration=12, print_exception=False) from error


def faces_of(view: View, session: Session) -> tuple[Face, Face]:
    """Return the pair: the user's uploads, and synthetic faces in place of missing ones."""
    own = session.faces
    return own.get(0) or example(view.first), own.get(1) or example(view.second)


def gallery_of(session: Session) -> Gallery:
    """Return the user's own gallery, or the synthetic one."""
    return session.gallery or synthetic_gallery()


def tab_content(view: View, session: Session) -> tuple[str, ...]:
    """Return the content of the open tab; super-resolution and figures that were made for it are shown again."""
    if view.tab in PAIR_TABS:
        made = session.result(view.tab, made_for(view, session))
        return made or PAIR_TABS[view.tab](view, *faces_of(view, session))
    gallery, there = gallery_of(session), mapped(view, session)
    if view.tab == "search":
        return search.show(view, faces_of(view, session)[0], gallery)
    if view.tab == "map":
        waiting = there != view and (session.progress or map_tab.waiting_html())
        return *map_tab.show(there, gallery, session.times), waiting or ""
    cell_text, figure = code(view, session, session.cell_of), session.result(view.tab, made_for(view, session))
    return download.state_links(replace(there, tab=session.origin), gallery), cell_text, figure or ""


def made_for(view: View, session: Session) -> tuple[Any, ...]:
    """Return what super-resolution or a figure depends on: each is shown only while this stays the same."""
    pair = faces_of(view, session)
    if view.tab == "generate":
        return *generate.chosen(view, *pair), view.degradation, view.steps, view.noise_seed
    return *pair, gallery_of(session), mapped(view, session)


def mapped(view: View, session: Session) -> View:
    """Return the view with a map that is made: its own, else the one shown last, else PCA."""
    gallery = gallery_of(session)
    if not gallery.missing(view.method, view.map_seed):
        session.projection = view.method, view.map_seed
    elif gallery.missing(*session.projection):
        session.projection = "PCA", 0
    method, seed = session.projection
    return replace(view, method=method, map_seed=seed)


def refresh(session: Session, time: float, settings: Mapping[str, Any]) -> list[Any]:
    """Return the outputs of every tab, and the query of the view for the address bar.

    The open tab has new content. The others do not change, and nothing does if the content is stale.
    """
    view, number = session.update(time, settings)
    content, fresh = tab_content(view, session), session.changes == number
    unchanged: dict[Tab, Any] = {tab: [gr.skip()] * count for tab, count in OUTPUTS.items()}
    shown = {view.tab: content} if fresh else {}
    return [*chain(*(unchanged | shown).values()), view.to_query() if fresh else gr.skip()]


def code(view: View, session: Session, tab: Tab) -> str:
    """Return the notebook cell of a tab."""
    return cell(replace(view, tab=tab), session.photographs, session.gallery is not None)


def show_code(session: Session, tab: Tab) -> str:
    """Return the notebook cell of the chosen tab, which stays the chosen one."""
    session.cell_of = tab
    return code(session.view, session, tab)


def open_view(session: Session, time: float, text: str | None, ready: bool = True) -> tuple[View, set[str]]:
    """Open a saved view; return it and the settings to leave: what the user changed before the page was ready."""
    view, default, now = from_text(text), asdict(View()), asdict(session.view)
    third(view.third)  # which another app may not have
    left = {name for name in default if not ready and (not text or now[name] != default[name])}
    latest, changed = max(time, *session.times.values(), 0), {"tab", "chosen", "selected"} - left
    session.update(latest, {name: getattr(view, name) for name in changed})
    return view, left


def generate_faces(session: Session, time: float, settings: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield super-resolution step by step; the end of the steps is the content of the tab, whatever was changed."""
    with errors_shown():
        view, _ = session.update(time, {**settings, "tab": "generate"})
        key = made_for(view, session)
        yield generate.before(view, *faces_of(view, session))
        for content in generate.show(view, *faces_of(view, session)):
            now = replace(session.view, tab="generate")
            if made_for(now, session) != key:
                yield tab_content(now, session)
                return
            session.results["generate"] = key, content
            yield content


def make_figure(session: Session, time: float, settings: Mapping[str, Any], name: str) -> str:
    """Draw a figure for the tab "Download"; "" if something was changed meanwhile."""
    view, _ = session.update(time, {**settings, "tab": "download"})
    key = made_for(view, session)
    figure = download.figure_links(mapped(view, session), *faces_of(view, session), gallery_of(session), name)
    session.results["download"] = key, figure
    return figure if made_for(replace(session.view, tab="download"), session) == key else ""


def show_pair(session: Session, time: float, first: int, second: int, resolution: int) -> None:
    """Show two synthetic faces at a resolution and the usual false match rate, in the place of uploads."""
    session.update(time, {"first": first, "second": second, "resolution": resolution, "rate": View().rate})
    for slot in (0, 1):
        session.put(slot, None)


def part(session: Session, time: float, settings: Mapping[str, Any]) -> Any:
    """Return the resolution at which teacher and student first disagree; the present one, and a message, if none.

    A slider that was moved meanwhile stays where it is.
    """
    view, _ = session.update(time, settings)
    found = compare.parting(view, *faces_of(view, session))
    if found is None:
        gr.Info("Teacher and student agree about this pair at every calibrated resolution.", duration=8)
    return gr.skip() if session.view.resolution != view.resolution else found or view.resolution


def upload(slot: int, session: Session, file: Mapping[str, Any] | None) -> tuple[Session, None, str, Any]:
    """Use an upload. Returns the session, the emptied field, the photograph with its faces framed, and the picker."""
    if file is not None:
        uploads.add_upload(session, slot, file["path"])
    return session, None, uploads.found_html(session, slot), _picker(session, slot)


def pick(slot: int, session: Session, number: int | None) -> str:
    """Use another face of the photograph."""
    if number is not None and slot in session.photographs:
        session.pick(slot, int(number))
    return uploads.found_html(session, slot)


def remove(slot: int, session: Session) -> tuple[str, Any]:
    """Go back to the synthetic face."""
    session.put(slot, None)
    return "", _picker(session, slot)


def _picker(session: Session, slot: int) -> Any:
    photograph = session.photographs.get(slot)
    numbers = [number + 1 for number in photograph.numbers] if photograph else []
    chosen = numbers[photograph.picked] if photograph and numbers else None
    return gr.Radio(choices=numbers, value=chosen, visible=len(numbers) > 1)


def _places(files: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the paths of uploaded files, and the names that the user gave them."""
    names = [Path(str(file.get("orig_name") or file["path"])).name for file in files]
    return [str(file["path"]) for file in files], names


def use_photographs(session: Session, files: Sequence[Mapping[str, Any]] | None) -> Iterator[tuple[Any, ...]]:
    """Show a user's photographs in the map. Yields the session, the emptied field, the progress, and the gallery."""
    if not files:
        session.put("gallery", None)
        yield session, None, "The map shows the synthetic faces.", map_tab.gallery_html(gallery_of(session))
        return
    ticket = session.ticket("gallery")
    steps = uploads.own_gallery(*_places(files), recognisers())
    with errors_shown(), closing(steps):
        for shown, gallery in steps:
            if session.tickets["gallery"] != ticket:
                return
            if gallery:
                session.put("gallery", gallery, ticket)
            yield session, None, shown, map_tab.gallery_html(gallery) if gallery else gr.skip()


def make_maps(session: Session) -> Iterator[str]:
    """Make the maps that the session waits for in a process; yield the progress. Stop when other maps are wanted."""
    try:
        with errors_shown():
            while True:
                gallery = gallery_of(session)
                if not (missing := gallery.missing(session.view.method, session.view.map_seed)):
                    break
                yield from _make(session, gallery, missing)
    finally:
        session.progress = ""
    yield ""


def _make(session: Session, gallery: Gallery, missing: Mapping[Any, np.ndarray]) -> Iterator[str]:
    keys, started, count = list(missing), clock.monotonic(), len(missing)
    with closing(umap_points([(table, seed) for (_, _, seed), table in missing.items()])) as points:
        for made in points:
            if made is not None:
                gallery.maps[keys.pop(0)] = made
            wanted = gallery.missing(session.view.method, session.view.map_seed)
            if gallery_of(session) is not gallery or list(wanted) != keys:
                return
            said = f"UMAP: {count - len(keys)} of {count} maps made, {clock.monotonic() - started:.0f} s so far"
            session.progress = progress(1 - len(keys) / count, "UMAP", said)
            yield session.progress


def cancel_maps(session: Session, time: float) -> tuple[str, int, str]:
    """Go back to the map that is shown: return its method and seed, and the empty progress."""
    method, seed = session.projection
    session.update(time, {"method": method, "map_seed": seed})
    return method, seed, ""


def score_list(session: Session, files: Sequence[Mapping[str, Any]]) -> str:
    """Score an uploaded list of pairs."""
    return pair_list.scored(session.view, *_places(files))


def compare_photographs(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None, resolution: float = 16
) -> dict[str, Any]:
    """Score two photographs of faces at a resolution: score, threshold and likelihood ratio of each method.

    The threshold has a false match rate of 1 percent among pairs of strangers. The files are deleted.
    """
    given = [str(file["path"]) for file in (first, second) if file]
    try:
        view = View(resolution=resolution)  # type: ignore[arg-type]
        if len(given) < 2:
            raise GdrdError("A photograph is missing", "Give two image files")
        pair = [uploads.one_at_a_time(uploads.uploaded_face, path) for path in given]
    finally:
        for path in given:
            uploads.forget(path)
    return {"resolution": view.resolution, "false match rate": view.far, **_answer(view, *pair)}


def compare_examples(first: int = 0, second: int = 1, resolution: int = 16) -> dict[str, Any]:
    """Score two synthetic faces, for programs that call the app: score and threshold by method."""
    view = View(first=first, second=second, resolution=resolution)
    return _answer(view, *faces_of(view, Session()))


def _answer(view: View, first: Face, second: Face) -> dict[str, Any]:
    """Return score and threshold by method, and the likelihood ratio where real people are known."""
    known: Mapping[str, Any] = compare.known_pairs(view, first, second)
    found: dict[str, Any] = {}
    for name, (score,) in compare.compared(view, first, second).scores.items():
        found[name] = {"score": score, "threshold": known[name].threshold(view.resolution, view.far)}
        if isinstance(pairs := known[name], ScoreCounts):
            ratio = pairs.likelihood_ratio(view.resolution, score)
            found[name]["likelihood ratio"] = dict(zip(("value", "low", "high"), ratio, strict=True))
    return found

"""The state of one user: nothing is lost or shown stale, whichever of a page's events is the slower one."""

import copy
import gc
import io
import itertools
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from gdrd_lab.app import callbacks, uploads
from gdrd_lab.app.gallery import example, examples
from gdrd_lab.app.session import Photograph, Session
from gdrd_lab.app.state import View, typed
from gdrd_lab.app.tabs import compare as compare_tab
from gdrd_lab.errors import GdrdError


def photograph(folder: Path, name: str, number: int, side: int) -> dict[str, Any]:
    """Write a photograph of a synthetic face; return it as Gradio gives an upload."""
    file = io.BytesIO()
    Image.fromarray(examples()[number]).resize((side, side)).save(file, "PNG")
    (folder / name).write_bytes(file.getvalue())
    return {"path": str(folder / name)}


def together(actions: list[Callable[[], Any]], delays: list[float]) -> None:
    """Run actions in threads, each after its delay."""
    failures: list[BaseException] = []

    def run(action: Callable[[], Any], delay: float) -> None:
        time.sleep(delay)
        try:
            action()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(actions, delays, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_uploads_and_a_slider_in_every_order_twenty_times(tmp_path: Path) -> None:
    orders = list(itertools.islice(itertools.cycle(itertools.permutations(range(3))), 20))
    for turn, order in enumerate(orders):
        session, shown = Session(), dict[int, list[Any]]()
        # The size of the slower upload differs, so that either one ends last.
        large = photograph(tmp_path, "large.png", 12, (900, 300)[turn % 2])
        small = photograph(tmp_path, "small.png", 33, 160)

        def act(k: int, session: Session = session, large: Any = large, small: Any = small, shown: Any = shown) -> None:
            if k < 2:
                callbacks.upload(k, session, (large, small)[k])
            shown[k] = callbacks.refresh(session, time.monotonic(), {"resolution": 32} if k == 2 else {})

        delays = [0.002 * order.index(k) for k in range(3)]
        together([lambda k=k: act(k) for k in range(3)], delays)  # type: ignore[misc]
        assert set(session.faces) == {0, 1}, (turn, order)
        assert session.view.resolution == 32
        for slot, face in session.faces.items():
            assert np.corrcoef(face.image.ravel(), examples()[(12, 33)[slot]].ravel())[0, 1] > 0.8
        # The last answer that is not stale shows both uploads at the new size; every older one changes nothing.
        drawn = [out[1] + out[2] for out in shown.values() if isinstance(out[0], str)]
        assert drawn[-1].count(": your photograph</h2>") == 2 and "at 32 x 32 pixels" in drawn[-1]


def test_the_same_slot_keeps_the_newest_upload_however_long_an_older_one_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older one waits for its turn to be read until the newer one is in use."""
    session, read, go_on = Session(), threading.Event(), threading.Event()
    in_turn = uploads.one_at_a_time

    def slow(function: Any, path: str) -> Any:
        if Path(path).name == "older.png":
            read.set()
            assert go_on.wait(30)
        return in_turn(function, path)

    monkeypatch.setattr(uploads, "one_at_a_time", slow)
    older, newer = photograph(tmp_path, "older.png", 12, 300), photograph(tmp_path, "newer.png", 33, 160)
    thread = threading.Thread(target=callbacks.upload, args=(0, session, older))
    thread.start()
    assert read.wait(30)
    callbacks.upload(0, session, newer)
    kept = session.faces[0]
    go_on.set()
    thread.join()
    assert session.faces == {0: kept}


def test_an_upload_while_the_map_is_made_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, own = Session(), uploads.own_gallery
    face = photograph(tmp_path, "face.png", 5, 160)

    def with_upload(*inputs: Any) -> Any:
        steps = own(*inputs)
        yield next(steps)
        callbacks.upload(1, session, face)  # while the map of the photographs is made
        yield from steps

    monkeypatch.setattr(uploads, "own_gallery", with_upload)
    files = [photograph(tmp_path, f"p_{k}.png", k, 112) for k in range(4)]
    list(callbacks.use_photographs(session, files))
    assert session.gallery is not None and len(session.gallery.faces) == 4 and set(session.faces) == {1}
    list(callbacks.use_photographs(session, None))
    assert session.gallery is None and set(session.faces) == {1}


def test_photographs_are_counted_and_stop_when_others_take_their_place(tmp_path: Path) -> None:
    session = Session()
    files = [photograph(tmp_path, f"anna_{k}.png", k, 112) for k in range(4)]
    for folder in (tmp_path / "b", tmp_path / "c"):
        folder.mkdir()
    more = [photograph(tmp_path / "b", f"berta_{k}.png", k + 10, 112) for k in range(4)]
    first = callbacks.use_photographs(session, files)
    assert "Reading photograph 1 of 4" in next(first)[2]
    *_, last = callbacks.use_photographs(session, more)
    assert "4 faces of yours" in last[2] and 'data-person="berta"' in last[3] and "anna" not in last[3]
    assert list(first) == [] and session.gallery is not None and session.gallery.faces.keys[0] == "berta_0.png"
    few = callbacks.use_photographs(session, [photograph(tmp_path / "c", "anna_1.png", 3, 112)])
    with pytest.raises(Exception, match="Only 1 of 1 files can be used"):
        list(few)
    assert session.gallery.faces.keys[0] == "berta_0.png"


def test_nothing_of_a_removed_upload_stays(tmp_path: Path) -> None:
    session = Session()
    callbacks.upload(0, session, photograph(tmp_path, "face.png", 5, 160))
    face = weakref.ref(session.faces[0])
    *_, last = callbacks.generate_faces(session, 1.0, {"steps": 1})
    assert "Step 1 of 1" in last[0]
    callbacks.remove(0, session)
    gc.collect()
    assert face() is None


def test_a_removed_upload_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, find = Session(), uploads.find_faces

    def removed(image: np.ndarray) -> Photograph:
        callbacks.remove(0, session)
        return find(image)

    monkeypatch.setattr(uploads, "find_faces", removed)
    callbacks.upload(0, session, photograph(tmp_path, "face.png", 5, 160))
    assert session.faces == {}


def test_a_slider_that_moves_while_a_tab_opens_is_drawn_in_that_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    session, show = Session(), callbacks.PAIR_TABS["across"]
    later: list[Any] = []

    def moved(view: View, *faces: Any) -> tuple[str, ...]:
        if not later:
            later.append(None)
            later[0] = callbacks.refresh(session, 2.0, {"resolution": 20})
        return show(view, *faces)

    monkeypatch.setitem(callbacks.PAIR_TABS, "across", moved)  # type: ignore[arg-type]
    opened = callbacks.refresh(session, 1.0, {"resolution": 16, "tab": "across"})
    assert not [item for item in opened if isinstance(item, str)], "the older answer is stale"
    assert sum(isinstance(item, str) for item in later[0]) == callbacks.OUTPUTS["across"] + 1  # and the address
    assert session.view == View(tab="across", resolution=20)


def test_the_newest_setting_stays_in_whatever_order_events_arrive() -> None:
    events: list[tuple[float, dict[str, Any]]] = [
        (1.0, {"tab": "map", "resolution": 16, "blur": 0.0}),
        (2.0, {"resolution": 20, "blur": 0.0}),
        (3.0, {"tab": "cam", "resolution": 20, "blur": 1.5}),
    ]
    for order in itertools.permutations(events):
        session = Session()
        for moment, settings in order:
            session.update(moment, settings)
        assert session.view == View(tab="cam", resolution=20, blur=1.5)
    with pytest.raises(GdrdError):
        session.update(4.0, {"resolution": 5000, "blur": 2.0})
    assert session.view.blur == 1.5


def test_super_resolution_ends_at_the_size_of_the_slider_and_is_kept_for_it() -> None:
    session, settings = Session(), {"resolution": 16, "steps": 3}
    steps = callbacks.generate_faces(session, 1.0, settings)
    assert "Press Generate" in next(steps)[0] and "Step 1 of 3" in next(steps)[0]
    callbacks.refresh(session, 2.0, {"resolution": 20})
    *_, last = steps
    assert "input, 20 px" in last[0] and "Step" not in last[0]
    *_, done = callbacks.generate_faces(session, 3.0, {"resolution": 20})
    assert "Step 3 of 3" in done[0]
    callbacks.refresh(session, 4.0, {"tab": "compare"})
    place = sum(callbacks.OUTPUTS[tab] for tab in ("compare", "across", "search"))  # type: ignore[index]
    again = callbacks.refresh(session, 5.0, {"tab": "generate"})
    assert tuple(again[place : place + 2]) == done
    assert "Press Generate" in callbacks.refresh(session, 6.0, {"resolution": 22})[place]


def test_a_figure_is_kept_until_something_changes() -> None:
    session = Session()
    figure = callbacks.make_figure(session, 1.0, {}, "Inputs across resolutions")
    assert callbacks.refresh(session, 2.0, {"tab": "download"})[-2] == figure != ""
    assert callbacks.refresh(session, 3.0, {"resolution": 20})[-2] == ""


def test_the_notebook_cell_stays_that_of_the_chosen_tab() -> None:
    session = Session()
    shown = callbacks.show_code(session, "map")
    session.update(1.0, {"tab": "download"})
    assert callbacks.tab_content(session.view, session)[1] == shown and "umap_map" in shown


def test_a_link_leaves_what_was_changed_before_the_page_was_ready() -> None:
    link = View(tab="map", resolution=24, blur=1.0, chosen=7)
    session = Session()
    session.update(5.0, asdict(View(resolution=32)))  # the slider was moved, and sent with all other settings
    assert callbacks.open_view(session, 1.0, link.to_json(), ready=False) == (link, {"resolution"})
    assert (session.view.tab, session.view.chosen, session.view.resolution) == ("map", 7, 32)
    opened = Session()
    opened.update(2.0, {"tab": "cam"})
    assert callbacks.open_view(opened, 1.0, link.to_json(), ready=False) == (link, {"tab"})
    assert opened.view.tab == "cam" and opened.view.chosen == 7
    assert callbacks.open_view(opened, 1.0, None, ready=False)[1] == set(asdict(View()))
    assert callbacks.open_view(opened, 3.0, link.to_json()) == (link, set()) and opened.view.tab == "map"


def test_users_start_with_a_session_of_their_own() -> None:
    mine = Session()
    mine.put(0, None)
    other = copy.deepcopy(mine)
    assert other.uploads == {} and other.lock is not mine.lock


@pytest.mark.parametrize(
    ("name", "value", "used"),
    [
        ("resolution", 5000, 112), ("resolution", None, 6), ("resolution", 16.4, 16), ("seed", -3, 0),
        ("map_seed", 12, 9), ("illumination", None, 0), ("blur", 99, 6), ("blur", 1.25, 1.25), ("seed", None, 0),
        ("slow", True, True), ("method", "UMAP", "UMAP"), ("seed", "3", "3"), ("seed", float("inf"), 9999),
        ("seed", float("nan"), 0),
    ],
)  # fmt: skip
def test_typed_numbers_move_into_their_range(name: str, value: Any, used: Any) -> None:
    assert typed(name, value) == used


def test_more_faces_than_are_offered_keep_the_largest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FACES", 2)
    wide = Image.new("RGB", (900, 320), "grey")
    for place, number, side in ((10, 0, 200), (250, 3, 280), (560, 5, 300)):
        wide.paste(Image.fromarray(examples()[number]).resize((side, side)), (place, 10))
    wide.save(tmp_path / "three.png")
    session = Session()
    _, _, shown, _ = callbacks.upload(0, session, {"path": str(tmp_path / "three.png")})
    kept = session.photographs[0]
    assert kept.numbers == (1, 2) and kept.left_out == 1
    assert "The 2 largest faces are shown" in shown and "1 more are not shown" in shown and ">2</span>" in shown
    with pytest.raises(GdrdError, match=r"no face 1. Choose 2, 3"):
        callbacks.pick(0, session, 1)
    callbacks.pick(0, session, 3)
    assert session.faces[0] is kept.faces[1]


def test_an_example_pair_takes_the_place_of_uploads(tmp_path: Path) -> None:
    session = Session()
    for slot in (0, 1):
        callbacks.upload(slot, session, photograph(tmp_path, "face.png", 5, 160))
    session.update(0.5, {"rate": "1 in 10"})
    callbacks.show_pair(session, 1.0, 42, 43, 16)
    assert session.view.rate == "1 in 100"  # what is said of the examples is true of it
    assert session.faces == {} and (session.view.first, session.view.second, session.view.resolution) == (42, 43, 16)


def test_where_they_part_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(callbacks.gr, "Info", lambda text, duration: told.append(text))
    found = callbacks.part(Session(), 1.0, {"first": 0, "second": 1, "resolution": 64})
    assert found == compare_tab.parting(View(first=0, second=1, resolution=64), example(0), example(1)) and told == []
    assert callbacks.part(Session(), 1.0, {"first": 0, "second": 0, "resolution": 64}) == 64
    assert told == ["Teacher and student agree about this pair at every calibrated resolution."]


def test_a_slider_that_moves_while_the_place_is_searched_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()

    def moved(*given: Any) -> int:
        session.update(2.0, {"resolution": 40})
        return 8

    monkeypatch.setattr(compare_tab, "parting", moved)
    assert callbacks.part(session, 1.0, {"resolution": 64}) == gr.skip() and session.view.resolution == 40


def test_the_marks_of_the_map_say_when_the_page_sent_them() -> None:
    session = Session()
    session.update(2.5, {"tab": "map", "selected": (4,)})
    session.update(7.0, {"chosen": 3})
    marks = callbacks.tab_content(session.view, session)[-2]
    assert 'data-selected="4" data-chosen-at="7.0" data-selected-at="2.5"' in marks


def test_the_link_opens_the_tab_before_download_and_the_address_follows_the_view() -> None:
    session = Session()
    for moment, tab in enumerate(("map", "download"), 1):
        out = callbacks.refresh(session, moment, {"tab": tab, "resolution": 24})
        assert out[-1] == View(tab=tab, resolution=24).to_query()  # type: ignore[arg-type]
    links = callbacks.tab_content(session.view, session)[0]
    assert escape(View(tab="map", resolution=24).to_query()) in links and 'open the tab "map"' in links

"""The tab "Embedding map": its headline, legend and labels, and UMAP in a process of its own."""

import json
import multiprocessing
import re
from dataclasses import replace

import numpy as np
import pytest

from gdrd_lab.analysis.projection import umap_map
from gdrd_lab.app import callbacks
from gdrd_lab.app.gallery import Gallery, synthetic_gallery
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.app.umap_job import umap_points
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS


def first(count: int, labels: list[int] | None = None) -> Gallery:
    """The first faces of the synthetic gallery, as a gallery of a user."""
    whole = synthetic_gallery()
    names = np.array(labels or whole.faces.labels[:count])
    known = {
        name: replace(item, embeddings=item.embeddings[:, :count], labels=names) for name, item in whole.known.items()
    }
    return Gallery(ArrayFaces(whole.faces.images[:count], names), known)


def text_of(html: str) -> str:
    return re.sub("<[^>]+>", "", html)


def test_the_headline_is_the_number_of_errors_at_the_size_of_the_slider() -> None:
    whole, said = synthetic_gallery(), set()
    for gallery in (whole, first(9)):
        for size in (6, 8, 16, 112):
            labels, wrong = gallery.faces.labels, []
            for known in gallery.known.values():
                scores = known.embeddings[RESOLUTIONS.index(size)] @ known.embeddings[-1].T
                np.fill_diagonal(scores, -1)
                wrong.append(int((labels[scores.argmax(1)] != labels).sum()))
            headline = text_of(map_tab.show(View(tab="map", resolution=size), gallery)[0])
            assert headline.startswith(f"Wrong at {size} px: SFace {wrong[0]}, student {wrong[1]} of {len(labels)}.")
            said.add(headline)
    assert len(said) == 8
    assert "16 px is the calibrated" in map_tab.headline_html(View(resolution=18), whole)
    assert "Errors cannot be counted" in map_tab.headline_html(View(), first(6, [-1] * 6))


def test_error_groups_and_people_are_named_in_the_legend() -> None:
    gallery = synthetic_gallery()
    view = View(tab="map", colour="error", resolution=8, chosen=7)
    wrong = int((gallery.errors("SFace", 8) == 1).sum())
    plot = json.loads(map_tab.show(view, gallery)[1])
    named = {line["name"]: line["marker"] for line in plot["data"] if line.get("showlegend", True)}
    assert plot["layout"]["showlegend"]
    assert {f"right person first ({60 - wrong})", f"wrong person first ({wrong})"} < set(named)
    place = gallery.errors("SFace", 8).tolist().index(1)
    points = plot["data"][0]["marker"]
    shown = named[f"wrong person first ({wrong})"]
    assert (shown["color"], shown["symbol"]) == (points["color"][place], points["symbol"][place])
    people = replace(view, colour="identity")
    assert [line["name"] for line in json.loads(map_tab.show(people, gallery)[1])["data"][1:]] == [
        "one face across resolutions", "person 2", "19 other people, each with a colour and symbol"
    ]  # fmt: skip
    few = first(9)
    few.people = ["anna", "berta", "carla"]
    found = map_tab.map_points(people, few, "SFace")
    assert map_tab.legend(people, few, found) == {0: "anna", 1: "berta", 2: "carla"}


def test_the_scale_of_resolutions_is_in_pixels() -> None:
    view, gallery = View(tab="map", colour="resolution"), synthetic_gallery()
    bar = json.loads(map_tab.show(view, gallery)[1])["data"][0]["marker"]["colorbar"]
    assert bar["ticktext"] == ["8", "16", "32", "112"] and bar["title"]["text"] == "Resolution (px)"
    assert bar["tickvals"] == pytest.approx([3, 4, 5, np.log2(112)])
    scale = map_tab.figure(view, gallery, 0).axes[1]
    assert [label.get_text() for label in scale.get_yticklabels()] == ["8", "16", "32", "112"]


def test_labels_of_the_path_do_not_cover_each_other() -> None:
    gallery, counts = synthetic_gallery(), []
    points = gallery.map("student", "PCA", 0)
    for face in range(60):
        path = points[:, face]
        names = map_tab.path_names(path, RESOLUTIONS, (6, 112, 16), points[3])
        scale = max(np.ptp(np.concatenate([points[3], path]), axis=0) / map_tab.PLOT)
        shown = [k for k, name in enumerate(names) if name]
        assert names[0] == "6 px"
        for a in shown:
            for b in shown:
                assert a == b or (np.abs(path[a] - path[b]) / scale >= map_tab.LABEL).any()
        counts.append(len(shown))
    assert min(counts) < len(RESOLUTIONS) and max(counts) >= 4
    same = map_tab.path_names(np.zeros((3, 2)), (6, 16, 112), (6,), np.zeros((2, 2)))
    assert same == ["6 px", "", ""]


def test_the_gallery_is_a_list_box_that_the_marks_describe() -> None:
    gallery = synthetic_gallery()
    html = map_tab.gallery_html(gallery)
    assert html.count('role="option"') == 60 and 'aria-multiselectable="true"' in html
    assert 'data-face="7" data-person="person 2"' in html
    marks = map_tab.show(View(tab="map", chosen=3, selected=(3, 40)), gallery)[-1]
    since = 'data-chosen-at="0" data-selected-at="0"'
    assert marks == f'<h2 data-chosen="3" data-selected="3 40" {since}>2 selected of 60 faces</h2>'


def test_a_map_of_the_process_is_that_of_this_process() -> None:
    embeddings = first(6).known["student"].embeddings.reshape(48, -1)
    *_, points = umap_points([(embeddings, 3)])
    assert points is not None and np.allclose(points, umap_map(embeddings, 3).points, atol=1e-4)
    with pytest.raises(GdrdError, match="UMAP could not map"):
        list(umap_points([(embeddings[:2], 0)]))
    assert multiprocessing.active_children() == []


def test_a_cancelled_umap_leaves_the_map_as_it_was() -> None:
    session = Session()
    session.put("gallery", first(6))
    before = callbacks.refresh(session, 1.0, {"tab": "map", "method": "PCA", "map_seed": 4})
    waits = callbacks.refresh(session, 2.0, {"method": "UMAP"})
    changed = [a for a, b in zip(before, waits, strict=True) if isinstance(a, str) and a != b]
    assert changed == ["", before[-1]], "only the progress, and the address"
    steps = callbacks.make_maps(session)
    assert "UMAP: 0 of 4 maps made" in next(steps)
    assert multiprocessing.active_children() != []
    assert "of 4 maps made" in "".join(str(item) for item in callbacks.refresh(session, 3.0, {"resolution": 16}))
    assert callbacks.cancel_maps(session, 4.0) == ("PCA", 4, "")
    assert list(steps) == [""] and multiprocessing.active_children() == [] and session.progress == ""
    assert callbacks.refresh(session, 5.0, {}) == before
    steps = callbacks.make_maps(session)
    assert list(steps) == [""]


def test_a_page_that_is_closed_ends_the_process() -> None:
    session = Session()
    session.put("gallery", first(6))
    session.update(1.0, {"tab": "map", "method": "UMAP"})
    steps = callbacks.make_maps(session)
    next(steps)
    steps.close()  # as Gradio does
    assert multiprocessing.active_children() == [] and session.progress == ""


def test_made_maps_are_shown_and_the_process_follows_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    session, gallery = Session(), first(6)
    session.put("gallery", gallery)
    session.update(1.0, {"tab": "map", "method": "UMAP"})

    def points(tasks: object) -> object:
        for number, (table, seed) in enumerate(tasks):  # type: ignore[var-annotated, arg-type]
            if seed == 1 and number == 1:
                session.update(2.0, {"map_seed": 5})  # while the second map is made
            yield None
            yield np.full((len(table), 2), float(seed)) + np.arange(2 * len(table)).reshape(-1, 2)

    monkeypatch.setattr(callbacks, "umap_points", points)
    *said, last = callbacks.make_maps(session)
    assert last == "" and "UMAP: 1 of 4" in said[1] and "UMAP: 4 of 4" not in said[1]
    assert gallery.missing("UMAP", 5) == {} and ("student", "UMAP", 0) not in gallery.maps
    shown = callbacks.tab_content(session.view, session)
    assert "UMAP map of 6" in shown[1] and shown[-1] == "" and session.projection == ("UMAP", 5)

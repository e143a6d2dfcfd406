"""Search, lists of pairs, the call with two photographs, and the measured curve: against the package's own numbers."""

import base64
import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gdrd_lab.app import callbacks
from gdrd_lab.app.extras import lfw_curves
from gdrd_lab.app.gallery import Face, Gallery, calibrations, example, examples, recognisers, synthetic_gallery
from gdrd_lab.app.notebook_cell import cell
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs import search
from gdrd_lab.app.uploads import uploaded_face
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import Calibration
from gdrd_lab.evaluation.compare import compare, embed_reduced
from gdrd_lab.evaluation.real_people import real_people

VIEW = View(tab="search", resolution=16, first=4)


@pytest.fixture
def arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that uploads arrive in."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


def put(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    (folder / name).write_bytes(content)
    return {"path": str(folder / name), "orig_name": name}


def face_file(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(examples()[number]).resize((160, 160)).save(file, "PNG")
    return file.getvalue()


def test_a_small_face_is_ranked_against_the_sharp_ones() -> None:
    (html,) = callbacks.tab_content(VIEW, Session())
    labels = examples().labels
    for recogniser in recognisers():
        probe = embed_reduced(examples()[4], recogniser, VIEW.degradation, VIEW.seeds[0])
        scores = calibrations()[recogniser.name].embeddings[-1] @ probe
        scores[4] = -2  # the probe's own photograph is not in the gallery
        order = np.argsort(-scores)
        found = search.ranked(VIEW, example(4), synthetic_gallery(), recogniser)
        assert [k for k, _ in found] == order[:-1].tolist() and found[0][1] == pytest.approx(scores.max(), abs=1e-5)
        place = 1 + int(np.argmax(labels[order] == labels[4]))
        assert f"{recogniser.name}: the right person is at rank {place} of 59" in html
        top = ", same person" if labels[order[0]] == labels[4] else ""
        assert f'alt="1. {examples().keys[order[0]]}: {scores.max():.2f}{top}"' in html
    assert html.count("marked") == html.count(", same person") // 2 > 0  # in the caption and the alternative text
    assert "not in this gallery" not in html


def test_a_photograph_is_nobody_of_the_synthetic_gallery_and_perhaps_somebody_of_an_own_one() -> None:
    photograph = Face(examples()[4].copy(), "your photograph")
    (html,) = search.show(VIEW, photograph, synthetic_gallery())
    assert "not in this gallery" in html and "same person" not in html and f" of {len(examples())}" not in html
    few = ArrayFaces(examples().images[:12], examples().labels[:12], examples().keys[:12], "your photographs")
    known = {k: Calibration(c.resolutions, c.embeddings[:, :12], c.labels[:12]) for k, c in calibrations().items()}
    own = Gallery(few, known)
    (html,) = search.show(VIEW, photograph, own)
    assert "not in this gallery" not in html and "same person" not in html
    assert "not in this gallery" in search.show(VIEW, example(4), own)[0]


def test_the_cell_gives_the_ranks() -> None:
    scope: dict[str, Any] = {}
    exec(cell(VIEW), scope)
    for recogniser in recognisers():
        (best, score), *_ = search.ranked(VIEW, example(4), synthetic_gallery(), recogniser)
        shown = np.array(scope["result"][recogniser.name])
        assert shown[best] == pytest.approx(score, abs=2e-3) and shown.argmax() == 4  # the cell keeps the probe itself
    assert 'load_dataset("photographs"' in cell(VIEW, {}, own_gallery=True)


def test_a_list_of_pairs_is_scored_and_every_file_is_deleted(arrived: Path) -> None:
    lines = b"a.png,b.png\nb.png,missing.png\na.png,blank.png\n"
    blank = io.BytesIO()
    Image.new("RGB", (200, 200)).save(blank, "PNG")
    contents = {"pairs.CSV": lines, "a.png": face_file(12), "b.png": face_file(33), "blank.png": blank.getvalue()}
    files = [put(arrived, name, content) for name, content in contents.items()]
    kept = [uploaded_face(put(arrived, "copy.png", face_file(k))["path"]) for k in (12, 33)]
    session = Session()
    session.update(1.0, {"resolution": 24})
    html = callbacks.score_list(session, files)
    assert list(arrived.iterdir()) == []
    link = re.search(r'href="data:text/csv;base64,([^"]+)"', html)
    assert link is not None
    header, *rows = csv.reader(base64.b64decode(link[1]).decode().splitlines())
    assert header == ["first", "second", "resolution", "SFace", "student", "error"]
    expected = compare(kept[0].image, kept[1].image, recognisers(), [24]).scores
    assert rows[0] == ["a.png", "b.png", "24", *(f"{score:.4f}" for (score,) in expected.values()), ""]
    assert rows[1][-1] == "missing.png: this photograph was not given" and "No face" in rows[2][-1]
    assert "2 of 3 pairs have no score" in html and "missing.png: this photograph" in html


def test_a_list_without_its_csv_is_refused_and_deleted(arrived: Path) -> None:
    with pytest.raises(GdrdError, match=r"Give one \.csv"):
        callbacks.score_list(Session(), [put(arrived, "a.png", face_file(0))])
    many = [put(arrived, f"{k}.png", b"") for k in range(201)] + [put(arrived, "pairs.csv", b"a,b")]
    with pytest.raises(GdrdError, match="at most 200"):
        callbacks.score_list(Session(), many)
    assert list(arrived.iterdir()) == []


def test_two_photographs_give_scores_thresholds_and_likelihood_ratios(arrived: Path) -> None:
    pair = [uploaded_face(put(arrived, "copy.png", face_file(k))["path"]).image for k in (12, 33)]
    found = callbacks.compare_photographs(*(put(arrived, f"{k}.png", face_file(k)) for k in (12, 33)), 16)
    assert list(arrived.iterdir()) == [] and found["resolution"] == 16 and found["false match rate"] == 0.01
    scores = compare(*pair, recognisers(), [16]).scores
    for recogniser in recognisers():
        known, answer = real_people(recogniser), found[recogniser.name]
        (score,) = scores[recogniser.name]
        assert known is not None and answer["score"] == pytest.approx(score, abs=1e-5)
        assert answer["threshold"] == known.threshold(16)
        assert tuple(answer["likelihood ratio"].values()) == pytest.approx(known.likelihood_ratio(16, score), rel=1e-3)
    for files, size, words in (((None,), 16, "photograph is missing"), ((), 500, "resolution cannot be '500'")):
        first = put(arrived, "first.png", face_file(12))
        with pytest.raises(GdrdError, match=words):
            callbacks.compare_photographs(first, *(files or (put(arrived, "b.png", face_file(33)),)), size)
        assert list(arrived.iterdir()) == []


def test_the_measured_curve_is_that_of_the_results() -> None:
    found = {curve.method: dict(zip(curve.resolutions, curve.values, strict=True)) for curve in lfw_curves()}
    assert list(found) == ["SFace", "student"]
    text = (Path(__file__).parents[2] / "data" / "RESULTS.md").read_text(encoding="utf-8")
    for method, values in found.items():
        assert f"{method}, LFW: {values[8]:.3f} at 8 px" in text and f"{values[16]:.3f} at 16 px" in text

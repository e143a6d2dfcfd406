"""The app's callbacks are plain functions, and the page is served."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from gdrd_lab import demo
from gdrd_lab.compare import compare, shown
from gdrd_lab.teachers.recogniser import Recogniser


def test_view_shows_both_faces_and_a_score_per_method() -> None:
    first, second, heading, rows, figure = demo.view(None, None, 0, 1, 16)
    assert first.shape == second.shape == (224, 224, 3)
    assert "16 x 16" in heading
    assert [row[0] for row in rows] == ["SFace", "student"]
    assert all(-1 <= float(row[1]) <= 1 for row in rows)
    assert figure.axes


def test_scores_do_not_depend_on_the_order_of_the_faces() -> None:
    faces = demo.examples()
    one = compare(faces[0], faces[1], demo.recognisers(), (8, 112)).scores
    two = compare(faces[1], faces[0], demo.recognisers(), (8, 112)).scores
    for name, values in one.items():
        assert np.allclose(values, two[name], atol=1e-5)
    same = compare(faces[0], faces[0], demo.recognisers(), (112,)).scores
    assert all(value[0] == pytest.approx(1, abs=1e-5) for value in same.values())


def test_sharp_genuine_pairs_score_higher_than_impostors_for_the_teacher() -> None:
    faces = demo.examples()
    teacher: Recogniser = demo.recognisers()[0]
    genuine = [compare(faces[3 * k], faces[3 * k + 1], [teacher], (112,)).scores["SFace"][0] for k in range(6)]
    impostor = [compare(faces[3 * k], faces[3 * k + 3], [teacher], (112,)).scores["SFace"][0] for k in range(6)]
    assert np.mean(genuine) > np.mean(impostor) + 0.2


def test_shown_has_as_many_pixels_as_the_resolution() -> None:
    face = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    assert len(np.unique(shown(face, 4, 224).reshape(-1, 3), axis=0)) <= 16


def test_a_photograph_without_a_face_is_answered_in_a_sentence(tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (200, 200), "white").save(blank)
    with pytest.raises(gr.Error, match="face"):
        demo.view(str(blank), None, 0, 1, 18)


def test_app_serves_the_page_on_this_machine() -> None:
    """Start `python app.py` as a user does and read its page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = Path(__file__).resolve().parent.parent / "app.py"
    process = subprocess.Popen([sys.executable, str(app), "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(240):
            assert process.poll() is None, "app.py ended by itself"
            try:
                text = urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=20).read().decode()
                break
            except urllib.error.URLError:
                time.sleep(0.5)
        else:
            pytest.fail("the page did not come within 2 minutes")
    finally:
        process.terminate()
        process.wait(20)
    assert "GDRD Lab" in text

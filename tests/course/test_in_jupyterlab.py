"""JupyterLab in real Chromium: run a notebook, lasso points on its map, see the gallery change, and move its slider.

Saved and reopened without its kernel, the notebook shows the static forms in the place of the widgets.

The map is the first widget, as in lesson 5: an earlier one would keep alive the subshell that JupyterLab writes to.
The notebook is a short one of the course's own cells, so that the test stays under a minute and a half.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from helpers.browser import running_browser

ROOT = Path(__file__).resolve().parents[2]
CELLS = [
    """
import numpy as np
from gdrd_lab.evaluation.compare import shown
from gdrd_lab.course.widgets import LassoMap, show_slider
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.plots import face_strip
faces = synthetic_faces(identities=4, per_identity=5, size=64)
random = np.random.default_rng(0)
raw = random.normal(size=(20, 8)) + 3 * np.eye(8)[faces.labels]
unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
angle = np.arange(20) * 2 * np.pi / 20
points = np.stack([np.cos(angle), np.sin(angle)], 1)
LassoMap(points, [shown(faces[k], 16, 64) for k in range(20)], faces.labels, unit, title="ring").show()
""",
    """
draw = lambda r: face_strip({f"{r} px": [shown(faces[0], r, 64)]}, title=f"at {r} px")
show_slider("resolution (px)", (64, 16, 8), draw)
print("all" + " done")
""",
]

GALLERY = "document.querySelector('.jp-OutputArea-output img.widget-image')"
LOADED = f"({GALLERY}?.complete && {GALLERY}.naturalWidth > 1)"
SELECTED = re.compile(r"^\d+ selected")

pytestmark = [
    # A browser and a server talk over pipes and sockets that close after the test's last line.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def browser() -> Iterator[Any]:
    with running_browser() as running:
        yield running


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Serve JupyterLab on a folder with the notebook; gives the notebook's address."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text.strip()) for text in CELLS])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    (tmp_path / "work").mkdir()
    nbformat.write(notebook, tmp_path / "work" / "lesson.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {
        name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    words = [
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.disable_check_xsrf=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--ServerApp.root_dir={tmp_path / 'work'}",
        "--allow-root",
    ]
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *words],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"{address}/api", timeout=1).close()
                    break
                except OSError:
                    assert server.poll() is None, (tmp_path / "log").read_text()[-1000:]
                    time.sleep(0.1)
            yield f"{address}/lab/tree/lesson.ipynb"
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:  # a kernel that is just starting keeps the server from ending
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(30)


def requested(address: str, method: str = "GET") -> Any:
    """Return the answer of the server's interface, None without one."""
    with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=120) as answer:
        return json.loads(answer.read() or "null")


def wait_for_kernel(host: str) -> None:
    """Wait until the notebook has an idle kernel: without one, Run All opens a dialog that asks for a kernel."""
    for _ in range(1200):
        if any(session["kernel"]["execution_state"] == "idle" for session in requested(f"{host}/api/sessions")):
            return
        time.sleep(0.2)
    raise AssertionError("no kernel started within four minutes")


def wait_for_saved(notebook: str) -> None:
    """Wait until the last cell's printed line is in the saved notebook."""
    for _ in range(1200):
        if requested(notebook)["content"]["cells"][-1]["outputs"][-1:]:
            return
        time.sleep(0.2)
    raise AssertionError("not saved within four minutes")


def test_run_lasso_and_see_the_gallery_change_then_slide(browser: Any, lab: str) -> None:
    outside: list[str] = []
    page = browser.new_page(viewport={"width": 1300, "height": 1500})
    page.set_default_timeout(240_000)  # of a machine that does much else
    host = re.match(r"https?://[^/]+", lab).group()
    page.on(
        "request",
        lambda r: outside.append(r.url) if not r.url.startswith((host, "data:", "blob:")) else None,
    )
    page.goto(lab)
    page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
    wait_for_kernel(host)
    page.locator("css=li.lm-MenuBar-item", has_text="Run").first.click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.get_by_text("all done", exact=True).wait_for()

    plot = page.locator(".js-plotly-plot .nsewdrag").first
    page.locator(".js-plotly-plot .scatterlayer .point").nth(19).wait_for()
    plot.scroll_into_view_if_needed()
    gallery = page.locator(".jp-OutputArea-output img.widget-image").first
    page.wait_for_function(LOADED)
    assert page.get_by_text(SELECTED).first.inner_text().startswith("8 selected")
    first_faces = gallery.get_attribute("src")
    box = plot.bounding_box()
    # Around the left half of the ring.
    corners = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98), (0.02, 0.03)]
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=12)
    page.mouse.up()
    # Text and picture come as two messages, and a picture may be drawn late: the lasso's are those that both differ.
    page.get_by_text(re.compile(r"^(?!8 )\d+ selected")).first.wait_for()
    page.wait_for_function(f"old => {LOADED} && {GALLERY}.src !== old", arg=first_faces)
    said = page.get_by_text(SELECTED).first.inner_text()
    assert 5 <= int(said.split()[0]) <= 15 and not said.startswith("8 selected"), said

    picture = page.locator(".jp-OutputArea-output img.widget-image").nth(1)
    before = picture.get_attribute("src")
    static = page.locator(".jp-RenderedImage img:visible")
    assert static.count() == 0, "a live widget hides its static form"
    page.get_by_text("at 64 px").first.wait_for()
    handle = page.locator(".noUi-handle").first
    handle.focus()
    handle.press("ArrowRight")
    page.get_by_text("at 16 px").first.wait_for()
    assert picture.get_attribute("src") != before
    assert not outside, outside
    if place := os.environ.get("GDRD_SCREENSHOT"):
        page.screenshot(path=place)

    page.keyboard.press("Control+s")
    wait_for_saved(f"{host}/api/contents/lesson.ipynb")
    page.goto("about:blank")
    for session in requested(f"{host}/api/sessions"):
        requested(f"{host}/api/sessions/{session['id']}", "DELETE")
    page.goto(lab)
    page.wait_for_function("document.querySelectorAll('.jp-RenderedImage img').length >= 3")
    page.wait_for_function("document.body.textContent.split('model not found').length == 4")
    assert static.count() == 3, "the map, its gallery, and the slider's first figure"
    assert not page.get_by_text(re.compile("model not found|Loading widget")).locator("visible=true").count()
    if place:
        page.screenshot(path=Path(place).with_stem(f"{Path(place).stem}-reopened"))

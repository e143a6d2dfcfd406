"""The camera in place of the first photograph: in Chromium with a film in place of a camera, and frame by frame."""

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.app_server import Server, running_app
from helpers.browser import running_browser
from PIL import Image

from gdrd_lab.app.gallery import example, examples
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs import live

LIMIT = 60_000  # ms; generous, for machines that do other work


def frame(number: int | None) -> bytes:
    """A frame of 640 x 480 pixels as JPEG: a synthetic face on grey, or grey alone."""
    picture, file = Image.new("RGB", (640, 480), "grey"), io.BytesIO()
    if number is not None:
        picture.paste(Image.fromarray(examples()[number]).resize((300, 300)), (170, 90))
    picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def link(content: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def test_a_frame_is_scored_like_a_photograph() -> None:
    view = View(resolution=32)
    shown = live.show(view, link(frame(12)), example(13))  # both of one person
    assert "camera at 32 x 32 pixels" in shown and "Same person? At 32 px" in shown and "<td" in shown
    face = live.frame_face(link(frame(12)))
    assert np.corrcoef(face.image.ravel(), examples()[12].ravel())[0, 1] > 0.8
    assert example(13).example == 13 and "role=" not in shown.split("<table")[0]  # no announcement for every frame


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (link(frame(None)), "No face was found in the image."),
        (link(b"words"), "The image cannot be read as an image."),
        ("words", "The frame is not a JPEG of at most 1 MB."),
        ("data:image/jpeg;base64,a", "The frame is not a JPEG of at most 1 MB."),
        ("data:image/jpeg;base64," + "A" * 1_000_004, "The frame is not a JPEG of at most 1 MB."),
    ],
)
def test_a_frame_that_cannot_be_scored_is_one_sentence(given: str, said: str) -> None:
    assert live.show(View(), given, example(1)) == f"<p>{said}</p>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium whose camera shows five seconds of a face and five without one, again and again."""
    film = tmp_path_factory.mktemp("film") / "film.mjpeg"
    film.write_bytes(frame(12) * 150 + frame(None) * 150)
    camera = (
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )  # fmt: skip
    with running_browser(*camera) as running:
        yield running


@pytest.fixture
def open_camera(server: Server, browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages at the folded camera."""
    contexts: list[Any] = []

    def opened(script: str = "", width: int = 1280) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(LIMIT)
        page.add_init_script(script)
        page.goto(server.url + "/" + View(second=13).to_query())
        page.wait_for_selector("#gdrd-inputs >> text=synthetic face 13")
        page.get_by_role("button", name="Live camera in place of the first photograph").click()
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_camera_is_scored_live_until_it_is_stopped(
    open_camera: Callable[..., Any], server: Server, width: int, tmp_path: Path
) -> None:
    page = open_camera(width=width)
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_selector("#gdrd-live-result >> text=Same person? At 16 px")
    page.wait_for_selector("#gdrd-live-result img[alt='camera at 16 x 16 pixels']")
    page.locator("#gdrd-live-result").screenshot(path=tmp_path / f"live-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="32", exact=True).click()
    page.wait_for_selector("#gdrd-live-result img[alt='camera at 32 x 32 pixels']")
    page.wait_for_selector("#gdrd-live-result >> text=No face was found in the image.")
    page.get_by_role("button", name="Stop the camera").click()
    page.wait_for_function("document.querySelector('#gdrd-live-result').hidden")
    assert not page.locator("#gdrd-live canvas").is_visible() and server.uploads() == []


BUSY = """(() => {
  const plainFetch = window.fetch;
  window.framesSent = 0;
  window.fetch = async (...all) => {
    const isFrame = String(all[0].url || all[0]).includes("queue/join") && String(all[1]?.body).includes("image/jpeg");
    if (isFrame) { window.framesSent += 1; await new Promise((resolve) => { window.answer = resolve; }); }
    return plainFetch(...all);
  };
})()"""


def test_frames_are_dropped_while_the_server_is_busy(open_camera: Callable[..., Any]) -> None:
    page = open_camera(BUSY)
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("window.framesSent === 1")
    page.wait_for_timeout(1500)  # seven more frames
    assert page.evaluate("window.framesSent") == 1
    page.evaluate("() => window.answer()")
    page.wait_for_function("window.framesSent === 2")


def test_a_camera_that_cannot_be_used_is_one_sentence(open_camera: Callable[..., Any]) -> None:
    page = open_camera("navigator.mediaDevices.getUserMedia = async () => { throw window.fault; };")
    for error, said in (
        ("new DOMException('', 'NotAllowedError')", "does not let this page use the camera"),
        ("new DOMException('', 'NotFoundError')", "The browser finds no camera."),
        ("new DOMException('', 'NotReadableError')", "Another program may use it."),
        ("new TypeError()", "only to pages of this machine and to https pages"),
    ):
        page.evaluate(f"() => {{ window.fault = {error}; }}")
        page.get_by_role("button", name="Start the camera").click()
        page.wait_for_selector(f"#gdrd-live [role=status] >> text={said}")
        assert page.get_by_role("button", name="Start the camera").is_enabled()

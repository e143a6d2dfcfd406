"""The app in a real Chromium, and called by programs: one server and one browser for the whole module."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.app_server import Server, get, running_app
from helpers.bad_uploads import bad_uploads
from helpers.browser import running_browser
from PIL import Image

from gdrd_lab.app.state import View, from_text
from gdrd_lab.app.uploads import MAX_BYTES
from gdrd_lab.evaluation.calibration import calibration_faces

LIMIT = 60_000  # ms; generous, for machines that do other work
TITLES = ["Compare", "Across resolutions", "Search", "Super-resolution", "Where it looks", "Embedding map", "Download"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running
    assert not running.folder.exists() or list(running.folder.glob("gdrd-uploads-*")) == [], "uploads were left behind"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as running:
        yield running


@pytest.fixture
def open_page(server: Server, browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages, each a user of its own; in the end no request left this machine and no script failed."""
    contexts, requests, failures = [], [], []

    def opened(query: str = "", width: int = 1280, scheme: str = "light", script: str = "") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LIMIT)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.add_init_script(script)
        page.goto(server.url + "/" + query)
        page.wait_for_selector("#gdrd-tabs")
        return page

    yield opened
    for context in contexts:
        context.close()
    outside = [url for url in requests if not url.startswith((server.url, "data:", "blob:"))]
    assert requests and outside == []
    assert failures == []


def face_file(number: int = 12, side: int = 200) -> bytes:
    file = io.BytesIO()
    Image.fromarray(calibration_faces()[number]).resize((side, side)).save(file, "PNG")
    return file.getvalue()


def go(page: Any, title: str) -> None:
    """Open a tab; on a narrow page it may be behind the menu of further tabs."""
    tab = page.get_by_role("tab", name=title, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
        return
    page.locator(".overflow-menu > button").first.click()
    page.locator(".overflow-dropdown button", has_text=title).first.click()


def give(page: Any, which: str, name: str, content: bytes) -> None:
    page.locator(f"#gdrd-file-{which} input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def type_number(page: Any, where: str, number: int) -> None:
    """Type a number, again if it is gone: Gradio gives a control its value when the part that holds it is opened."""
    field = page.locator(f"{where} input[type=number]")
    for _ in range(20):
        field.fill(str(number))
        field.press("Tab")
        page.wait_for_timeout(300)
        if field.input_value() == str(number):
            return
    raise AssertionError(f"{where} does not keep {number}")


def saved(page: Any, text: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=text).click()
    return Path(download.value.path()).read_bytes()


def test_page_opens_with_scores_and_says_what_it_must_not_be_used_for(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.wait_for_selector("#gdrd-scores table")
    text = page.inner_text("#gdrd-scores")
    assert "SFace" in text and "student" in text and "false match rate" in text
    assert "identifying, accusing, admitting or watching" in page.inner_text("#gdrd-head")
    page.wait_for_selector("#gdrd-histogram-teacher .main-svg")
    page.wait_for_function("document.querySelector('#gdrd-histogram-teacher .main-svg').innerHTML.includes('url(')")
    used = re.findall(r"url\([^)]*\)", page.inner_html("#gdrd-histogram-teacher .main-svg"))
    assert used and "http" not in "".join(used)  # hatching and clip paths survive a change of the address
    assert "score as high" in page.get_attribute("#gdrd-histogram-teacher .gdrd-chart", "aria-label")


def test_arrow_keys_and_slider_move_everything(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.wait_for_selector("#gdrd-inputs img[alt='at 16 x 16 pixels']")
    page.locator("#gdrd-head").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#gdrd-inputs img[alt='at 18 x 18 pixels']")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#gdrd-inputs img[alt='at 16 x 16 pixels']")
    slider = page.locator("#gdrd-resolution input[type=range]")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.3, 0.5, 0.7, 0.9):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    page.mouse.up()
    place = page.input_value("#gdrd-resolution input[type=number]")
    assert 76 <= int(place) <= 88  # nine tenths of the way from 6 to 112 on a logarithmic scale are 84
    assert slider.get_attribute("aria-valuetext") == f"{place} pixels"
    page.wait_for_selector(f"#gdrd-inputs img[alt='at {place} x {place} pixels']")  # the last place is the one shown
    page.get_by_role("button", name="64", exact=True).click()
    page.wait_for_selector("#gdrd-inputs img[alt='at 64 x 64 pixels']")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#gdrd-inputs img[alt='at 62 x 62 pixels']")
    assert slider.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"  # the focus is visible
    go(page, "Across resolutions")
    page.wait_for_selector("#gdrd-strip .marked img")
    page.wait_for_selector("#gdrd-curve .main-svg")


def settled(page: Any, selector: str) -> str:
    """Return a part's text once it has stayed the same for a second: the load event may draw it again."""
    before, text = "", page.inner_text(selector)
    while text != before:
        page.wait_for_timeout(1000)
        before, text = text, page.inner_text(selector)
    return text


def test_upload_is_used_and_deleted_and_nobody_else_sees_it(open_page: Callable[..., Any], server: Server) -> None:
    mine, other = open_page(), open_page()
    for page in (mine, other):
        page.wait_for_selector("#gdrd-scores table")
    before = settled(mine, "#gdrd-scores")
    give(mine, "first", "my-secret-face.png", face_file())
    mine.wait_for_selector(".gdrd-found img")
    mine.wait_for_selector("#gdrd-scores caption >> text=real people")
    assert "your photograph" in mine.inner_text("#gdrd-inputs")
    assert server.uploads() == []
    assert "my-secret-face" not in server.log.read_text()
    other.locator("#gdrd-head").click()
    other.keyboard.press("ArrowRight")
    other.wait_for_selector("#gdrd-inputs img[alt='at 18 x 18 pixels']")
    assert "your photograph" not in other.inner_text("#gdrd-inputs")
    assert "real people of CelebA" not in other.inner_text("#gdrd-scores")
    mine.locator("#gdrd-own-first").get_by_role("button", name="Remove").click()
    mine.wait_for_function("text => document.querySelector('#gdrd-scores').innerText === text", arg=before)


def test_bad_upload_is_answered_by_a_sentence_and_the_app_continues(open_page: Callable[..., Any]) -> None:
    page = open_page()
    for name, words in (
        ("words.jpg", "cannot be read as an image"),
        ("bomb.png", "too many pixels"),
        ("blank.png", "No face"),
    ):
        give(page, "first", name, bad_uploads()[name])
        page.wait_for_selector(f".toast-body >> text={words}")
    give(page, "first", "face.png", face_file())
    page.wait_for_selector(".gdrd-found img")


def test_two_uploads_and_a_slider_lose_nothing(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.wait_for_selector("#gdrd-scores table")
    give(page, "first", "large.png", face_file(12, 2000))
    page.wait_for_timeout(300)
    give(page, "second", "small.png", face_file(33, 150))
    page.locator("#gdrd-head").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelectorAll('.gdrd-found img').length === 2")
    page.wait_for_function(
        "document.querySelector('#gdrd-inputs').innerText.match(/your photograph/g)?.length === 2"
        " && document.querySelectorAll('#gdrd-inputs img[alt=\"at 18 x 18 pixels\"]').length === 2"
    )
    go(page, "Across resolutions")
    page.locator("#gdrd-head").click()
    page.keyboard.press("ArrowRight")  # while the tab opens
    page.wait_for_selector("#gdrd-curve .gdrd-chart[aria-label*=' at 20 px']")


def test_a_typed_number_and_the_pictures_agree(open_page: Callable[..., Any]) -> None:
    page = open_page(View(blur=1.0).to_query())
    page.wait_for_selector("#gdrd-scores .gdrd-notes")
    field = page.locator("#gdrd-resolution input[type=number]")
    for typed, used in (("5000", "112"), ("", "6"), ("20", "20")):
        field.fill(typed)
        field.press("Tab")
        page.wait_for_selector(f"#gdrd-inputs img[alt='at {used} x {used} pixels']")
        page.wait_for_function(f"document.querySelector('#gdrd-resolution input[type=number]').value === '{used}'")
    page.get_by_role("button", name="Degrade both faces further").click()
    field = page.locator("#gdrd-seed input")
    for typed, used in (("50000", "9999"), ("", "0")):
        field.fill(typed)
        field.press("Tab")
        page.wait_for_function(f"document.querySelector('#gdrd-seed input').value === '{used}'")
    assert page.locator(".toast-body").count() == 0


def test_super_resolution_shows_its_steps(open_page: Callable[..., Any]) -> None:
    page = open_page(View(tab="generate", steps=6, resolution=8).to_query())
    page.wait_for_selector("#gdrd-seeds img")
    page.click("#gdrd-generate")
    page.wait_for_selector("#gdrd-seeds >> text=Step 6 of 6")
    go(page, "Compare")
    page.wait_for_selector("#gdrd-inputs img[alt='at 8 x 8 pixels']")
    go(page, "Super-resolution")
    page.wait_for_selector("#gdrd-seeds >> text=Step 6 of 6")  # it did not vanish
    assert page.inner_text("#gdrd-seeds").count("identity agreement") == 5
    page.locator("#gdrd-curtain input").evaluate("e => { e.value = 80; e.dispatchEvent(new Event('input')) }")
    assert page.locator(".gdrd-curtain").evaluate("e => e.style.getPropertyValue('--cut')") == "80%"


def test_lasso_gallery_keys_and_escape(open_page: Callable[..., Any]) -> None:
    page = open_page(View(tab="map", resolution=32).to_query())
    page.wait_for_selector("#gdrd-map-teacher .main-svg")
    page.wait_for_selector("#gdrd-gallery [aria-current=true]")
    page.locator("#gdrd-map-teacher").scroll_into_view_if_needed()
    box = page.locator("#gdrd-map-teacher .nsewdrag").first.bounding_box()
    corners = [(0.02, 0.02), (0.6, 0.02), (0.98, 0.5), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)]
    for k, (x, y) in enumerate(corners):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    page.wait_for_function("/^[1-9]\\d* selected/.test(document.querySelector('#gdrd-marks').innerText)")
    page.locator("#gdrd-gallery [data-face]").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#gdrd-marks [data-chosen='1']")
    page.wait_for_selector("#gdrd-gallery [data-face='1'][aria-current=true]:focus")
    assert page.input_value("#gdrd-resolution input[type=number]") == "32"  # the arrow key left it as it was
    query = page.locator("#gdrd-gallery [data-face='1'] img").get_attribute("alt")
    page.wait_for_selector(f"#gdrd-near >> text={query} (query)")
    go(page, "Download")
    page.wait_for_selector("#gdrd-state a >> text=selected faces as CSV")
    rows = saved(page, "selected faces as CSV").decode().splitlines()
    assert 1 < len(rows) < 62 and rows[0].startswith("face,key,identity")
    page.locator("#gdrd-head").click()
    page.keyboard.press("Escape")
    page.wait_for_selector("#gdrd-state a >> text=all faces as CSV")


def selected(page: Any) -> list[int]:
    """The faces that are selected in the gallery."""
    found = page.locator("#gdrd-gallery [aria-selected=true]").all()
    return [int(face.get_attribute("data-face")) for face in found]


def test_faces_are_searched_and_selected_with_keys(open_page: Callable[..., Any]) -> None:
    page = open_page(View(tab="map", chosen=4, resolution=8).to_query())
    page.wait_for_selector("#gdrd-gallery [data-face='4'][aria-current=true][tabindex='0']")
    assert page.locator("#gdrd-gallery [tabindex='0']").count() == 1
    page.wait_for_selector("#gdrd-wrong >> text=/^Wrong at 8 px: SFace \\d+, student \\d+ of 60/")
    page.locator("#gdrd-gallery [data-face='4']").focus()
    for key in ("Space", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    assert selected(page) == [4, 5, 6]
    page.wait_for_selector("#gdrd-marks [data-selected='4 5 6']")
    page.keyboard.press("Space")
    page.wait_for_selector("#gdrd-marks [data-selected='4 5']")
    assert selected(page) == [4, 5] and page.locator("#gdrd-marks [data-chosen='4']").count() == 1
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/queue/join" in request.url else None)
    page.locator("#gdrd-gallery [data-face='4']").focus()
    for _ in range(20):  # held: the second and later ones are repeats
        page.keyboard.down("ArrowRight")
    page.keyboard.up("ArrowRight")
    page.wait_for_selector("#gdrd-marks [data-chosen='24']")
    page.wait_for_selector("#gdrd-gallery [data-face='24'][aria-current=true]:focus")
    assert len(sent) < 8
    page.fill("#gdrd-gallery input", "person 3")
    page.wait_for_selector("#gdrd-gallery >> text=3 of 60 found")
    shown = page.locator("#gdrd-gallery [data-face]:visible")
    assert [face.get_attribute("data-face") for face in shown.all()] == ["9", "10", "11"]
    page.locator("#gdrd-gallery input").press("Enter")
    page.wait_for_selector("#gdrd-marks [data-selected='9 10 11']")
    page.fill("#gdrd-gallery input", "")
    assert shown.count() == 60


# Answers wait while window.held does. window.ended: the server has answered everything. window.joined: events sent.
HELD_ANSWERS = """(() => {
  const plainFetch = window.fetch;
  window.joined = 0;
  window.fetch = async (...all) => {
    const answer = await plainFetch(...all);
    const path = String(all[0].url || all[0]);
    if (path.includes("queue/join")) window.joined += 1;
    if (!path.includes("queue/data")) return answer;
    const [seen, read] = answer.body.tee();
    window.ended = false;
    seen.pipeTo(new WritableStream()).catch(() => {}).then(() => { window.ended = true; });
    const hold = async (chunk, out) => { await window.held; out.enqueue(chunk); };
    return new Response(read.pipeThrough(new TransformStream({ transform: hold })), answer);
  };
})()"""
FEWEST = """() => {
  window.fewest = 60;
  const count = () => {
    window.fewest = Math.min(window.fewest, document.querySelectorAll("#gdrd-gallery [aria-selected=true]").length);
  };
  new MutationObserver(count).observe(document.querySelector("#gdrd-gallery"), { subtree: true, attributes: true });
}"""


def test_late_answers_undo_no_selection_and_none_is_lost(open_page: Callable[..., Any]) -> None:
    """Two keys are pressed when the server has answered the first, but the page has not read the answer."""
    page = open_page(View(tab="map", chosen=4, resolution=8).to_query(), script=HELD_ANSWERS)
    page.wait_for_selector("#gdrd-gallery [data-face='4'][aria-current=true][tabindex='0']")
    page.wait_for_function("window.ended")
    page.evaluate("() => { window.joined = 0; window.held = new Promise((resolve) => { window.release = resolve; }); }")
    page.locator("#gdrd-gallery [data-face='4']").focus()
    page.keyboard.press("Space")
    page.wait_for_function("window.joined === 1 && window.ended")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function("window.joined === 3")
    page.evaluate(FEWEST)
    page.evaluate("window.release()")
    page.wait_for_selector("#gdrd-marks [data-selected='4 5 6']")
    assert selected(page) == [4, 5, 6] and page.evaluate("window.fewest") >= 3


# The page learns the number of the event that selects two faces when window.release is called.
LATE_NUMBER = """(() => {
  const plainFetch = window.fetch;
  window.fetch = async (...all) => {
    const answer = await plainFetch(...all);
    if (String(all[1]?.body).includes('"ids":[4,5]}')) await new Promise((resolve) => { window.release = resolve; });
    return answer;
  };
})()"""


def test_answers_are_shown_in_the_order_of_the_server(open_page: Callable[..., Any]) -> None:
    """Gradio's page would show the second answer over the third, because it knows the second event's number last."""
    page = open_page(View(tab="map", chosen=4, resolution=8).to_query(), script=LATE_NUMBER)
    page.wait_for_selector("#gdrd-gallery [data-face='4'][aria-current=true][tabindex='0']")
    page.locator("#gdrd-gallery [data-face='4']").focus()
    for key in ("Space", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_function("window.release !== undefined")
    page.wait_for_timeout(4000)  # in which the server answers the third event
    page.evaluate("window.release()")
    page.wait_for_selector("#gdrd-marks [data-selected='4 5 6']")
    page.wait_for_timeout(1000)
    assert page.locator("#gdrd-marks [data-selected='4 5 6']").count() == 1


def test_a_point_shows_its_face(open_page: Callable[..., Any]) -> None:
    page = open_page(View(tab="map", chosen=7).to_query())
    page.wait_for_selector("#gdrd-map-teacher .main-svg")
    page.wait_for_selector("#gdrd-marks [data-chosen='7']")
    chart, peek = page.locator("#gdrd-map-teacher .gdrd-chart"), page.locator("#gdrd-map-teacher .gdrd-peek")
    faces = page.evaluate("[...document.querySelectorAll('#gdrd-gallery img')].map((image) => image.src)")
    page.locator("#gdrd-head").click()
    page.keyboard.press("Tab")  # so that the next focus is one of the keyboard
    chart.focus()
    page.wait_for_selector("#gdrd-map-teacher .gdrd-peek img")
    assert faces.index(peek.locator("img").get_attribute("src")) == 7 and "person_00002/0001" in peek.inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("text => document.querySelector('.gdrd-peek').innerText !== text", arg=peek.inner_text())
    near = faces.index(peek.locator("img").get_attribute("src"))
    x = chart.evaluate("node => node.data[0].x")
    assert near != 7 and x[near] > x[7]
    page.keyboard.press("Space")
    page.wait_for_selector(f"#gdrd-marks [data-selected='{near}']")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#gdrd-marks [data-chosen='{near}']")
    page.locator("#gdrd-gallery input").focus()
    assert peek.locator("img").count() == 0
    point = chart.locator(".scatterlayer .trace").first.locator("path.point").nth(20)
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    page.wait_for_selector("#gdrd-map-teacher .gdrd-peek img")


def test_nobody_waits_for_umap_and_it_can_be_cancelled(open_page: Callable[..., Any]) -> None:
    page, other = open_page(View(tab="map").to_query()), open_page()
    other.wait_for_selector("#gdrd-inputs img[alt='at 16 x 16 pixels']")
    page.wait_for_selector("#gdrd-map-teacher .main-svg")
    assert not page.locator("#gdrd-umap").is_visible()
    title = "document.querySelector('#gdrd-map-teacher .gdrd-chart').layout.title.text"
    started = "#gdrd-umap >> text=/UMAP: 0 of 4 maps made/"
    page.get_by_label("UMAP", exact=True).check()
    page.wait_for_selector(started)
    page.locator("#gdrd-umap").get_by_role("button", name="Cancel").click()
    page.wait_for_function("!document.querySelector('#gdrd-umap [role=progressbar]')")
    assert page.get_by_label("PCA", exact=True).is_checked() and page.evaluate(title) == "PCA of SFace"
    page.get_by_label("UMAP", exact=True).check()
    page.wait_for_selector(started)
    one_size_up(other)
    assert page.locator("#gdrd-umap [role=progressbar]").count() == 1  # so the other user did not wait for the maps
    go(page, "Compare")
    one_size_up(page)
    go(page, "Embedding map")  # on a busy machine the maps are ready by now
    page.wait_for_function(f"document.querySelector('#gdrd-umap [role=progressbar]') || {title} === 'UMAP of SFace'")
    assert page.locator(".toast-body").count() == 0


def one_size_up(page: Any) -> None:
    """Move the slider of the tab Compare from 16 px to its next mark."""
    page.locator("#gdrd-head").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#gdrd-inputs img[alt='at 18 x 18 pixels']")


def test_a_folder_of_photographs_becomes_the_map(open_page: Callable[..., Any], server: Server, tmp_path: Path) -> None:
    for k in range(5):
        (tmp_path / f"{'anna' if k < 3 else 'berta'}_{k}.png").write_bytes(face_file(k, 112))
    (tmp_path / "words.jpg").write_bytes(b"no image")
    page = open_page(View(tab="map").to_query())
    page.wait_for_selector("#gdrd-map-teacher .main-svg")
    page.get_by_role("button", name="Your own photographs").click()
    page.locator("#gdrd-directory input[type=file]").set_input_files(tmp_path)
    page.wait_for_selector("#gdrd-photographs >> text=The map shows 5 faces of yours")
    assert "words.jpg was left out: The image cannot be read as an image" in page.inner_text("#gdrd-photographs")
    page.wait_for_selector("#gdrd-wrong >> text=/of 5\\./")
    assert page.locator("#gdrd-gallery [data-person=anna]").count() == 3 and server.uploads() == []
    page.get_by_role("button", name="Back to the synthetic faces").click()
    page.wait_for_selector("#gdrd-wrong >> text=/of 60\\./")
    assert page.locator("#gdrd-gallery [data-face]").count() == 60


def test_a_downloaded_view_opens_to_the_same_view(open_page: Callable[..., Any]) -> None:
    view = View(tab="download", resolution=24, first=9, second=10, blur=1.0, selected=(3, 5))
    page = open_page(view.to_query())
    # Gradio sets the controls one after the other and sends each change, so a link may hold the first of them alone.
    page.wait_for_selector("#gdrd-view-link[href*=blur]")
    state = json.loads(saved(page, "settings as JSON"))
    assert {key: state[key] for key in ("resolution", "first", "second", "blur", "selected")} == {
        "resolution": 24, "first": 9, "second": 10, "blur": 1.0, "selected": [3, 5]
    }  # fmt: skip
    page.click("#gdrd-make")
    page.wait_for_selector("#gdrd-files img")
    assert saved(page, "Save as PNG").startswith(b"\x89PNG")
    assert b"<svg" in saved(page, "Save as SVG")
    page.wait_for_selector("#gdrd-code >> text=faces[9]")
    link = page.get_attribute("#gdrd-view-link", "href")
    again = open_page(link)
    again.wait_for_selector("#gdrd-inputs img[alt='at 24 x 24 pixels']")
    assert "synthetic face 9" in again.inner_text("#gdrd-inputs")
    go(again, "Download")
    again.wait_for_selector("#gdrd-state a >> text=2 selected faces")
    again.wait_for_function("link => document.querySelector('#gdrd-view-link').getAttribute('href') === link", arg=link)


def test_a_link_opens_the_tab_it_was_made_on_and_the_address_follows_the_view(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.wait_for_selector("#gdrd-scores table")
    assert from_text(page.url if "view" in page.url else None) == View()
    give(page, "first", "face.png", face_file())
    page.wait_for_selector("#gdrd-inputs >> text=your photograph")
    go(page, "Across resolutions")
    page.get_by_role("button", name="32", exact=True).click()
    page.wait_for_selector("#gdrd-curve .gdrd-chart[aria-label*=' at 32 px']")
    view = View(tab="across", resolution=32)
    page.wait_for_function("query => location.search === query", arg=view.to_query())
    go(page, "Download")
    link = page.locator("#gdrd-view-link")
    link.wait_for()
    assert from_text(link.get_attribute("href")) == view
    link.click()  # it is copied, so that the upload stays
    page.wait_for_selector("#gdrd-view-link >> text=Copied")
    go(page, "Compare")
    page.wait_for_selector("#gdrd-inputs >> text=your photograph")
    again = open_page(view.to_query())
    again.wait_for_selector("#gdrd-curve .gdrd-chart[aria-label*=' at 32 px']")
    assert again.get_by_role("tab", name="Across resolutions").get_attribute("aria-selected") == "true"


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 900, "light"), (390, 844, "dark")])
def test_the_result_is_the_first_thing_one_sees(
    open_page: Callable[..., Any], width: int, height: int, scheme: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    for which, number in (("first", 12), ("second", 33)):
        give(page, which, "face.png", face_file(number, 600))
    page.wait_for_function(
        "document.querySelector('#gdrd-inputs').innerText.match(/your photograph/g)?.length === 2"
        " && document.querySelectorAll('.gdrd-found img').length === 2"
    )
    page.wait_for_selector("#gdrd-pair-curve .main-svg")
    page.wait_for_selector("#gdrd-scores :text('real people of CelebA')")
    seen = ["#gdrd-verdict .gdrd-verdict"]
    if width > 1000:
        seen += [f"#gdrd-own-{which} img[alt='at 16 x 16 pixels']" for which in ("first", "second")]
        seen += ["#gdrd-scores tr:last-child", "#gdrd-pair-curve .main-svg", "#gdrd-file-first"]
    bottoms = {name: page.locator(name).first.evaluate("e => e.getBoundingClientRect().bottom") for name in seen}
    assert all(0 < bottom <= height for bottom in bottoms.values()), bottoms
    assert (
        page.evaluate("document.querySelector('#gdrd-pair-curve .gdrd-chart').layout.dragmode") is False
    )  # it scrolls


def test_examples_and_the_place_where_they_part(open_page: Callable[..., Any]) -> None:
    page = open_page()
    give(page, "first", "face.png", face_file())
    page.wait_for_selector("#gdrd-inputs >> text=your photograph")
    page.get_by_role("button", name="One person: the teacher fails (16 px)").click()
    page.wait_for_selector("#gdrd-verdict >> text=the teacher SFace: cannot tell; the student: likely the same person")
    page.wait_for_selector("#gdrd-verdict >> text=In truth, this is one synthetic person")
    assert "your photograph" not in page.inner_text("#gdrd-inputs") and page.locator(".gdrd-found").count() == 0
    page.get_by_role("button", name="112", exact=True).click()
    page.wait_for_selector("#gdrd-inputs img[alt='at 112 x 112 pixels']")
    page.click("#gdrd-part")
    page.wait_for_function("document.querySelector('#gdrd-resolution input[type=number]').value < 112")
    place = page.input_value("#gdrd-resolution input[type=number]")
    page.wait_for_selector(f"#gdrd-inputs img[alt='at {place} x {place} pixels']")


def test_a_picture_is_pasted(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.wait_for_selector("#gdrd-scores table")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    content = base64.b64encode(face_file()).decode()
    page.evaluate(
        """async (content) => {
          const blob = await (await fetch("data:image/png;base64," + content)).blob();
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        content,
    )
    page.locator("#gdrd-own-second").get_by_role("button", name="Paste").click()
    page.wait_for_selector("#gdrd-own-second >> text=your photograph")
    page.locator("#gdrd-head").click()
    page.keyboard.press("Control+v")
    page.wait_for_selector("#gdrd-own-first >> text=your photograph")


def test_damaged_link_is_answered_by_a_sentence(open_page: Callable[..., Any]) -> None:
    page = open_page("?view=%7B%22resolution%22%3A5000%7D")
    page.wait_for_selector(".toast-body >> text=Give a number from 6 to 112")
    page.wait_for_selector("#gdrd-scores table")
    page.wait_for_function("getComputedStyle(document.querySelector('#gdrd-scores table')).pointerEvents === 'auto'")


def test_nothing_can_be_clicked_before_the_page_has_started(open_page: Callable[..., Any]) -> None:
    """What is typed while Gradio starts the page is lost: every control gets its first value again."""
    script = """new MutationObserver((_, watcher) => {
      const table = document.querySelector('#gdrd-scores table');
      if (!table) return;
      watcher.disconnect();
      window.first = getComputedStyle(table).pointerEvents;
    }).observe(document, { subtree: true, childList: true })"""
    page = open_page(script=script)
    page.wait_for_function("window.first")
    assert page.evaluate("window.first") == "none"
    page.wait_for_function("getComputedStyle(document.querySelector('#gdrd-scores table')).pointerEvents === 'auto'")


def test_a_tab_chosen_as_soon_as_it_can_be_stays_though_the_link_names_another(open_page: Callable[..., Any]) -> None:
    page = open_page(View(resolution=24).to_query())
    page.wait_for_selector("#gdrd-scores table")
    go(page, "Across resolutions")
    page.wait_for_selector("#gdrd-curve .gdrd-chart[aria-label*=' at 24 px']")
    page.wait_for_timeout(1000)
    assert page.get_by_role("tab", name="Across resolutions").get_attribute("aria-selected") == "true"


def test_eight_users_at_once(open_page: Callable[..., Any]) -> None:
    pages = [open_page() for _ in range(8)]
    for k, page in enumerate(pages):
        page.wait_for_selector("#gdrd-scores table")
        page.get_by_role("button", name="Other synthetic faces").click()
        type_number(page, "#gdrd-first", 10 + k)
    for k, page in enumerate(pages):
        page.wait_for_selector(f"#gdrd-inputs >> text=synthetic face {10 + k}")
        assert page.locator(".toast-body").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_every_tab_fits_and_everything_has_a_name(open_page: Callable[..., Any], width: int, scheme: str) -> None:
    page = open_page(width=width, scheme=scheme)
    page.wait_for_selector("#gdrd-scores table")
    for title in TITLES:
        go(page, title)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, title
        assert page.evaluate(CUT) == [], title
        nameless = page.evaluate(NAMELESS)
        assert nameless == [], title
        assert page.evaluate(FAULTS) == [], title


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")])
def test_axe_finds_nothing_serious_on_any_tab(open_page: Callable[..., Any], width: int, scheme: str) -> None:
    from axe_playwright_python.base import AXE_SCRIPT

    page = open_page(width=width, scheme=scheme)
    page.wait_for_selector("#gdrd-scores table")
    page.add_script_tag(content=AXE_SCRIPT)
    for title in TITLES:
        go(page, title)
        page.wait_for_timeout(500)
        assert page.evaluate(VIOLATIONS) == [], title


def test_rate_third_method_and_blinking(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.wait_for_selector("#gdrd-scores table")
    page.locator("#gdrd-third").get_by_label("assistant", exact=True).click()
    page.wait_for_selector("#gdrd-verdict >> text=the method assistant")
    page.locator("#gdrd-rate").get_by_label("1 in 10", exact=True).click()
    page.wait_for_selector("#gdrd-scores caption >> text=1 in 10 pairs of strangers")
    view = "new URLSearchParams({}).get('view')"  # the browser writes a space in another way
    query = View(third="assistant", rate="1 in 10").to_query()
    page.wait_for_function(f"query => {view.format('location.search')} === {view.format('query')}", arg=query)
    button, source = page.locator("#gdrd-blink button"), "document.querySelector('#gdrd-blink img').src"
    button.click()
    seen = page.evaluate(source)
    page.wait_for_function(f"seen => {source} !== seen", arg=seen)
    button.click()
    assert button.get_attribute("aria-pressed") == "false" and not page.is_visible("#gdrd-blink img")
    page.emulate_media(reduced_motion="reduce")
    button.click()
    seen = page.evaluate(source)
    page.wait_for_timeout(1500)
    assert page.evaluate(source) == seen and button.get_attribute("aria-pressed") == "false"
    button.click()
    assert page.evaluate(source) != seen  # a press shows the other face


def test_a_list_of_pairs_gives_a_csv(open_page: Callable[..., Any], server: Server) -> None:
    page = open_page()
    page.wait_for_selector("#gdrd-scores table")
    page.get_by_role("button", name="A list of pairs").click()
    contents = {"pairs.csv": b"a.png,b.png\nb.png,c.png\n", "a.png": face_file(12), "b.png": face_file(33)}
    files = [{"name": n, "mimeType": "application/octet-stream", "buffer": c} for n, c in contents.items()]
    page.locator("#gdrd-pair-list input[type=file]").set_input_files(files)
    rows = saved(page, "Save the scores as CSV").decode().splitlines()
    assert rows[0] == "first,second,resolution,SFace,student,error" and rows[1].startswith("a.png,b.png,16,0.")
    assert rows[2] == "b.png,c.png,16,,,c.png: this photograph was not given"
    assert server.uploads() == []
    page.get_by_role("button", name="How good are they on many pairs?").click()
    page.wait_for_selector("#gdrd-many .gdrd-chart[aria-label*='0.753 at 8 px']")


VIOLATIONS = """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
  .filter((found) => ['serious', 'critical'].includes(found.impact))
  .map((found) => found.id + ': ' + found.nodes.map((node) => node.html.slice(0, 200)).join('; '))"""

# Controls with something that their box does not show.
CUT = """() => [...document.querySelectorAll('.form > .block, .gdrd-table')]
  .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map((e) => e.id + e.innerText)"""

# What an accessibility checker would find: skipped levels of headings, lists and pictures that hide their content from
# screen readers, areas that a keyboard cannot scroll, and text of tabs and buttons that stands out too little.
FAULTS = """() => {
  const faults = [], seen = (e) => e.offsetParent && !e.closest('.js-plotly-plot');
  const all = (names) => [...document.querySelectorAll(names)];
  let level = 0;
  for (const e of all('h1, h2, h3, h4, h5, h6').filter(seen)) {
    if (Number(e.tagName[1]) > level + 1) faults.push('heading ' + e.innerText);
    level = Number(e.tagName[1]);
  }
  for (const e of all('ul[role], ol[role], table[role]')) faults.push('role of a list ' + e.className);
  const keys = 'a[href], button, input, select, textarea, [tabindex], [contenteditable=true]';
  for (const e of all('[role=img]')) if (e.querySelector(keys)) faults.push('in an image ' + e.innerHTML.slice(0, 99));
  for (const e of all('main *').filter(seen)) {
    const style = getComputedStyle(e);
    const hidden = e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(style.overflowX)
      || e.scrollHeight > e.clientHeight + 1 && /auto|scroll/.test(style.overflowY);
    if (hidden && e.tabIndex < 0 && !e.querySelector(keys)) faults.push('scrolls without focus ' + e.className);
  }
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v <= 10 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const under = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  for (const e of all('[role=tab], main button, .gdrd-verdict, .gdrd-word, #gdrd-head p, main label').filter(seen)) {
    if (!e.innerText || e.disabled) continue;
    const pair = [light(numbers(getComputedStyle(e).color)), light(under(e))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) faults.push('contrast ' + ratio.toFixed(1) + ' ' + e.innerText);
  }
  return faults;
}"""

NAMELESS = """() => [...document.querySelectorAll('input, textarea, button, img, [role=img]')]
  .filter((e) => e.offsetParent && !e.closest('.js-plotly-plot'))
  .filter((e) => !(e.labels && e.labels.length) && !e.innerText && !e.getAttribute('aria-label') && !e.title
    && e.getAttribute('alt') === null && !e.getAttribute('aria-labelledby'))
  .map((e) => e.outerHTML.slice(0, 200))"""


def client(server: Server) -> Any:
    from gradio_client import Client

    return Client(server.url, verbose=False, analytics_enabled=False)


def test_programs_are_offered_the_meant_functions_only(server: Server) -> None:
    """The tools of the Model Context Protocol are the same ones."""
    offered = json.loads(get(f"{server.url}/gradio_api/info")[1])
    assert set(offered["named_endpoints"]) == {"/compare", "/compare_photographs"} and not offered["unnamed_endpoints"]


def test_program_calls_the_app(server: Server) -> None:
    from gradio_client.exceptions import AppError

    caller = client(server)
    found = caller.predict(3, 4, 16, api_name="/compare")
    assert set(found) == {"SFace", "student"} and -1 <= found["SFace"]["score"] <= 1
    with pytest.raises(AppError, match=r"first cannot be '99'. Give a number from 0 to 59"):
        caller.predict(99, 4, 16, api_name="/compare")


def test_program_gives_two_photographs(server: Server, tmp_path: Path) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    for name, content in (("a.png", face_file(12)), ("b.png", face_file(33)), ("c.png", b"no picture")):
        (tmp_path / name).write_bytes(content)
    first, second, bad = (handle_file(str(tmp_path / name)) for name in ("a.png", "b.png", "c.png"))
    found = client(server).predict(first, second, 16, api_name="/compare_photographs")
    assert {"score", "threshold", "likelihood ratio"} == set(found["student"]) and found["resolution"] == 16
    for words, inputs in (("cannot be read as an image", (first, bad, 16)), ("from 6 to 112", (first, second, 3))):
        with pytest.raises(AppError, match=words):
            client(server).predict(*inputs, api_name="/compare_photographs")
    assert server.uploads() == []


def test_bad_uploads_of_every_kind_leave_the_app_alive(server: Server, tmp_path: Path) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    caller = client(server)
    for name, content in bad_uploads().items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AppError) as answer:
            caller.predict(handle_file(str(tmp_path / name)), api_name="/first_file")
        text = str(answer.value)
        assert re.search(r"[a-z)]\. [A-Z][^\n]*\.$", text) and "/tmp" not in text, (name, text)
    assert server.uploads() == []
    (tmp_path / "face.png").write_bytes(face_file())
    assert "1 face found" in str(caller.predict(handle_file(str(tmp_path / "face.png")), api_name="/first_file"))
    assert [file for file in server.folder.glob("gdrd-uploads-*/**/*") if file.is_file()] == []  # nor an empty one


@pytest.mark.parametrize("value", [7, "words", [], {"a": 1}])
def test_inputs_of_a_wrong_type_are_answered_by_a_sentence(server: Server, value: Any) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=r"An input is missing or has the wrong type. Give what"):
        client(server).predict(value, api_name="/first_file")
    with pytest.raises(AppError, match=r"first cannot be .* Give a number from 0 to 59"):
        client(server).predict([value], api_name="/compare")
    assert "Traceback" not in server.log.read_text()


def test_files_of_the_machine_are_out_of_reach(server: Server, tmp_path: Path) -> None:
    from gradio_client.exceptions import AppError

    secret = tmp_path / "secret.txt"
    secret.write_text("private words")
    up = "/".join([".."] * 12)
    for path in (
        str(secret),
        f"{up}{secret}",
        "/etc/passwd",
        f"{up}/etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "app.py",
    ):
        status, content = get(f"{server.url}/gradio_api/file={path}")
        assert status >= 400 and b"private words" not in content and b"root:" not in content, path
    for path in (str(secret), "/etc/passwd", f"{server.folder}/{up}{secret}"):
        with pytest.raises((AppError, ValueError)) as answer:
            client(server).predict({"path": path, "meta": {"_type": "gradio.FileData"}}, api_name="/first_file")
        assert "private words" not in str(answer.value)
    assert secret.exists()


def test_upload_above_the_limit_is_refused_at_the_door(server: Server, tmp_path: Path) -> None:
    from gradio_client import handle_file

    (tmp_path / "big.png").write_bytes(b"\0" * (MAX_BYTES + 1))
    with pytest.raises(Exception, match=r"(?i)size|large|413"):
        client(server).predict(handle_file(str(tmp_path / "big.png")), api_name="/first_file")
    assert server.uploads() == [] and get(server.url)[0] == 200


def test_app_listens_to_this_machine_only(server: Server) -> None:
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("Only Linux tells where a process listens in /proc")
    listening = [line.split()[1] for line in table.read_text().splitlines()[1:] if line.split()[3] == "0A"]
    assert [place.split(":")[0] for place in listening if int(place.split(":")[1], 16) == server.port] == ["0100007F"]
    six = Path("/proc/net/tcp6")
    others = [line.split()[1] for line in six.read_text().splitlines()[1:]] if six.exists() else []
    assert not [place for place in others if int(place.split(":")[1], 16) == server.port and place.startswith("0" * 32)]

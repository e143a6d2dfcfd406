"""The components of the tab "Embedding map" and their events."""

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from gdrd_lab.app import callbacks
from gdrd_lab.app.callbacks import errors_shown
from gdrd_lab.app.components import charts, controls
from gdrd_lab.app.gallery import synthetic_gallery
from gdrd_lab.app.page import CUSTOM, PRIVATE, QUICK, READ, Page
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import MAX_SELECTED
from gdrd_lab.app.tabs.map import gallery_html
from gdrd_lab.app.uploads import MAX_BYTES, MAX_FILES, MIN_FILES

ASK = """const ask = () => { if (element.querySelector("[role=progressbar]")) trigger("make"); };
watch("value", ask);
ask();"""


def place(page: Page) -> list[Any]:
    """Place the components; return those that a redraw fills."""
    parts, script = page.parts, Path(__file__).parents[1] / "gallery.js"
    headline = gr.HTML(elem_id="gdrd-wrong")
    with gr.Row():
        page.controls |= controls("method", "colour", "map_seed")
    with gr.Row(elem_id="gdrd-umap"):
        parts["progress"] = gr.HTML(js_on_load=ASK)
        parts["cancel"] = gr.Button("Cancel", size="sm", min_width=80, scale=0)
    parts["maps"] = charts({"gdrd-map-teacher": None, "gdrd-map-student": None}, 420)
    shown = [gr.HTML(elem_id="gdrd-quality"), gr.HTML(elem_id="gdrd-near"), gr.HTML(elem_id="gdrd-marks")]
    faces, text = gallery_html(synthetic_gallery()), script.read_text(encoding="utf-8")
    parts["gallery"] = gr.HTML(faces, js_on_load=text, elem_id="gdrd-gallery")
    parts["clear"] = gr.Button("Clear the selection (Escape)", size="sm")
    with gr.Accordion("Your own photographs", open=False):
        megabytes = MAX_BYTES // 1_000_000
        gr.HTML(
            f"{MIN_FILES} to {MAX_FILES} photographs of up to {megabytes} MB, named PERSON_NUMBER such as anna_1.jpg. "
            "The largest face of each is shown."
        )
        with gr.Row():
            for kind, label in (("directory", "A folder"), ("multiple", "Several files")):
                parts[kind] = gr.File(file_count=kind, label=label, height=130, elem_id=f"gdrd-{kind}")  # type: ignore[arg-type]
        parts["remove_folder"] = gr.Button("Back to the synthetic faces", size="sm")
        parts["folder_message"] = gr.HTML(elem_id="gdrd-photographs")
    return [headline, *parts["maps"], *shown, parts["progress"]]


def connect(page: Page) -> None:
    """Connect the events."""
    parts = page.parts
    select = page.redraw(lambda event: {"selected": tuple(event.ids)[:MAX_SELECTED]}) | CUSTOM
    choose = page.redraw(lambda event: {"chosen": event.id}) | CUSTOM
    for source in (*parts["maps"], parts["gallery"]):
        source.points(**select)
        source.face(**choose)
    for button in (parts["escape"], parts["clear"]):
        button.click(**page.redraw(selected=()))
    _connect_photographs(page)
    _connect_umap(page)


def _connect_photographs(page: Page) -> None:
    parts, session, use = page.parts, page.session, callbacks.use_photographs
    shown: dict[str, Any] = PRIVATE | {"concurrency_id": "photographs", "show_progress": "minimal"}
    for field in (parts["directory"], parts["multiple"]):
        outputs = [session, field, parts["folder_message"], parts["gallery"]]
        used = field.upload(use, [session, field], outputs, **READ, **shown)
        used.failure(lambda: None, None, field, **QUICK)
        used.success(**page.redraw(selected=(), chosen=0))
    removed = parts["remove_folder"].click(partial(use, files=None), session, outputs, **shown)
    removed.success(**page.redraw(selected=(), chosen=0))


def _connect_umap(page: Page) -> None:
    parts, session = page.parts, page.session
    # "once": while maps are made, the script's further requests are ignored, because the function follows the session.
    how: dict[str, Any] = QUICK | {"trigger_mode": "once", "concurrency_id": "umap", "concurrency_limit": 1}
    made = parts["progress"].make(callbacks.make_maps, session, parts["progress"], **how)
    made.success(**page.redraw())

    @errors_shown()
    def cancel(session: Session, time: float) -> tuple[Any, ...]:
        return callbacks.cancel_maps(session, time)

    outputs = [page.controls["method"], page.controls["map_seed"], parts["progress"]]
    stop = page.timed(cancel, outputs=outputs, settings=False) | QUICK
    parts["cancel"].click(**stop)
    made.failure(**stop)

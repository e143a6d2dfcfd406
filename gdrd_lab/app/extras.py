"""Folded parts of the tab "Compare", and the interface for programs that have two photographs."""

from pathlib import Path
from typing import Any

import gradio as gr

from gdrd_lab.app import callbacks
from gdrd_lab.app.callbacks import errors_shown
from gdrd_lab.app.components import chart, chart_value
from gdrd_lab.app.gallery import recognisers
from gdrd_lab.app.page import PRIVATE, QUICK, READ
from gdrd_lab.app.session import Session
from gdrd_lab.app.tabs.live import show as frame_html
from gdrd_lab.app.tabs.pair_list import MOST_FILES
from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Setting
from gdrd_lab.io.paths import data_folder
from gdrd_lab.plots import Curve, curve_plot, curves

LIVE = (
    '<button type="button">Start the camera</button> <span role="status"></span>'
    '<canvas hidden role="img" aria-label="picture of the camera"></canvas>'
)
BLINK = (
    '<button type="button" aria-pressed="false">Blink: show both faces in turn</button>'
    '<div class="gdrd-blink" hidden><img alt=""><p></p></div>'
)


def blink() -> None:
    """Place the button that shows both faces in turn in one frame."""
    script = Path(__file__).with_name("blink.js").read_text(encoding="utf-8")
    gr.HTML(html_template=BLINK, js_on_load=script, elem_id="gdrd-blink")


def live(session: gr.State) -> None:
    """Place the camera as the first photograph, folded."""

    def score(event: gr.EventData, state: Session) -> str:
        return frame_html(state.view, str(event.picture), callbacks.faces_of(state.view, state)[1])

    script = Path(__file__).with_name("live.js").read_text(encoding="utf-8")
    with gr.Accordion("Live camera in place of the first photograph", open=False):
        gr.HTML('<p class="gdrd-keys">The app scores each frame against the second face and keeps none.</p>')
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                camera = gr.HTML(html_template=LIVE, js_on_load=script, elem_id="gdrd-live")
            with gr.Column(scale=2, min_width=300):
                shown = gr.HTML(elem_id="gdrd-live-result")
    # "once": a frame is dropped while the one before is scored.
    limits: dict[str, Any] = {"trigger_mode": "once", "concurrency_id": "live", "concurrency_limit": 2}
    camera.frame(score, session, shown, **QUICK | limits)


def lfw_curves() -> list[Curve]:
    """Return the measured accuracy of teacher and student on LFW by resolution, as on the results page."""
    names, folder = [model.name for model in recognisers()], data_folder() / "results"
    scores = [score for file in ("lfw-sface.json", "lfw-student.json") for score in read_json(folder / file)]
    return curves([score for score in scores if score.setting == Setting.SAME and score.method in names])


def many_pairs() -> None:
    """Place the accuracy on many pairs, folded."""
    found = lfw_curves()
    title = "6,000 pairs of photographs (LFW), both faces at the same resolution"
    figure = curve_plot(found, title=title, height=300).update_yaxes(title_text="Accuracy; guessing is 0.5")
    points = {c.method: zip(c.resolutions, c.values, strict=True) for c in found}
    text = "; ".join(f"{name}: " + ", ".join(f"{v:.3f} at {r} px" for r, v in line) for name, line in points.items())
    with gr.Accordion("How good are they on many pairs?", open=False):
        chart(chart_value(figure, f"{title}. {text}."), name="gdrd-many", height=300)


def pair_list(session: gr.State) -> None:
    """Place the list of pairs, folded; it is scored at the settings of the page."""

    @errors_shown()
    def score(state: Session, files: list[dict[str, Any]] | None) -> tuple[None, str]:
        return None, callbacks.score_list(state, files or [])

    with gr.Accordion("A list of pairs", open=False):
        label = f"One CSV with two columns of file names, and its photographs (at most {MOST_FILES}), given together"
        source = gr.File(file_count="multiple", label=label, height=140, elem_id="gdrd-pair-list")
        shown = gr.HTML(elem_id="gdrd-pair-scores")
    used = source.upload(score, [session, source], [source, shown], **READ, **PRIVATE)
    used.failure(lambda: None, None, source, **QUICK)


def photographs_api() -> None:
    """Offer `/compare_photographs` to programs: two image files and a resolution in, the scores out."""
    files = [gr.File(label=f"{which} photograph", visible=False) for which in ("First", "Second")]
    size = gr.Number(16, label="Resolution in pixels, 6 to 112", visible=False)
    call, found = gr.Button(visible=False), gr.JSON(label="Scores", visible=False)
    how: dict[str, Any] = {"preprocess": False, "api_name": "compare_photographs"}
    call.click(errors_shown()(callbacks.compare_photographs), [*files, size], found, **how)

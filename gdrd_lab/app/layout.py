"""The page: components laid out and tied to ``callbacks``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from gdrd_lab.app import callbacks, controls
from gdrd_lab.app.chart import chart
from gdrd_lab.app.state import Tab, View
from gdrd_lab.app.tabs.download import FIGURES, open_query

HERE = Path(__file__).parent
NOTICE = (
    "For teaching and research only. **Not** for identifying, accusing, admitting or watching anybody: scores of faces "
    "this small are often wrong, and not equally often for all people. Uploads are deleted as soon as they are read; "
    "what is left of them in memory goes within an hour after the page is closed."
)
KEYS = (
    '<p class="gdrd-keys">Keys: left and right arrow move the resolution; in the gallery the arrows choose a face; '
    "Escape clears the selection.</p>"
)
TABS: dict[Tab, str] = {
    "compare": "Compare",
    "across": "Across resolutions",
    "generate": "Super-resolution",
    "attention": "Attention",
    "map": "Embedding map",
    "take": "Take away",
}
# Quick events answer at once and show no spinner; the last position of a dragged slider is the one that counts.
QUICK: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


def build() -> gr.Blocks:
    """Build the page; networks and thresholds are loaded first, so that it opens with its scores."""
    start = callbacks.tab_content(View(), None)
    with gr.Blocks(title="GDRD Lab", analytics_enabled=False, delete_cache=(60, 300)) as page:
        session, tab = gr.State(None), gr.State("compare")
        chosen, selected = gr.State(0), gr.State(())
        gr.Markdown(f"# GDRD Lab: teacher and student across resolutions\n{NOTICE}", elem_id="gdrd-head")
        with gr.Group(elem_id="gdrd-bar"):
            fields: dict[str, Any] = {"resolution": controls.resolution_slider()}
        outputs: list[Any] = []
        parts: dict[Any, Any] = {}
        with gr.Tabs(elem_id="gdrd-tabs") as tabs:
            places = {}
            for name, title in TABS.items():
                with gr.Tab(title, id=name, elem_id=f"gdrd-tab-{name}") as places[name]:
                    shown = _LAYOUTS[name](fields, parts, start if name == "compare" else None)
                    assert len(shown) == callbacks.OUTPUTS[name]
                    outputs += shown
        gr.HTML(KEYS)
        clear = gr.Button("Clear the selection", elem_id="gdrd-clear", elem_classes=["gdrd-hidden"])

        names = [*fields, "chosen", "selected"]
        values = [*fields.values(), chosen, selected]

        def view_of(open_tab: str, *given: Any) -> View:
            return View(tab=open_tab, **dict(zip(names, given, strict=True)))  # type: ignore[arg-type]

        @callbacks.in_sentences
        def refresh(user: Any, open_tab: str, *given: Any) -> list[Any]:
            return callbacks.refresh(view_of(open_tab, *given), user)

        redraw: dict[str, Any] = {"fn": refresh, "inputs": [session, tab, *values], "outputs": outputs, **QUICK}
        gr.on([item.change for item in fields.values()], **redraw)
        for name, place in places.items():

            @callbacks.in_sentences
            def opened(user: Any, *given: Any, name: str = name) -> list[Any]:
                return [name, *callbacks.refresh(view_of(name, *given), user)]

            place.select(opened, [session, *values], [tab, *outputs], **QUICK)

        _tie_uploads(parts, session, redraw)
        _tie_map(parts, session, (chosen, selected), clear, redraw)

        def generate(user: Any, *given: Any) -> Any:
            yield from callbacks.generate(view_of("generate", *given), user)

        made = [parts["seeds"], parts["curtain"]]
        parts["generate"].click(generate, [session, *values], made, show_progress="minimal", **PRIVATE)

        @callbacks.in_sentences
        def figure(user: Any, name: str, *given: Any) -> str:
            return callbacks.make_figure(view_of("take", *given), user, name)

        parts["make"].click(figure, [session, parts["figure"], *values], parts["files"], **PRIVATE)

        @callbacks.in_sentences
        def code(user: Any, title: str, *given: Any) -> str:
            name = next(key for key, value in TABS.items() if value == title)
            return callbacks.code(view_of("take", *given), user, name)

        parts["cell_of"].change(code, [session, parts["cell_of"], *values], parts["code"], **QUICK)

        def spread(view: View) -> list[Any]:
            given = [getattr(view, name) for name in fields]
            return [gr.Tabs(selected=view.tab), view.tab, *given, view.chosen, view.selected]

        @callbacks.in_sentences
        def open_link(request: gr.Request) -> list[Any]:
            return spread(open_query(request.query_params.get("view")))

        @callbacks.in_sentences
        def open_text(text: str) -> list[Any]:
            return spread(callbacks.open_view(text))

        everything = [tabs, tab, *values]
        page.load(open_link, None, everything, **PRIVATE).success(**redraw)
        parts["open"].click(open_text, parts["saved"], everything, **PRIVATE).success(**redraw)
        gr.api(callbacks.in_sentences(callbacks.api_compare), api_name="compare")
    return page


def _compare(fields: dict[str, Any], parts: dict[Any, Any], start: Any) -> list[Any]:
    with gr.Row():
        for slot, which in enumerate(("first", "second")):
            with gr.Column(min_width=280):
                fields[which] = controls.example_slider(which)
                with gr.Accordion(f"Your own {which} face", open=False, elem_id=f"gdrd-own-{which}"):
                    parts["file", slot] = gr.File(
                        label=f"{which.capitalize()} photograph (up to 20 MB)", height=120, elem_id=f"gdrd-file-{which}"
                    )
                    with gr.Accordion("Camera or clipboard", open=False):
                        parts["camera", slot] = gr.Image(
                            label=f"{which.capitalize()} face from camera or clipboard",
                            sources=["webcam", "clipboard"],
                            type="filepath",
                            height=220,
                        )
                    parts["found", slot] = gr.HTML()
                    parts["picker", slot] = gr.Radio([], label="Which face, from left to right", visible=False)
                    parts["drop", slot] = gr.Button("Back to the embedded face", size="sm")
    inputs = gr.HTML(start[0], elem_id="gdrd-inputs")
    scores = gr.HTML(start[1], elem_id="gdrd-scores")
    with gr.Row():
        charts = []
        for k, who in enumerate(("teacher", "student")):
            with gr.Column(min_width=300):
                charts.append(chart(start[2 + k], name=f"gdrd-histogram-{who}", height=300))
    with gr.Accordion("Degrade both faces further", open=False), gr.Row():
        fields |= controls.degradation_controls()
    return [inputs, scores, *charts]


def _across(fields: dict[str, Any], parts: dict[Any, Any], start: Any) -> list[Any]:
    remarks = gr.HTML()
    curve = chart(name="gdrd-curve", height=380)
    fields |= controls.across_controls()
    return [remarks, curve, gr.HTML(elem_id="gdrd-strip")]


def _generate(fields: dict[str, Any], parts: dict[Any, Any], start: Any) -> list[Any]:
    with gr.Row():
        fields |= controls.generate_controls()
    parts["generate"] = gr.Button("Generate", variant="primary", elem_id="gdrd-generate")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            parts["seeds"] = gr.HTML(elem_id="gdrd-seeds")
        with gr.Column(scale=2, min_width=280):
            parts["curtain"] = gr.HTML(elem_id="gdrd-curtain")
    return [parts["seeds"], parts["curtain"]]


def _attention(fields: dict[str, Any], parts: dict[Any, Any], start: Any) -> list[Any]:
    fields |= controls.attention_controls()
    maps, scores = gr.HTML(elem_id="gdrd-attention"), gr.HTML()
    with gr.Row():
        charts = []
        for kind in ("deletion", "insertion"):
            with gr.Column(min_width=300):
                charts.append(chart(name=f"gdrd-{kind}", height=340))
    return [maps, scores, *charts]


def _map(fields: dict[str, Any], parts: dict[Any, Any], start: Any) -> list[Any]:
    with gr.Row():
        fields |= controls.map_controls()
    with gr.Row():
        charts = []
        for who in ("teacher", "student"):
            with gr.Column(min_width=300):
                charts.append(chart(name=f"gdrd-map-{who}", height=420))
    parts["maps"] = charts
    trustworthiness = gr.HTML(elem_id="gdrd-trust")
    near = gr.HTML(elem_id="gdrd-near")
    gallery = gr.HTML(html_template="${value}", js_on_load=(HERE / "gallery.js").read_text(), elem_id="gdrd-gallery")
    parts["gallery"] = gallery
    parts["clear"] = gr.Button("Clear the selection (Escape)", size="sm")
    with gr.Accordion("Your own photographs", open=False):
        parts["folder"] = gr.File(
            file_count="multiple", label="Up to 60 photographs, named PERSON_NUMBER", height=120, elem_id="gdrd-folder"
        )
        parts["take_folder"] = gr.Button("Use them (or, without files, the embedded faces again)", size="sm")
        parts["folder_said"] = gr.Markdown()
    return [*charts, trustworthiness, near, gallery]


def _take(fields: dict[str, Any], parts: dict[Any, Any], start: Any) -> list[Any]:
    links = gr.HTML(elem_id="gdrd-state")
    with gr.Row():
        parts["figure"] = gr.Dropdown(list(FIGURES), value=next(iter(FIGURES)), label="Figure", filterable=False)
        parts["make"] = gr.Button("Make PNG and SVG", elem_id="gdrd-make")
    parts["files"] = gr.HTML(elem_id="gdrd-files")
    choice = [TABS[name] for name in TABS if name != "take"]
    parts["cell_of"] = gr.Dropdown(choice, value=choice[0], label="Open as notebook cell: tab", filterable=False)
    parts["code"] = gr.Code(language="python", label="Notebook cell", elem_id="gdrd-code")
    with gr.Row():
        parts["saved"] = gr.Textbox(label="Open a saved view (JSON or link)", lines=2, elem_id="gdrd-saved")
        parts["open"] = gr.Button("Open", elem_id="gdrd-open")
    return [links, parts["code"]]


_LAYOUTS = {
    "compare": _compare,
    "across": _across,
    "generate": _generate,
    "attention": _attention,
    "map": _map,
    "take": _take,
}


def _tie_uploads(parts: dict[Any, Any], session: gr.State, redraw: dict[str, Any]) -> None:
    for slot, which in enumerate(("first", "second")):
        found, choice = parts["found", slot], parts["picker", slot]

        def upload(user: Any, path: Any, slot: int = slot) -> Any:
            return callbacks.upload(user, slot, path)

        def pick(user: Any, number: Any, slot: int = slot) -> Any:
            return callbacks.pick(user, slot, number)

        def drop(user: Any, slot: int = slot) -> Any:
            return callbacks.drop(user, slot)

        for kind, event in (("file", "upload"), ("camera", "input")):
            source = parts[kind, slot]
            shown = {"api_name": f"{which}_{kind}"} if kind == "file" else PRIVATE
            listen = getattr(source, event)
            done = listen(callbacks.in_sentences(upload), [session, source], [session, source, found, choice], **shown)
            done.success(**redraw)
            done.failure(lambda: None, None, source, **QUICK)
        choice.input(callbacks.in_sentences(pick), [session, choice], [session, found], **QUICK).success(**redraw)
        parts["drop", slot].click(drop, session, [session, found, choice], **QUICK).success(**redraw)


def _tie_map(
    parts: dict[Any, Any],
    session: gr.State,
    places: tuple[gr.State, gr.State],
    clear: gr.Button,
    redraw: dict[str, Any],
) -> None:
    chosen, selected = places
    # "always_last" would replay the first payload of a custom event.
    custom: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "multiple", "api_visibility": "private"}

    def select(event: gr.EventData) -> tuple[int, ...]:
        return tuple(int(face) for face in event.ids)[:1000]

    def choose(event: gr.EventData) -> int:
        return int(event.id)

    for plot in parts["maps"]:
        plot.points(select, None, selected, **custom).success(**redraw)
        plot.face(choose, None, chosen, **custom).success(**redraw)
    parts["gallery"].face(choose, None, chosen, **custom).success(**redraw)
    for button in (clear, parts["clear"]):
        button.click(lambda: (), None, selected, **QUICK).success(**redraw)
    parts["take_folder"].click(
        callbacks.in_sentences(callbacks.take_folder),
        [session, parts["folder"]],
        [session, parts["folder"], parts["folder_said"]],
        **PRIVATE,
    ).success(lambda: ((), 0), None, [selected, chosen], **QUICK).success(**redraw)

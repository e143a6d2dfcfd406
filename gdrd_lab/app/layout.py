"""The page of the app: its components and the events that connect them to ``callbacks``."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import gradio as gr

from gdrd_lab.app import callbacks
from gdrd_lab.app.callbacks import errors_shown
from gdrd_lab.app.components import chart, controls
from gdrd_lab.app.state import MAX_SELECTED, Tab, View, from_text
from gdrd_lab.app.tabs.download import FIGURES

HERE = Path(__file__).parent
NOTICE = (
    "For teaching and research only, **not** for identifying, accusing, admitting or watching anybody. Scores of faces "
    "this small are often wrong, and more often for some groups of people than for others. An upload is deleted as "
    "soon as it is read; the face stays in memory until at most an hour after the page is closed."
)
KEYS = (
    '<p class="gdrd-keys">Keys: the left and right arrows change the resolution, in the gallery the arrows choose a '
    "face, and Escape clears the selection.</p>"
)
TABS: dict[Tab, str] = {
    "compare": "Compare",
    "across": "Across resolutions",
    "generate": "Super-resolution",
    "cam": "Where it looks",
    "map": "Embedding map",
    "download": "Download",
}
SLOTS = ("first", "second")
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
# Quick events show no spinner; of a dragged slider only the last position counts.
QUICK = PRIVATE | {"show_progress": "hidden", "trigger_mode": "always_last"}
CUSTOM = QUICK | {"trigger_mode": "multiple"}  # "always_last" would repeat the first payload of a custom event


@dataclass
class _Page:
    """The page under construction."""

    session: gr.State
    tab: gr.State
    controls: dict[str, Any] = field(default_factory=dict)  # of each setting except the tab, by name
    parts: dict[Any, Any] = field(default_factory=dict)  # the other components that events need
    outputs: list[Any] = field(default_factory=list)  # what a redraw fills, in the order of ``callbacks.OUTPUTS``

    def inputs(self, *first: Any) -> list[Any]:
        return [self.session, *first, *self.controls.values()]

    def view(self, tab: str, values: tuple[Any, ...]) -> View:
        return View(tab=tab, **dict(zip(self.controls, values, strict=True)))  # type: ignore[arg-type]

    @cached_property
    def redraw(self) -> dict[str, Any]:
        """The arguments of the event that draws the open tab again."""

        @errors_shown()
        def refresh(session: Any, tab: str, *values: Any) -> list[Any]:
            return callbacks.refresh(self.view(tab, values), session)

        return {"fn": refresh, "inputs": self.inputs(self.tab), "outputs": self.outputs, **QUICK}


def build() -> gr.Blocks:
    """Build the page. Networks and thresholds are loaded first, so that it opens with its scores."""
    with gr.Blocks(title="GDRD Lab", analytics_enabled=False, delete_cache=(60, 300)) as blocks:
        page = _Page(gr.State(None), gr.State("compare"))
        gr.Markdown(f"# GDRD Lab: teacher and student across resolutions\n{NOTICE}", elem_id="gdrd-head")
        with gr.Group(elem_id="gdrd-bar"):
            page.controls |= controls("resolution")
        with gr.Tabs(elem_id="gdrd-tabs") as page.parts["tabs"]:
            for name, title in TABS.items():
                with gr.Tab(title, id=name, elem_id=f"gdrd-tab-{name}") as page.parts["tab", name]:
                    page.outputs += _LAYOUTS[name](page)
        assert len(page.outputs) == sum(callbacks.OUTPUTS.values())
        gr.HTML(KEYS)
        # Pressed by the script of the Escape key.
        page.parts["escape"] = gr.Button("Clear the selection", elem_id="gdrd-clear", elem_classes=["gdrd-hidden"])
        page.controls |= {"chosen": gr.State(0), "selected": gr.State(())}
        _connect_settings(page)
        _connect_uploads(page)
        _connect_map(page)
        _connect_buttons(page)
        _connect_links(page, blocks)
        gr.api(errors_shown()(callbacks.api_compare), api_name="compare")
    return blocks


def _compare(page: _Page) -> list[Any]:
    start = callbacks.tab_content(View(), None)
    parts = page.parts
    with gr.Row():
        for slot, which in enumerate(SLOTS):
            with gr.Column(min_width=280):
                page.controls |= controls(which)
                with gr.Accordion(f"Your own {which} face", open=False, elem_id=f"gdrd-own-{which}"):
                    label = f"{which.capitalize()} photograph (up to 20 MB)"
                    parts["file", slot] = gr.File(label=label, height=160, elem_id=f"gdrd-file-{which}")
                    label = f"{which.capitalize()} face from camera or clipboard"
                    camera: dict[str, Any] = {"sources": ["webcam", "clipboard"], "type": "filepath", "height": 220}
                    with gr.Accordion("Camera or clipboard", open=False):
                        parts["camera", slot] = gr.Image(label=label, **camera)
                    parts["found", slot] = gr.HTML()
                    parts["picker", slot] = gr.Radio([], label="Which face, from left to right", visible=False)
                    parts["remove", slot] = gr.Button("Back to the synthetic face", size="sm")
    shown = [gr.HTML(start[0], elem_id="gdrd-inputs"), gr.HTML(start[1], elem_id="gdrd-scores")]
    shown += _charts({"gdrd-histogram-teacher": start[2], "gdrd-histogram-student": start[3]}, 300)
    with gr.Accordion("Degrade both faces further", open=False), gr.Row():
        page.controls |= controls("blur", "noise", "illumination", "occlusion", "jpeg", "seed")
    return shown


def _across(page: _Page) -> list[Any]:
    shown = [gr.HTML(), chart(name="gdrd-curve", height=380)]
    page.controls |= controls("slow")
    return [*shown, gr.HTML(elem_id="gdrd-strip")]


def _generate(page: _Page) -> list[Any]:
    with gr.Row():
        page.controls |= controls("whose", "steps", "noise_seed")
    page.parts["generate"] = gr.Button("Generate", variant="primary", elem_id="gdrd-generate")
    page.parts["generated"] = []
    with gr.Row():
        for name, scale, width in (("gdrd-seeds", 3, 300), ("gdrd-curtain", 2, 280)):
            with gr.Column(scale=scale, min_width=width):
                page.parts["generated"].append(gr.HTML(elem_id=name))
    return page.parts["generated"]


def _cam(page: _Page) -> list[Any]:
    page.controls |= controls("target")
    return [gr.HTML(elem_id="gdrd-cam"), gr.HTML(), *_charts({"gdrd-deletion": None, "gdrd-insertion": None}, 340)]


def _map(page: _Page) -> list[Any]:
    parts = page.parts
    with gr.Row():
        page.controls |= controls("method", "colour", "map_seed")
    parts["maps"] = _charts({"gdrd-map-teacher": None, "gdrd-map-student": None}, 420)
    shown = [*parts["maps"], gr.HTML(elem_id="gdrd-quality"), gr.HTML(elem_id="gdrd-near")]
    script = (HERE / "gallery.js").read_text(encoding="utf-8")
    parts["gallery"] = gr.HTML(html_template="${value}", js_on_load=script, elem_id="gdrd-gallery")
    parts["clear"] = gr.Button("Clear the selection (Escape)", size="sm")
    with gr.Accordion("Your own photographs", open=False):
        label = "Up to 60 photographs, named PERSON_NUMBER"
        parts["folder"] = gr.File(file_count="multiple", label=label, height=160, elem_id="gdrd-folder")
        parts["use_folder"] = gr.Button("Show them (without files: the synthetic faces again)", size="sm")
        parts["folder_message"] = gr.Markdown()
    return [*shown, parts["gallery"]]


def _download(page: _Page) -> list[Any]:
    parts = page.parts
    links = gr.HTML(elem_id="gdrd-state")
    with gr.Row():
        parts["figure"] = gr.Dropdown(list(FIGURES), value=FIGURES[0], label="Figure", filterable=False)
        parts["make"] = gr.Button("Make PNG and SVG", elem_id="gdrd-make")
    parts["files"] = gr.HTML(elem_id="gdrd-files")
    choice = [(title, name) for name, title in TABS.items() if name != "download"]
    parts["cell_of"] = gr.Dropdown(choice, value="compare", label="Notebook cell of the tab", filterable=False)
    parts["code"] = gr.Code(language="python", label="Notebook cell", elem_id="gdrd-code")
    with gr.Row():
        parts["saved"] = gr.Textbox(label="Open a saved view (JSON or link)", lines=2, elem_id="gdrd-saved")
        parts["open"] = gr.Button("Open", elem_id="gdrd-open")
    return [links, parts["code"]]


def _charts(values: dict[str, str | None], height: int) -> list[Any]:
    shown = []
    with gr.Row():
        for name, value in values.items():
            with gr.Column(min_width=300):
                shown.append(chart(value, name=name, height=height))
    return shown


_LAYOUTS = dict(compare=_compare, across=_across, generate=_generate, cam=_cam, map=_map, download=_download)


def _connect_settings(page: _Page) -> None:
    changes = [item.change for item in page.controls.values() if not isinstance(item, gr.State)]
    gr.on(changes, **page.redraw)

    @errors_shown()
    def opened(name: Tab, session: Any, *values: Any) -> list[Any]:
        return [name, *callbacks.refresh(page.view(name, values), session)]

    for name in TABS:
        page.parts["tab", name].select(partial(opened, name), page.inputs(), [page.tab, *page.outputs], **QUICK)


def _connect_uploads(page: _Page) -> None:
    session, parts = page.session, page.parts
    for slot, which in enumerate(SLOTS):
        found, picker = parts["found", slot], parts["picker", slot]
        plain = (callbacks.upload, callbacks.pick, callbacks.remove)
        upload, pick, remove = (partial(errors_shown()(function), slot) for function in plain)
        for kind, event in (("file", "upload"), ("camera", "input")):
            source = parts[kind, slot]
            shown = {"api_name": f"{which}_{kind}"} if kind == "file" else PRIVATE
            done = getattr(source, event)(upload, [session, source], [session, source, found, picker], **shown)
            done.success(**page.redraw)
            done.failure(lambda: None, None, source, **QUICK)
        picker.input(pick, [session, picker], [session, found], **QUICK).success(**page.redraw)
        parts["remove", slot].click(remove, session, [session, found, picker], **QUICK).success(**page.redraw)


def _connect_map(page: _Page) -> None:
    parts, chosen, selected = page.parts, page.controls["chosen"], page.controls["selected"]

    def select(event: gr.EventData) -> tuple[Any, ...]:
        return tuple(event.ids)[:MAX_SELECTED]

    def choose(event: gr.EventData) -> Any:
        return event.id

    for plot in parts["maps"]:
        plot.points(select, None, selected, **CUSTOM).success(**page.redraw)
    for source in (*parts["maps"], parts["gallery"]):
        source.face(choose, None, chosen, **CUSTOM).success(**page.redraw)
    for button in (parts["escape"], parts["clear"]):
        button.click(lambda: (), None, selected, **QUICK).success(**page.redraw)
    shown = [page.session, parts["folder"], parts["folder_message"]]
    used = parts["use_folder"].click(errors_shown()(callbacks.use_photographs), shown[:2], shown, **PRIVATE)
    used.success(lambda: ((), 0), None, [selected, chosen], **QUICK).success(**page.redraw)


def _connect_buttons(page: _Page) -> None:
    parts = page.parts

    def generate(session: Any, *values: Any) -> Any:
        yield from callbacks.generate_faces(page.view("generate", values), session)

    parts["generate"].click(generate, page.inputs(), parts["generated"], show_progress="minimal", **PRIVATE)

    @errors_shown()
    def figure(session: Any, name: str, *values: Any) -> str:
        return callbacks.make_figure(page.view("download", values), session, name)

    parts["make"].click(figure, page.inputs(parts["figure"]), parts["files"], **PRIVATE)

    @errors_shown()
    def code(session: Any, tab: Tab, *values: Any) -> str:
        return callbacks.code(page.view("download", values), session, tab)

    parts["cell_of"].change(code, page.inputs(parts["cell_of"]), parts["code"], **QUICK)


def _connect_links(page: _Page, blocks: gr.Blocks) -> None:
    def settings(view: View) -> list[Any]:
        return [gr.Tabs(selected=view.tab), view.tab, *(getattr(view, name) for name in page.controls)]

    @errors_shown()
    def open_link(request: gr.Request) -> list[Any]:
        query = request.query_params.get("view")
        # Without a view in the link nothing is set: the user may have moved a control already.
        return settings(from_text(query)) if query else [gr.skip()] * (2 + len(page.controls))

    @errors_shown()
    def open_text(text: str) -> list[Any]:
        return settings(from_text(text))

    everything = [page.parts["tabs"], page.tab, *page.controls.values()]
    blocks.load(open_link, None, everything, **PRIVATE).success(**page.redraw)
    page.parts["open"].click(open_text, page.parts["saved"], everything, **PRIVATE).success(**page.redraw)

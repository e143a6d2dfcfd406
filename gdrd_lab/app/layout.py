"""The page of the app: its components and the events that connect them to ``callbacks``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from gdrd_lab.app import callbacks
from gdrd_lab.app.callbacks import errors_shown
from gdrd_lab.app.components import chart, controls
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import MAX_SELECTED, Tab, View, typed
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
# An upload is not ignored while another is read. Gradio would make an empty file of each.
READ: dict[str, Any] = {"trigger_mode": "multiple", "preprocess": False}
CUSTOM = QUICK | {"trigger_mode": "multiple"}  # "always_last" would repeat the first payload of a custom event


class _Blocks(gr.Blocks):
    async def preprocess_data(self, *inputs: Any, **options: Any) -> Any:
        """Answer inputs of a wrong type, which only programs can send, in a sentence."""
        try:
            return await super().preprocess_data(*inputs, **options)
        except (ValueError, TypeError, AttributeError) as error:
            what = "An input is missing or has the wrong type. Give what the page of the API names."
            raise gr.Error(what, print_exception=False) from error


@dataclass
class _Page:
    """The page under construction."""

    session: gr.State
    time: gr.Number  # when the page sent an event, in ms
    controls: dict[str, Any] = field(default_factory=dict)  # of the settings that have one, by name
    parts: dict[Any, Any] = field(default_factory=dict)  # the other components that events need
    outputs: list[Any] = field(default_factory=list)  # what a redraw fills, in the order of ``callbacks.OUTPUTS``

    def timed(self, function: Any, *first: Any, outputs: list[Any], settings: bool = True) -> dict[str, Any]:
        """Return the arguments of an event that calls ``function(session, time, *first, *settings)``."""
        inputs = [self.session, self.time, *first, *(self.controls.values() if settings else ())]
        sent = f"(...all) => {{ all.length = {len(inputs)}; all[1] = performance.now(); return all; }}"
        return {"fn": function, "inputs": inputs, "outputs": outputs, "js": sent, "preprocess": False}

    def settings(self, values: tuple[Any, ...]) -> dict[str, Any]:
        return {name: typed(name, value) for name, value in zip(self.controls, values, strict=True)}

    def redraw(self, read: Callable[[Any], dict[str, Any]] | None = None, **changed: Any) -> dict[str, Any]:
        """Return the arguments of an event that changes settings, or reads them from the event, and draws the tab."""

        @errors_shown()
        def refresh(event: gr.EventData, session: Session, time: float, *values: Any) -> list[Any]:
            found = read(event) if read else changed
            return callbacks.refresh(session, time, self.settings(values) | found)

        return self.timed(refresh, outputs=self.outputs) | QUICK | {"concurrency_id": "redraw"}


def build() -> gr.Blocks:
    """Build the page. Networks and thresholds are loaded first, so that it opens with its scores."""
    with _Blocks(title="GDRD Lab", analytics_enabled=False, delete_cache=(60, 300)) as blocks:
        page = _Page(gr.State(Session()), gr.Number(visible=False))
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
        _connect_settings(page)
        _connect_uploads(page)
        _connect_map(page)
        _connect_buttons(page)
        _connect_links(page, blocks)
        gr.api(errors_shown()(callbacks.api_compare), api_name="compare")
    return blocks


def _compare(page: _Page) -> list[Any]:
    start = callbacks.tab_content(View(), Session())
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
        label = "Up to 60 photographs, named PERSON_NUMBER; they are shown at once"
        parts["folder"] = gr.File(file_count="multiple", label=label, height=160, elem_id="gdrd-folder")
        parts["remove_folder"] = gr.Button("Back to the synthetic faces", size="sm")
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
    return [links, parts["code"], parts["files"]]


def _charts(values: dict[str, str | None], height: int) -> list[Any]:
    shown = []
    with gr.Row():
        for name, value in values.items():
            with gr.Column(min_width=300):
                shown.append(chart(value, name=name, height=height))
    return shown


_LAYOUTS = dict(compare=_compare, across=_across, generate=_generate, cam=_cam, map=_map, download=_download)


def _connect_settings(page: _Page) -> None:
    gr.on([item.change for item in page.controls.values()], **page.redraw())
    for name in TABS:
        page.parts["tab", name].select(**page.redraw(tab=name))
    for item in page.controls.values():
        if isinstance(item, gr.Number):  # a slider does this by itself
            inside = f"(value) => Math.min({item.maximum}, Math.max({item.minimum}, Math.round(value)))"
            gr.on([item.blur, item.submit], None, item, item, js=inside, **PRIVATE)


def _connect_uploads(page: _Page) -> None:
    session, parts = page.session, page.parts
    for slot, which in enumerate(SLOTS):
        found, picker = parts["found", slot], parts["picker", slot]
        plain = (callbacks.upload, callbacks.pick, callbacks.remove)
        upload, pick, remove = (partial(errors_shown()(function), slot) for function in plain)
        for kind, event in (("file", "upload"), ("camera", "input")):
            source = parts[kind, slot]
            shown = {"api_name": f"{which}_{kind}"} if kind == "file" else PRIVATE
            done = getattr(source, event)(upload, [session, source], [session, source, found, picker], **READ, **shown)
            done.success(**page.redraw())
            done.failure(lambda: None, None, source, **QUICK)
        picker.input(pick, [session, picker], found, **QUICK).success(**page.redraw())
        parts["remove", slot].click(remove, session, [found, picker], **QUICK).success(**page.redraw())


def _connect_map(page: _Page) -> None:
    parts = page.parts
    select = page.redraw(lambda event: {"selected": tuple(event.ids)[:MAX_SELECTED]}) | CUSTOM
    choose = page.redraw(lambda event: {"chosen": event.id}) | CUSTOM
    for plot in parts["maps"]:
        plot.points(**select)
    for source in (*parts["maps"], parts["gallery"]):
        source.face(**choose)
    for button in (parts["escape"], parts["clear"]):
        button.click(**page.redraw(selected=()))
    shown = [page.session, parts["folder"], parts["folder_message"]]
    use = errors_shown()(callbacks.use_photographs)
    used = parts["folder"].upload(use, shown[:2], shown, **READ, **PRIVATE)
    used.failure(lambda: None, None, parts["folder"], **QUICK)
    for done in (used, parts["remove_folder"].click(partial(use, files=None), page.session, shown, **PRIVATE)):
        done.success(**page.redraw(selected=(), chosen=0))


def _connect_buttons(page: _Page) -> None:
    parts = page.parts

    def generate(session: Session, time: float, *values: Any) -> Any:
        yield from callbacks.generate_faces(session, time, page.settings(values))

    shown = {"show_progress": "minimal", "trigger_mode": "always_last"} | PRIVATE
    parts["generate"].click(**page.timed(generate, outputs=parts["generated"]) | shown)

    @errors_shown()
    def figure(session: Session, time: float, name: str, *values: Any) -> str:
        return callbacks.make_figure(session, time, page.settings(values), name)

    parts["make"].click(**page.timed(figure, parts["figure"], outputs=[parts["files"]]) | PRIVATE)
    code = errors_shown()(callbacks.show_code)
    parts["cell_of"].change(code, [page.session, parts["cell_of"]], parts["code"], **QUICK)


def _connect_links(page: _Page, blocks: gr.Blocks) -> None:
    def shown(view: View, left: set[str]) -> list[Any]:
        tabs = gr.skip() if "tab" in left else gr.Tabs(selected=view.tab)
        return [tabs, *(gr.skip() if name in left else getattr(view, name) for name in page.controls)]

    @errors_shown()
    def open_link(request: gr.Request, session: Session, time: float) -> list[Any]:
        return shown(*callbacks.open_view(session, time, request.query_params.get("view"), ready=False))

    @errors_shown()
    def open_text(session: Session, time: float, text: str) -> list[Any]:
        return shown(*callbacks.open_view(session, time, text))

    everything: dict[str, Any] = {"outputs": [page.parts["tabs"], *page.controls.values()], "settings": False}
    blocks.load(**page.timed(open_link, **everything) | PRIVATE).success(**page.redraw())
    opened = page.timed(open_text, page.parts["saved"], **everything)
    page.parts["open"].click(**opened | PRIVATE).success(**page.redraw())

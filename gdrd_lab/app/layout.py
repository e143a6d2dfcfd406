"""The page of the app: its components and the events that connect them to ``callbacks``."""

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from gdrd_lab.app import callbacks, extras
from gdrd_lab.app.callbacks import errors_shown
from gdrd_lab.app.components import chart, charts, control, controls
from gdrd_lab.app.examples import examples_html
from gdrd_lab.app.methods import third_names
from gdrd_lab.app.page import CUSTOM, PRIVATE, QUICK, READ, UNDOCUMENTED, GuardedBlocks, Page
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import Tab, View
from gdrd_lab.app.tabs import map_layout
from gdrd_lab.app.tabs.download import FIGURES

HERE = Path(__file__).parent
NOTICE = (
    "For teaching and research only, **not** for identifying, accusing, admitting or watching anybody. Scores of faces "
    "this small are often wrong, and more often for some groups of people than for others. [How it works](#gdrd-about)"
)
PRIVACY = (
    '<p class="gdrd-keys">An upload is deleted as soon as it is read; the face stays in memory until at most an hour '
    "after the page is closed.</p>"
)
KEYS = (
    '<p class="gdrd-keys">Keys: the left and right arrows change the resolution. In the gallery and in a map, arrows '
    "go to the next face, Space (in the gallery also Shift with an arrow) selects it or not, and Escape clears the "
    "selection. In a map, Enter chooses the face.</p>"
)
TABS: dict[Tab, str] = {
    "compare": "Compare",
    "across": "Across resolutions",
    "search": "Search",
    "generate": "Super-resolution",
    "cam": "Where it looks",
    "map": "Embedding map",
    "download": "Download",
}
WORDS: dict[Tab, str] = {
    "compare": "Two faces at one resolution: what teacher and student say about them.",
    "across": "The same pair at every resolution: below its threshold, a method no longer knows the person.",
    "search": "Who is it? The first face, small, against the sharp faces of the gallery: the synthetic ones, or your "
    "photographs of the tab Embedding map.",
    "generate": "What a diffusion model, the generative teacher, makes of a small face. It invents what it adds, and "
    "more with every step: one step keeps most of the identity.",
    "cam": "The parts of a face that a score depends on. Maps of random weights beside them show what is chance.",
    "map": "Every face is a point: faces of one person should be close. The path shows one face as it shrinks.",
    "download": "Figures, the selection, the settings, and code that computes the numbers of a tab again.",
}
SLOTS = ("first", "second")


def build() -> gr.Blocks:
    """Build the page. Networks and thresholds are loaded first, so that it opens with its scores."""
    with GuardedBlocks(title="GDRD Lab", analytics_enabled=False, delete_cache=(60, 300)) as blocks:
        page = Page(gr.State(Session()), gr.Number(visible=False))
        gr.Markdown(f"# GDRD Lab: teacher and student across resolutions\n{NOTICE}", elem_id="gdrd-head")
        with gr.Group(elem_id="gdrd-bar"):
            page.controls |= controls("resolution")
        with gr.Tabs(elem_id="gdrd-tabs") as page.parts["tabs"]:
            for name, title in TABS.items():
                with gr.Tab(title, id=name, elem_id=f"gdrd-tab-{name}") as page.parts["tab", name]:
                    gr.HTML(f'<p class="gdrd-word">{WORDS[name]}</p>')
                    page.outputs += _LAYOUTS[name](page)
        assert len(page.outputs) == sum(callbacks.OUTPUTS.values())
        script = (HERE / "address.js").read_text(encoding="utf-8")
        page.outputs.append(gr.HTML(html_template="", js_on_load=script, elem_id="gdrd-address"))
        gr.HTML(KEYS + (HERE / "about.html").read_text(encoding="utf-8"), elem_id="gdrd-about")
        # Pressed by the script of the Escape key.
        page.parts["escape"] = gr.Button("Clear the selection", elem_id="gdrd-clear", elem_classes=["gdrd-hidden"])
        _connect_settings(page)
        _connect_uploads(page)
        _connect_pairs(page)
        map_layout.connect(page)
        _connect_buttons(page)
        _connect_links(page, blocks)
        extras.photographs_api()
        gr.api(errors_shown()(callbacks.compare_examples), api_name="compare")
    return blocks


def _compare(page: Page) -> list[Any]:
    start, parts = iter(callbacks.tab_content(View(), Session())), page.parts
    shown = [gr.HTML(next(start), elem_id="gdrd-verdict")]
    with gr.Row(elem_id="gdrd-first-screen"):
        with gr.Column(scale=6, min_width=300):
            with gr.Row(elem_id="gdrd-inputs"):
                for slot, which in enumerate(SLOTS):
                    with gr.Column(min_width=140, elem_id=f"gdrd-own-{which}"):
                        shown.append(gr.HTML(next(start)))
                        _upload(page, slot, which)
            gr.HTML(PRIVACY)
        with gr.Column(scale=7, min_width=300):
            shown.append(gr.HTML(next(start), elem_id="gdrd-scores"))
            shown.append(chart(next(start), name="gdrd-pair-curve", height=290))
            parts["part"] = gr.Button("Find where they part", size="sm", elem_id="gdrd-part")
            with gr.Row():
                page.controls |= controls("rate") | {"third": control("third", third_names())}
    script = (HERE / "pairs.js").read_text(encoding="utf-8")
    extras.blink()
    extras.live(page.session)
    parts["pairs"] = gr.HTML(examples_html(), js_on_load=script, elem_id="gdrd-pairs")
    with gr.Accordion("Other synthetic faces", open=False), gr.Row():
        page.controls |= controls(*SLOTS)
    with gr.Accordion("Degrade both faces further", open=False), gr.Row():
        page.controls |= controls("camera", "blur", "noise", "illumination", "occlusion", "jpeg", "seed")
    extras.many_pairs()
    extras.pair_list(page.session)
    shown.append(gr.HTML(next(start), elem_id="gdrd-received"))
    return shown + charts({"gdrd-histogram-teacher": next(start), "gdrd-histogram-student": next(start)}, 300)


def _upload(page: Page, slot: int, which: str) -> None:
    parts = page.parts
    label = f"{which.capitalize()} photograph"
    parts["file", slot] = gr.File(label=label, height=84, elem_id=f"gdrd-file-{which}")
    parts["found", slot] = gr.HTML()
    parts["picker", slot] = gr.Radio([], label="Which face, from left to right", visible=False)
    with gr.Row(elem_classes=["gdrd-buttons"]):
        paste = gr.Button("Paste", size="sm", min_width=60)
        parts["remove", slot] = gr.Button("Remove", size="sm", min_width=60)
    paste.click(None, js=f"() => window.gdrdPaste('{which}')", **PRIVATE)
    with gr.Accordion("Camera", open=False):
        label = f"{which.capitalize()} face from the camera"
        parts["camera", slot] = gr.Image(label=label, sources=["webcam"], type="filepath", height=220)


def _across(page: Page) -> list[Any]:
    shown = [gr.HTML(), chart(name="gdrd-curve", height=380)]
    page.controls |= controls("slow")
    return [*shown, gr.HTML(elem_id="gdrd-strip")]


def _generate(page: Page) -> list[Any]:
    with gr.Row():
        page.controls |= controls("whose", "steps", "noise_seed")
    page.parts["generate"] = gr.Button("Generate", variant="primary", elem_id="gdrd-generate")
    page.parts["generated"] = []
    with gr.Row():
        for name, scale, width in (("gdrd-seeds", 3, 300), ("gdrd-curtain", 2, 280)):
            with gr.Column(scale=scale, min_width=width):
                page.parts["generated"].append(gr.HTML(elem_id=name))
    return page.parts["generated"]


def _cam(page: Page) -> list[Any]:
    page.controls |= controls("target")
    return [gr.HTML(elem_id="gdrd-cam"), gr.HTML(), *charts({"gdrd-deletion": None, "gdrd-insertion": None}, 340)]


def _download(page: Page) -> list[Any]:
    parts = page.parts
    links = gr.HTML(elem_id="gdrd-state")
    with gr.Row():
        parts["figure"] = gr.Dropdown(list(FIGURES), value=FIGURES[0], label="Figure", filterable=False)
        parts["make"] = gr.Button("Make PNG and SVG", elem_id="gdrd-make")
    parts["files"] = gr.HTML(elem_id="gdrd-files")
    choice = [(title, name) for name, title in TABS.items() if name != "download"]
    parts["cell_of"] = gr.Dropdown(choice, value="compare", label="Notebook cell of the tab", filterable=False)
    parts["code"] = gr.Code(
        "# The cell of the tab", language="python", label="Notebook cell", wrap_lines=True, elem_id="gdrd-code"
    )
    with gr.Row():
        parts["saved"] = gr.Textbox(label="Open a saved view (JSON or link)", lines=2, elem_id="gdrd-saved")
        parts["open"] = gr.Button("Open", elem_id="gdrd-open")
    return [links, parts["code"], parts["files"]]


_LAYOUTS = dict(
    compare=_compare,
    across=_across,
    search=lambda page: [gr.HTML(elem_id="gdrd-search")],
    generate=_generate,
    cam=_cam,
    map=map_layout.place,
    download=_download,
)


def _connect_settings(page: Page) -> None:
    gr.on([item.change for item in page.controls.values()], **page.redraw())
    for name in TABS:
        page.parts["tab", name].select(**page.redraw(tab=name))
    for item in page.controls.values():
        if isinstance(item, gr.Number):  # a slider does this by itself
            inside = f"(value) => Math.min({item.maximum}, Math.max({item.minimum}, Math.round(value)))"
            gr.on([item.blur, item.submit], None, item, item, js=inside, **PRIVATE)


def _connect_pairs(page: Page) -> None:
    parts, controls = page.parts, page.controls
    uploaded = [parts[kind, slot] for kind in ("found", "picker") for slot in (0, 1)]

    @errors_shown()
    def show(event: gr.EventData, session: Session, time: float) -> list[Any]:
        pair = [int(number) for number in event.pair]
        callbacks.show_pair(session, time, *pair)
        return [*pair, View().rate, "", "", *[gr.Radio(choices=[], visible=False)] * 2]

    filled = [controls[name] for name in (*SLOTS, "resolution", "rate")] + uploaded
    chosen = parts["pairs"].pair(**page.timed(show, outputs=filled, settings=False) | CUSTOM)
    chosen.success(**page.redraw())

    @errors_shown()
    def part(session: Session, time: float, *values: Any) -> Any:
        return callbacks.part(session, time, page.settings(values))

    parts["part"].click(**page.timed(part, outputs=[controls["resolution"]]) | PRIVATE)


def _connect_uploads(page: Page) -> None:
    session, parts = page.session, page.parts
    for slot, which in enumerate(SLOTS):
        found, picker = parts["found", slot], parts["picker", slot]
        plain = (callbacks.upload, callbacks.pick, callbacks.remove)
        upload, pick, remove = (partial(errors_shown()(function), slot) for function in plain)
        for kind, event in (("file", "upload"), ("camera", "input")):
            source = parts[kind, slot]
            shown = {"api_name": f"{which}_{kind}"} | UNDOCUMENTED if kind == "file" else PRIVATE
            done = getattr(source, event)(upload, [session, source], [session, source, found, picker], **READ, **shown)
            done.success(**page.redraw())
            done.failure(lambda: None, None, source, **QUICK)
        picker.input(pick, [session, picker], found, **QUICK).success(**page.redraw())
        parts["remove", slot].click(remove, session, [found, picker], **QUICK).success(**page.redraw())


def _connect_buttons(page: Page) -> None:
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


def _connect_links(page: Page, blocks: gr.Blocks) -> None:
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
    link = blocks.load(**page.timed(open_link, **everything) | PRIVATE)
    for ended in (link.success, link.failure):
        ended(None, js="() => { document.documentElement.classList.remove('gdrd-loading'); }", **PRIVATE)
    link.success(**page.redraw())
    opened = page.timed(open_text, page.parts["saved"], **everything) | PRIVATE
    page.parts["open"].click(**opened).success(**page.redraw())

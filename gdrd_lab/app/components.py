"""Components of the page: the control of each setting that ``View`` declares, and charts drawn by the browser."""

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr
import plotly
from plotly.graph_objects import Figure

from gdrd_lab.app.state import View

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"  # which the app serves itself


def control(name: str, choices: Sequence[str] = ()) -> Any:
    """Return the control of one setting: a slider, a number field, a check box or a choice."""
    item = next(item for item in fields(View) if item.name == name)
    rules = item.metadata
    common: dict[str, Any] = {"value": item.default, "elem_id": f"gdrd-{name}", "label": rules["label"]}
    if isinstance(item.default, bool):
        return gr.Checkbox(**common)
    if choices or "choices" in rules:
        return gr.Radio(list(choices or rules["choices"]), min_width=260, **common)
    low, high = rules["range"]
    if rules["step"] is None:
        return gr.Number(precision=0, minimum=low, maximum=high, min_width=120, **common)
    if rules["marks"]:
        return size_slider(low, high, rules["step"], rules["marks"], **common)
    return gr.Slider(low, high, step=rules["step"], min_width=180, **common)


def size_slider(low: float, high: float, step: float, marks: Sequence[int], *, label: str, **common: Any) -> gr.HTML:
    """Return a logarithmic slider with a number field and marks, which are buttons."""
    share = [math.log(mark / low) / math.log(high / low) for mark in marks]
    places = zip(marks, share, strict=True)
    buttons = "".join(f'<button type="button" style="--at:{at:.4f}">{mark}</button>' for mark, at in places)
    slider = f'<input type="range" min="0" max="1" step="any" data-step="{step}" aria-label="{label}">'
    template = (
        f'<div class="gdrd-size"><label>{label} <input type="number" min="{low}" max="{high}" step="1"></label>'
        f"<div>{slider}{buttons}</div></div>"
    )
    script = Path(__file__).with_name("slider.js").read_text(encoding="utf-8")
    return gr.HTML(html_template=template, js_on_load=script, **common)


def controls(*names: str) -> dict[str, Any]:
    """Return the controls of several settings by name."""
    return {name: control(name) for name in names}


def chart_value(figure: Figure, description: str) -> str:
    """Return the value of a ``chart``: a plotly figure, and its description for screen readers."""
    content = figure.to_dict()
    return json.dumps({"data": content["data"], "layout": content["layout"], "description": description})


def chart(value: str | None = None, *, name: str, height: int) -> gr.HTML:
    """Place a chart. A lasso sends the event "points" with {ids}; a click on a point sends "face" with {id}."""
    attributes = f'role="img" aria-label="chart, loading" style="min-height:{height}px"'
    return gr.HTML(
        value,
        html_template=f'<div class="gdrd-chart" {attributes}></div><div class="gdrd-peek" aria-live="polite"></div>',
        js_on_load=Path(__file__).with_name("chart.js").read_text(encoding="utf-8"),
        head=f'<script src="/gradio_api/file={PLOTLY}"></script>',
        elem_id=name,
        elem_classes=["gdrd-chart-box"],
    )


def charts(values: dict[str, str | None], height: int) -> list[gr.HTML]:
    """Place charts side by side: values by name."""
    shown = []
    with gr.Row():
        for name, value in values.items():
            with gr.Column(min_width=300):
                shown.append(chart(value, name=name, height=height))
    return shown

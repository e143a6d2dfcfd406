"""A chart on the page: plotly drawn in the browser from a figure's JSON, with words for screen readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SCRIPT = Path(__file__).with_name("chart.js")


def plotly_file() -> Path:
    """Return plotly's own script, which the page serves itself."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def chart_value(figure: Figure, words: str) -> str:
    """Return what a ``chart`` shows: the figure, and what it says in words."""
    content = figure.to_dict()
    return json.dumps({"data": content["data"], "layout": content["layout"], "words": words})


def chart(value: str | None = None, *, name: str, height: int) -> gr.HTML:
    """Place a chart; lassoed points arrive as the event "points" {ids}, a click on one as "face" {id}."""
    return gr.HTML(
        value,
        html_template=(
            f'<div class="gdrd-chart" role="img" aria-label="chart, being drawn" style="min-height:{height}px"></div>'
        ),
        js_on_load=SCRIPT.read_text(),
        head=f'<script src="/gradio_api/file={plotly_file()}"></script>',
        elem_id=name,
        elem_classes=["gdrd-chart-box"],
    )

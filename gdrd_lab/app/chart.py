"""Charts: the browser draws a plotly figure from its JSON; a description is read by screen readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SCRIPT = Path(__file__).with_name("chart.js")


def plotly_file() -> Path:
    """Return the script of plotly, which the app serves itself."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def chart_value(figure: Figure, description: str) -> str:
    """Return the value of a ``chart``: the figure and its description."""
    content = figure.to_dict()
    return json.dumps({"data": content["data"], "layout": content["layout"], "description": description})


def chart(value: str | None = None, *, name: str, height: int) -> gr.HTML:
    """Place a chart. A lasso sends the event "points" with {ids}; a click on a point sends "face" with {id}."""
    return gr.HTML(
        value,
        html_template=(
            f'<div class="gdrd-chart" role="img" aria-label="chart, loading" style="min-height:{height}px"></div>'
        ),
        js_on_load=SCRIPT.read_text(encoding="utf-8"),
        head=f'<script src="/gradio_api/file={plotly_file()}"></script>',
        elem_id=name,
        elem_classes=["gdrd-chart-box"],
    )

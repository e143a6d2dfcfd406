"""Outputs with two forms: a live widget in JupyterLab, and a picture with alt text in HTML and on GitHub."""

import base64
import html
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from IPython import display as ipython
from ipywidgets import DOMWidget
from matplotlib.figure import Figure

from gdrd_lab.plots import alt_text, render

VIEW = "application/vnd.jupyter.widget-view+json"
# JupyterLab shows no widget of a saved notebook, only an error in its place. So the static form is an output of its
# own, which follows the widget's. This style hides it while the widget lives, and hides a widget that does not.
STYLE = """<style class="gdrd-style">
.jp-OutputArea-child:has(.gdrd-live) + .jp-OutputArea-child,
.lm-Panel.jp-OutputArea-output:not(:has(*)),
.jp-OutputArea-child:has(> .jp-OutputArea-output > .gdrd-style) { display: none; }
</style>"""
DOTS_PER_INCH = 100  # on the page; files have twice as many


def shown_width(figure: Figure) -> int:
    """Return the width in pixels that a figure has on the page."""
    return round(figure.get_figwidth() * DOTS_PER_INCH)


def show(figure: Figure, widget: DOMWidget | None = None) -> None:
    """Display a figure as a picture with alt text; JupyterLab shows ``widget`` instead while it lives, if given."""
    if widget:
        _show_live(widget)
    text, picture = alt_text(figure), base64.b64encode(render(figure, "png")).decode()
    data = {"image/png": picture, "text/plain": text}
    ipython.display(data, metadata={"image/png": {"width": shown_width(figure), "alt": text}}, raw=True)


def show_text(widget: DOMWidget, text: str) -> None:
    """Display a widget that has no picture; HTML, GitHub and a reopened notebook show ``text`` instead."""
    _show_live(widget)
    page = f"<p>{html.escape(text)}</p>"
    ipython.display({"text/html": page, "text/plain": text}, raw=True)


def _show_live(widget: DOMWidget) -> None:
    """Display a widget; the next output is its static form."""
    widget.add_class("gdrd-live")
    style = {"text/html": STYLE}
    for data in (style, style | {VIEW: widget._repr_mimebundle_()[VIEW]}):
        ipython.display(data, raw=True)


def source(function: Callable[..., Any] | type) -> None:
    """Display the source of a function or class of gdrd_lab."""
    where = f"{function.__module__}.{function.__qualname__}"
    code = textwrap.dedent(inspect.getsource(function)).rstrip()
    ipython.display(ipython.Markdown(f"`{where}`\n\n```python\n{code}\n```"))

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
DOTS_PER_INCH = 100  # on the page; files have twice as many


def shown_width(figure: Figure) -> int:
    """Return the width in pixels that a figure has on the page."""
    return round(figure.get_figwidth() * DOTS_PER_INCH)


def show(figure: Figure, widget: DOMWidget | None = None) -> None:
    """Display a figure as a picture with alt text; JupyterLab shows ``widget`` instead, if given."""
    text, picture = alt_text(figure), base64.b64encode(render(figure, "png")).decode()
    data = {"image/png": picture, "text/plain": text} | ({VIEW: widget._repr_mimebundle_()[VIEW]} if widget else {})
    ipython.display(data, metadata={"image/png": {"width": shown_width(figure), "alt": text}}, raw=True)


def show_text(widget: DOMWidget, text: str) -> None:
    """Display a widget that has no picture; HTML and GitHub show ``text`` instead."""
    page = f"<p>{html.escape(text)}</p>"
    ipython.display({VIEW: widget._repr_mimebundle_()[VIEW], "text/html": page, "text/plain": text}, raw=True)


def source(function: Callable[..., Any] | type) -> None:
    """Display the source of a function or class of gdrd_lab."""
    where = f"{function.__module__}.{function.__qualname__}"
    code = textwrap.dedent(inspect.getsource(function)).rstrip()
    ipython.display(ipython.Markdown(f"`{where}`\n\n```python\n{code}\n```"))

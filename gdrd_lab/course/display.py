"""Outputs with two forms: a live widget in JupyterLab, and a picture with alt text in HTML and on GitHub."""

from __future__ import annotations

import base64
import html
import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gdrd_lab.plots import alt_text, render

if TYPE_CHECKING:
    from ipywidgets import DOMWidget
    from matplotlib.figure import Figure

VIEW = "application/vnd.jupyter.widget-view+json"
DOTS_PER_INCH = 100  # on the page; files have twice as many


def shown_width(figure: Figure) -> int:
    """Return the width in pixels that a figure has on the page."""
    return round(figure.get_figwidth() * DOTS_PER_INCH)


def show(figure: Figure, widget: DOMWidget | None = None) -> None:
    """Display a figure as a picture with alt text; JupyterLab shows ``widget`` instead, if given."""
    from IPython.display import display

    text = alt_text(figure)
    data: dict[str, Any] = {
        "image/png": base64.b64encode(render(figure, "png")).decode(),
        "text/plain": text,
    }
    if widget is not None:
        data[VIEW] = view(widget)
    display(data, metadata={"image/png": {"width": shown_width(figure), "alt": text}}, raw=True)


def show_text(widget: DOMWidget, text: str) -> None:
    """Display a widget that has no picture; HTML and GitHub show ``text`` instead."""
    from IPython.display import display

    page = f"<p>{html.escape(text)}</p>"
    display({VIEW: view(widget), "text/html": page, "text/plain": text}, raw=True)


def view(widget: DOMWidget) -> dict[str, Any]:
    """Return the data by which a notebook shows a widget."""
    return dict(widget._repr_mimebundle_()[VIEW])


def source(function: Callable[..., Any] | type) -> None:
    """Display the source of a function or class of gdrd_lab."""
    from IPython.display import Markdown, display

    where = f"{function.__module__}.{function.__qualname__}"
    display(Markdown(f"`{where}`\n\n```python\n{textwrap.dedent(inspect.getsource(function)).rstrip()}\n```"))

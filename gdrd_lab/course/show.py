"""One output with two forms: a live widget in JupyterLab, and a picture with alt text on GitHub and in HTML."""

from __future__ import annotations

import base64
import html
import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gdrd_lab.plots.figures import alt_text, render

if TYPE_CHECKING:
    from ipywidgets import DOMWidget
    from matplotlib.figure import Figure

VIEW = "application/vnd.jupyter.widget-view+json"
DOTS_PER_INCH = 100  # on the page; files have twice as many


def shown_width(figure: Figure) -> int:
    """Return the width in pixels that a figure has on the page."""
    return round(figure.get_figwidth() * DOTS_PER_INCH)


def show(figure: Figure, widget: DOMWidget | None = None) -> None:
    """Display a figure as a picture with its alt text; where a live widget is given, JupyterLab shows that instead.

    Args:
        figure: from gdrd_lab.plots.figures or gdrd_lab.course.plots; what GitHub and the HTML site show.
        widget: its live form.
    """
    from IPython.display import display

    words = alt_text(figure)
    data: dict[str, Any] = {
        "image/png": base64.b64encode(render(figure, "png")).decode(),
        "text/plain": words,
    }
    if widget is not None:
        data[VIEW] = view(widget)
    display(data, metadata={"image/png": {"width": shown_width(figure), "alt": words}}, raw=True)


def show_words(widget: DOMWidget, words: str) -> None:
    """Display a widget that has no picture; GitHub and the HTML site show ``words`` instead."""
    from IPython.display import display

    page = f"<p>{html.escape(words)}</p>"
    display({VIEW: view(widget), "text/html": page, "text/plain": words}, raw=True)


def view(widget: DOMWidget) -> dict[str, Any]:
    """Return what a notebook stores to show a widget."""
    return dict(widget._repr_mimebundle_()[VIEW])


def source(function: Callable[..., Any] | type) -> None:
    """Display the source of a function or class of gdrd_lab, as the package has it."""
    from IPython.display import Markdown, display

    where = f"{function.__module__}.{function.__qualname__}"
    display(Markdown(f"`{where}`\n\n```python\n{textwrap.dedent(inspect.getsource(function)).rstrip()}\n```"))

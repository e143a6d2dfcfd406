"""The page under construction, and how its events call ``callbacks`` with the session and every setting."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from gdrd_lab.app import callbacks
from gdrd_lab.app.callbacks import errors_shown
from gdrd_lab.app.session import Session
from gdrd_lab.app.state import typed

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
UNDOCUMENTED: dict[str, Any] = {"api_visibility": "undocumented"}  # programs may call it, but it is no tool of MCP
# Quick events show no spinner; of a dragged slider only the last position counts.
QUICK = PRIVATE | {"show_progress": "hidden", "trigger_mode": "always_last"}
# An upload is not ignored while another is read. Gradio would make an empty file of each.
READ: dict[str, Any] = {"trigger_mode": "multiple", "preprocess": False}
CUSTOM = QUICK | {"trigger_mode": "multiple"}  # "always_last" would repeat the first payload of a custom event


class GuardedBlocks(gr.Blocks):
    """Blocks that answer inputs of a wrong type in a sentence."""

    async def preprocess_data(self, *inputs: Any, **options: Any) -> Any:
        """Answer inputs of a wrong type, which only programs can send, in a sentence."""
        try:
            return await super().preprocess_data(*inputs, **options)
        except (ValueError, TypeError, AttributeError) as error:
            what = "An input is missing or has the wrong type. Give what the page of the API names."
            raise gr.Error(what, print_exception=False) from error


@dataclass
class Page:
    """The page: its components, and what connects them."""

    session: gr.State
    time: gr.Number  # when the page sent an event, in ms
    controls: dict[str, Any] = field(default_factory=dict)  # of the settings that have one, by name
    parts: dict[Any, Any] = field(default_factory=dict)  # the other components that events need
    outputs: list[Any] = field(default_factory=list)  # what a redraw fills, in the order of ``callbacks.OUTPUTS``

    def timed(self, function: Any, *first: Any, outputs: list[Any], settings: bool = True) -> dict[str, Any]:
        """Return the arguments of an event that calls ``function(session, time, *first, *settings)``."""
        inputs = [self.session, self.time, *first, *(self.controls.values() if settings else ())]
        # Chromium's clock counts in steps of 0.1 ms, and Gradio sends several events in one: no two have the same time.
        at = "window.gdrdTime = Math.max(performance.now(), (window.gdrdTime || 0) + 0.001)"
        sent = f"(...all) => {{ all.length = {len(inputs)}; all[1] = {at}; return all; }}"
        return {"fn": function, "inputs": inputs, "outputs": outputs, "js": sent, "preprocess": False}

    def settings(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Return the values of all controls by name."""
        return {name: typed(name, value) for name, value in zip(self.controls, values, strict=True)}

    def redraw(self, read: Callable[[Any], dict[str, Any]] | None = None, **changed: Any) -> dict[str, Any]:
        """Return the arguments of an event that changes settings, or reads them from the event, and draws the tab."""

        @errors_shown()
        def refresh(event: gr.EventData, session: Session, time: float, *values: Any) -> list[Any]:
            found = read(event) if read else changed
            when = float(event.at) if read else time  # Gradio reads the clock later, when it sends an event
            return callbacks.refresh(session, when, self.settings(values) | found)

        return self.timed(refresh, outputs=self.outputs) | QUICK | {"concurrency_id": "redraw"}

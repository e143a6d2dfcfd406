"""The control of each setting, built from the label, range and choices that ``View`` declares."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import gradio as gr

from gdrd_lab.app.state import View


def control(name: str) -> Any:
    """Return the control of one setting: a slider, a number field, a check box or a choice."""
    item = next(item for item in fields(View) if item.name == name)
    rules, common = item.metadata, {"value": item.default, "elem_id": f"gdrd-{name}"}
    label = rules["label"]
    if isinstance(item.default, bool):
        return gr.Checkbox(label=label, **common)
    if "choices" in rules:
        return gr.Radio(list(rules["choices"]), label=label, min_width=260, **common)
    low, high = rules["range"]
    if rules["step"] is None:
        return gr.Number(label=label, precision=0, minimum=low, maximum=high, min_width=120, **common)
    return gr.Slider(low, high, step=rules["step"], label=label, min_width=180, **common)


def controls(*names: str) -> dict[str, Any]:
    """Return the controls of several settings by name."""
    return {name: control(name) for name in names}

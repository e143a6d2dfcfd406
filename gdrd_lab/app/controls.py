"""The page's controls, one per value of a ``View``."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr

from gdrd_lab.app.state import LARGEST, LAST_EXAMPLE, REAL, SMALLEST, WHOLE, Colour, Method, Target, View, Whose

FRESH = View()


def resolution_slider() -> gr.Slider:
    """Return the one slider that moves everything."""
    return gr.Slider(
        SMALLEST,
        LARGEST,
        value=FRESH.resolution,
        step=2,
        label="Resolution (pixels on a side)",
        elem_id="gdrd-resolution",
    )


def example_slider(which: str) -> gr.Slider:
    """Return the slider that chooses an embedded face."""
    return gr.Slider(
        0,
        LAST_EXAMPLE,
        value=getattr(FRESH, which),
        step=1,
        label=f"{which.capitalize()} embedded face (3 of each of 20 people)",
        elem_id=f"gdrd-{which}",
    )


def degradation_controls() -> dict[str, Any]:
    """Return the controls of what happens to the faces besides their resolution."""
    words = {
        "blur": "Blur (px at 112)",
        "noise": "Noise",
        "illumination": "Uneven light",
        "occlusion": "Occluded share",
    }
    made: dict[str, Any] = {}
    for name, (low, high) in REAL.items():
        made[name] = gr.Slider(low, high, value=0, step=0.01 if high <= 1 else 0.1, label=words[name], min_width=150)
    made["jpeg"] = gr.Slider(0, 95, value=0, step=5, label="JPEG quality (0: none)", min_width=150)
    made["seed"] = _number("seed", "Seed of what is random")
    return made


def generate_controls() -> dict[str, Any]:
    """Return the controls of super-resolution."""
    return {
        "whose": gr.Radio(list(get_args(Whose)), value=FRESH.whose, label="Face (also for attention)"),
        "steps": gr.Slider(1, 20, value=FRESH.steps, step=1, label="Denoising steps"),
        "noise_seed": _number("noise_seed", "First of four seeds"),
    }


def attention_controls() -> dict[str, Any]:
    """Return the control of attention."""
    choice = list(get_args(Target))
    return {"target": gr.Radio(choice, value=FRESH.target, label="What in the face makes it like")}


def map_controls() -> dict[str, Any]:
    """Return the controls of the embedding map."""
    return {
        "method": gr.Radio(list(get_args(Method)), value=FRESH.method, label="Map (UMAP takes 20 s the first time)"),
        "colour": gr.Radio(list(get_args(Colour)), value=FRESH.colour, label="Colour by"),
        "map_seed": _number("map_seed", "UMAP's seed"),
    }


def across_controls() -> dict[str, Any]:
    """Return the control of the curves."""
    return {
        "slow": gr.Checkbox(FRESH.slow, label="Also slower methods: SFace on super-resolved faces; dlib if installed")
    }


def _number(name: str, label: str) -> gr.Number:
    low, high = WHOLE[name]
    return gr.Number(getattr(FRESH, name), label=label, precision=0, minimum=low, maximum=high, min_width=120)

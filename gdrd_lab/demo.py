"""The page of the app: Gradio components around functions of the package."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

# Set before Gradio is imported: no look-ups of outside hosts.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
import numpy as np

from gdrd_lab.compare import Comparison, compare, shown, thresholds
from gdrd_lab.errors import GdrdError
from gdrd_lab.faces.align import Aligner
from gdrd_lab.faces.embedded import embedded_faces
from gdrd_lab.faces.faceset import FaceSet
from gdrd_lab.images import read_image
from gdrd_lab.methods import open_recogniser
from gdrd_lab.teachers.recogniser import Recogniser

RESOLUTIONS = (6, 8, 12, 16, 24, 32, 64, 112)
FAR = 0.01
NOTICE = (
    "For teaching and research only. Nothing you upload is kept after your session. Scores from faces this small are "
    "often wrong: never use them to identify, accuse or admit a person."
)


@lru_cache(maxsize=1)
def recognisers() -> tuple[Recogniser, ...]:
    """Load the teacher and the shipped student once."""
    return open_recogniser("sface"), open_recogniser("student")


@lru_cache(maxsize=1)
def aligner() -> Aligner:
    """Load the face detector once."""
    return Aligner()


@lru_cache(maxsize=1)
def examples() -> FaceSet:
    """Return the embedded faces that the page offers, nobody's photographs."""
    return embedded_faces(identities=20, per_identity=3, size=112, seed=0)


@lru_cache(maxsize=1)
def calibration() -> dict[str, dict[int, float]]:
    """Return each recogniser's threshold per resolution at FAR on the embedded faces."""
    return {recogniser.name: thresholds(recogniser, examples(), RESOLUTIONS, FAR) for recogniser in recognisers()}


def aligned(upload: str | None, example: int) -> np.ndarray:
    """Return the face to compare, uint8 (112, 112, 3): the upload's largest face, or an example where there is none."""
    if upload is None:
        return examples()[int(example)]
    return aligner().align(read_image(upload), which="largest")


def table(comparison: Comparison, resolution: int) -> list[list[str]]:
    """Return the rows of the score table at one resolution: method, score, threshold, how it reads.

    Between the calibrated resolutions the threshold is interpolated.
    """
    place = comparison.resolutions.index(resolution)
    rows = []
    for name, scores in comparison.scores.items():
        limit = float(np.interp(resolution, RESOLUTIONS, [calibration()[name][r] for r in RESOLUTIONS]))
        position = "above" if scores[place] >= limit else "below"
        rows.append([name, f"{scores[place]:.3f}", f"{limit:.3f}", f"{position} threshold"])
    return rows


def view(first: str | None, second: str | None, first_example: int, second_example: int, side: int) -> tuple[Any, ...]:
    """Return what the page shows: both faces as seen at the resolution, the score table and the curve.

    Raises:
        gr.Error: an upload cannot be used; the message says why and what to do.
    """
    from gdrd_lab.figures import Curve, accuracy_curves

    try:
        faces = aligned(first, first_example), aligned(second, second_example)
    except GdrdError as error:
        raise gr.Error(str(error), duration=None) from error
    resolution = int(side)
    comparison = compare(*faces, recognisers(), sorted({*RESOLUTIONS, resolution}))
    curves = [Curve(name, "this pair", comparison.resolutions, scores) for name, scores in comparison.scores.items()]
    figure = accuracy_curves(curves, title="Score of this pair across resolutions", metric="cosine score", chance=None)
    seen = [shown(face, resolution) for face in faces]
    return *seen, f"### Both faces at {resolution} x {resolution} pixels", table(comparison, resolution), figure


def build() -> gr.Blocks:
    """Build the page, with models and thresholds ready."""
    calibration()
    with gr.Blocks(title="GDRD Lab", analytics_enabled=False, delete_cache=(600, 600)) as page:
        gr.Markdown(f"# GDRD Lab: teacher and student across resolutions\n{NOTICE}")
        side = gr.Slider(RESOLUTIONS[0], RESOLUTIONS[-1], value=16, step=2, label="Resolution in pixels on a side")
        heading = gr.Markdown()
        with gr.Row():
            uploads, numbers, pictures = [], [], []
            for name, start in (("First", 0), ("Second", 1)):
                with gr.Column():
                    pictures.append(
                        gr.Image(
                            label=f"{name} face, as the networks get it",
                            interactive=False,
                            height=240,
                            buttons=["fullscreen"],
                        )
                    )
                    uploads.append(
                        gr.Image(
                            label=f"{name} photograph (optional)",
                            type="filepath",
                            sources=["upload", "webcam", "clipboard"],
                            height=180,
                        )
                    )
                    last = len(examples()) - 1
                    numbers.append(
                        gr.Slider(0, last, value=start, step=1, label=f"{name} embedded face (3 of each identity)")
                    )
        with gr.Row():
            scores = gr.Dataframe(
                headers=["method", "score", "threshold", "reading"],
                label=f"Scores; thresholds at a false match rate of {FAR:.0%}",
                interactive=False,
                wrap=True,
            )
            curve = gr.Plot(label="Score across resolutions", show_label=False)
        inputs = [*uploads, *numbers, side]
        outputs = [*pictures, heading, scores, curve]
        gr.on(
            [page.load, *(item.change for item in inputs)],
            view,
            inputs,
            outputs,
            show_progress="hidden",
            api_name="compare",
        )
    return page

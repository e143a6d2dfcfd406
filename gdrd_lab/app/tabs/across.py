"""Tab "Across resolutions": the score of the pair by every method as a curve, and the inputs as a strip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.app.components import chart_value
from gdrd_lab.app.gallery import Face, once, recognisers
from gdrd_lab.app.html import notes, picture, picture_link, row
from gdrd_lab.app.methods import methods
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs.generate import generative
from gdrd_lab.app.verdict import known_pairs, outside
from gdrd_lab.evaluation.calibration import RESOLUTIONS
from gdrd_lab.evaluation.compare import Comparison, compare
from gdrd_lab.plots import Curve, accuracy_curves, curve_plot, face_strip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Score of this pair across resolutions"


@once
def slow_recognisers() -> tuple[Any, ...]:
    """Return SFace on super-resolved faces (one step, its best setting)."""
    from gdrd_lab.models.super_resolved import SuperResolved

    return (SuperResolved(generative(), recognisers()[0]),)


def compared(view: View, first: Face, second: Face) -> Comparison:
    """Score the pair with every method at the calibrated resolutions and the view's own."""
    compared = (*methods(view), *(slow_recognisers() if view.slow else ()))
    sizes = sorted({*RESOLUTIONS, view.resolution})
    return compare(first, second, compared, sizes, view.degradation, view.seeds, embed=Face.embedding)


def show(view: View, first: Face, second: Face) -> tuple[str, ...]:
    """Return the content of the tab: remarks (HTML), the curves (chart) and the strip of inputs (HTML)."""
    chart = curve_chart(view, first, second)
    return notes(outside(view, first, second)), chart, strip(view, first, second)


def curve_chart(view: View, first: Face, second: Face, height: int = 380) -> str:
    """Return the curves with the thresholds as a chart."""
    comparison = compared(view, first, second)
    known = known_pairs(view, first, second)
    limits = [Curve(name, "threshold", c.resolutions, c.thresholds(view.far)) for name, c in known.items()]
    figure = curve_plot(_curves(comparison), limits=limits, marked=view.resolution, title=TITLE, height=height)
    scores = "; ".join(
        f"{name}: " + ", ".join(f"{v:.2f} at {r} px" for r, v in zip(comparison.resolutions, values, strict=True))
        for name, values in comparison.scores.items()
    )
    return chart_value(figure, f"{TITLE}. {scores}.")


def strip(view: View, first: Face, second: Face) -> str:
    """Return both faces at the calibrated resolutions; the one nearest to the slider is framed."""
    nearest = min(RESOLUTIONS, key=lambda size: abs(size - view.resolution))
    parts = []
    for title, images in _strips(view, first, second).items():
        css = ["pixelated marked" if size == nearest else "pixelated" for size in RESOLUTIONS]
        shown = zip(RESOLUTIONS, images, css, strict=True)
        parts.append(row([picture(picture_link(image), f"{size} px", 92, c) for size, image, c in shown], title))
    return "".join(parts)


def curves_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the curves as a file."""
    return accuracy_curves(_curves(compared(view, first, second)), title=TITLE, metric="cosine score", chance=None)


def strip_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the strip as a file."""
    columns = [f"{size} px" for size in RESOLUTIONS]
    return face_strip(_strips(view, first, second), columns, title="Both faces across resolutions")


def _strips(view: View, first: Face, second: Face) -> dict[str, list[np.ndarray]]:
    return {
        title: [face.degraded(replace(view.degradation, resolution=size), seed) for size in RESOLUTIONS]
        for title, face, seed in zip(("First face", "Second face"), (first, second), view.seeds, strict=True)
    }


def _curves(comparison: Comparison) -> list[Curve]:
    return [Curve(name, "this pair", comparison.resolutions, values) for name, values in comparison.scores.items()]

"""Tab "Across resolutions": every method's score of the pair as a curve, and the inputs as a strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdrd_lab.app import models
from gdrd_lab.app.chart import chart_value
from gdrd_lab.app.face import Face, compare_faces
from gdrd_lab.app.html import notes, picture, picture_link, row
from gdrd_lab.app.reading import outside
from gdrd_lab.app.state import View
from gdrd_lab.evaluation.calibration import FAR, RESOLUTIONS
from gdrd_lab.evaluation.compare import Comparison
from gdrd_lab.plots.figures import Curve, accuracy_curves, face_strip
from gdrd_lab.plots.interactive import curve_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Score of this pair across resolutions"


def methods(view: View) -> Sequence[Any]:
    """Return the recognisers compared: teacher and student, and the slower ones where they are asked for."""
    return (*models.recognisers(), *(models.slow_recognisers() if view.slow else ()))


def compared(view: View, first: Face, second: Face) -> Comparison:
    """Score the pair with every method at the calibrated resolutions and the view's own."""
    sizes = sorted({*RESOLUTIONS, view.resolution})
    return compare_faces(first, second, methods(view), sizes, view.degradation, view.seeds)


def show(view: View, first: Face, second: Face) -> tuple[str, ...]:
    """Return what the tab shows: remarks (HTML), the curves (chart) and the strip of inputs (HTML)."""
    comparison = compared(view, first, second)
    limits = [Curve(name, "threshold", c.resolutions, c.thresholds(FAR)) for name, c in models.calibrations().items()]
    figure = curve_plot(_curves(comparison), limits=limits, marked=view.resolution, title=TITLE)
    words = "; ".join(
        f"{name}: " + ", ".join(f"{v:.2f} at {r} px" for r, v in zip(comparison.resolutions, values, strict=True))
        for name, values in comparison.scores.items()
    )
    return notes(outside(view, first, second)), chart_value(figure, f"{TITLE}. {words}."), strip(view, first, second)


def strip(view: View, first: Face, second: Face) -> str:
    """Return both faces at the calibrated resolutions, the one nearest to the slider's framed."""
    nearest = min(RESOLUTIONS, key=lambda size: abs(size - view.resolution))
    parts = []
    for title, face, seed in (("First", first, view.seeds[0]), ("Second", second, view.seeds[1])):
        pictures = []
        for size in RESOLUTIONS:
            link = picture_link(face.small(replace(view.degradation, resolution=size), seed))
            css = "sharp marked" if size == nearest else "sharp"
            pictures.append(picture(link, f"{size} px", 92, css))
        parts.append(row(pictures, f"{title} face"))
    return "".join(parts)


def curves_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the curves as a file."""
    return accuracy_curves(_curves(compared(view, first, second)), title=TITLE, metric="cosine score", chance=None)


def strip_figure(view: View, first: Face, second: Face) -> Figure:
    """Draw the strip as a file."""
    rows = {
        title: [face.small(replace(view.degradation, resolution=size), seed) for size in RESOLUTIONS]
        for title, face, seed in (("first", first, view.seeds[0]), ("second", second, view.seeds[1]))
    }
    return face_strip(rows, [f"{size} px" for size in RESOLUTIONS], title="Both faces across resolutions")


def _curves(comparison: Comparison) -> list[Curve]:
    return [Curve(name, "this pair", comparison.resolutions, values) for name, values in comparison.scores.items()]

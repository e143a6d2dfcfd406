"""Tab "Compare": two faces as the networks see them, their scores, and the known pairs these are read against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdrd_lab.app import models
from gdrd_lab.app.chart import chart_value
from gdrd_lab.app.face import Face, compare_faces
from gdrd_lab.app.html import notes, picture, picture_link, row, sides, table
from gdrd_lab.app.reading import HEADINGS, caption, hints, score_rows
from gdrd_lab.app.state import View
from gdrd_lab.datasets.base import to_images
from gdrd_lab.evaluation.compare import Comparison, reduced
from gdrd_lab.plots.figures import score_histogram
from gdrd_lab.plots.interactive import histogram_plot
from gdrd_lab.transforms.resize import resize

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def compared(view: View, first: Face, second: Face) -> Comparison:
    """Score the pair at the view's resolution with teacher and student."""
    return compare_faces(first, second, models.recognisers(), [view.resolution], view.degradation, view.seeds)


def show(view: View, first: Face, second: Face) -> tuple[str, ...]:
    """Return what the tab shows: inputs (HTML), scores (HTML), and the histogram of teacher and of student (charts)."""
    comparison = compared(view, first, second)
    rows = score_rows(comparison, view, models.calibrations())
    scores = notes(hints(view, first, second)) + table(HEADINGS, rows, caption())
    return inputs(view, first, second), scores, *(histogram(view, comparison, name) for name in comparison.scores)


def inputs(view: View, first: Face, second: Face) -> str:
    """Return the pictures of both faces: aligned, at the resolution, and as each network enlarges it."""
    parts = []
    for title, face, seed in (("First", first, view.seeds[0]), ("Second", second, view.seeds[1])):
        lr = reduced(face.image, view.degradation, seed)
        pictures = [picture(picture_link(face.image), f"{title} face, aligned ({face.name})")]
        pictures.append(
            picture(picture_link(to_images(lr)[0]), f"at {view.resolution} x {view.resolution} pixels", css="sharp")
        )
        for recogniser in models.recognisers():
            side = input_side(recogniser, view.resolution)
            pictures.append(
                picture(picture_link(to_images(resize(lr, side))[0]), f"{recogniser.name} sees {side} px", css="sharp")
            )
        parts.append(row(pictures, f"{title} face"))
    return sides(parts)


def input_side(recogniser: object, resolution: int) -> int:
    """Return the side that a network enlarges or reduces its input to; the resolution where it does not say."""
    found = getattr(recogniser, "input_size", None) or getattr(
        getattr(recogniser, "backbone", None), "input_size", None
    )
    return int(found or resolution)


def histogram(view: View, comparison: Comparison, name: str) -> str:
    """Return the chart of one method's known pairs with this pair marked."""
    known = models.calibrations()[name]
    (score,), size = comparison.scores[name], known.nearest(view.resolution)
    figure = histogram_plot(
        *known.pairs(view.resolution),
        known.threshold(view.resolution),
        marked=score,
        title=f"{name}: pairs at {size} px",
    )
    impostors, genuine = known.shares(view.resolution, score)
    words = (
        f"{name}: scores of known pairs at {size} pixels. This pair scores {score:.2f}; {impostors:.0%} of impostor "
        f"pairs and {genuine:.0%} of genuine pairs score as high or higher."
    )
    return chart_value(figure, words)


def histogram_figure(view: View, comparison: Comparison, name: str) -> Figure:
    """Draw the same as a file."""
    known = models.calibrations()[name]
    (score,), size = comparison.scores[name], known.nearest(view.resolution)
    limit, title = known.threshold(view.resolution), f"{name}: embedded pairs at {size} px"
    return score_histogram(*known.pairs(view.resolution), limit, marked=score, title=title)

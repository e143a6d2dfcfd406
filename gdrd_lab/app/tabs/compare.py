"""Tab "Compare": two faces as the networks receive them, their scores, and the pairs that give a score its meaning."""

from typing import Any

from matplotlib.figure import Figure

from gdrd_lab.app.components import chart_value
from gdrd_lab.app.gallery import Face, calibrations, recognisers
from gdrd_lab.app.html import columns, notes, picture, picture_link, row, table
from gdrd_lab.app.state import View
from gdrd_lab.datasets.base import to_images
from gdrd_lab.evaluation.calibration import FAR, RESOLUTIONS, Calibration
from gdrd_lab.evaluation.compare import Comparison, compare, reduced
from gdrd_lab.export.onnx import input_size
from gdrd_lab.plots import histogram_plot, score_histogram
from gdrd_lab.transforms.resize import resize

HEADINGS = ("method", "score", "threshold", "difference", "impostor pairs ≥ score", "genuine pairs ≥ score")
OUTSIDE = "Outside the calibrated range"
CAPTION = (
    f"Thresholds are set at a false match rate of {FAR:.0%}: one in {round(1 / FAR)} pairs of different synthetic "
    "people scores as high. The shares are those of synthetic pairs."
)


def compared(view: View, first: Face, second: Face) -> Comparison:
    """Score the pair at the view's resolution with teacher and student."""
    settings = ([view.resolution], view.degradation, view.seeds)
    return compare(first, second, recognisers(), *settings, embed=Face.embedding)


def show(view: View, first: Face, second: Face) -> tuple[str, ...]:
    """Return the content of the tab: inputs (HTML), scores (HTML), and the histograms of teacher and student."""
    comparison = compared(view, first, second)
    scores = notes(hints(view, first, second)) + table(HEADINGS, score_rows(comparison, view, calibrations()), CAPTION)
    return inputs(view, first, second), scores, *(histogram(view, comparison, name) for name in comparison.scores)


def score_rows(comparison: Comparison, view: View, known: dict[str, Calibration]) -> list[list[str]]:
    """Return a row of the table per method; a score is put beside known pairs and is never called a yes or a no."""
    place, rows = comparison.resolutions.index(view.resolution), []
    for name, scores in comparison.scores.items():
        score = scores[place]
        if name not in known:
            rows.append([name, f"{score:.3f}", "not calibrated", "-", "-", "-"])
            continue
        threshold = known[name].threshold(view.resolution)
        impostors, genuine = known[name].shares(view.resolution, score)
        difference = f"{abs(score - threshold):.3f} {'above' if score >= threshold else 'below'} the threshold"
        rows.append([name, f"{score:.3f}", f"{threshold:.3f}", difference, f"{impostors:.1%}", f"{genuine:.1%}"])
    return rows


def outside(view: View, first: Face, second: Face) -> list[str]:
    """Return why thresholds and shares do not hold for this pair; empty if they do."""
    reasons = []
    if first.example is None or second.example is None:
        reasons.append("the thresholds were measured on the synthetic faces, not on photographs")
    if view.degraded:
        reasons.append("the thresholds were measured without blur, noise, JPEG, uneven illumination or occlusion")
    for face in (first, second):
        if face.width is not None and face.width < view.resolution:
            reasons.append(f"{face.name} is only about {face.width} pixels wide in its file, so it was enlarged")
    return [f"{OUTSIDE}: {reason}." for reason in reasons]


def hints(view: View, first: Face, second: Face) -> list[str]:
    """Return the lines above the scores: ``outside``, identical pictures, and interpolated thresholds."""
    lines = outside(view, first, second)
    if first.image is second.image:
        lines.append("Both faces are the same picture, so the score compares an embedding with itself.")
    if view.resolution not in RESOLUTIONS:
        lines.append(
            f"Thresholds at {view.resolution} px are interpolated between the calibrated resolutions "
            f"({', '.join(map(str, RESOLUTIONS))} px); shares and histograms are those of the nearest one."
        )
    return lines


def inputs(view: View, first: Face, second: Face) -> str:
    """Return the pictures of both faces: aligned, at the resolution, and resized as each network receives it."""
    parts = []
    for title, face, seed in zip(("First face", "Second face"), (first, second), view.seeds, strict=True):
        lr = reduced(face.image, view.degradation, seed)
        shown = {f"at {view.resolution} x {view.resolution} pixels": lr}
        for model in recognisers():
            shown[f"{model.name} receives {input_size(model)} px"] = resize(lr, input_size(model))
        pictures = [picture(picture_link(to_images(x)[0]), text, css="pixelated") for text, x in shown.items()]
        parts.append(row([picture(picture_link(face.image), f"{title}, aligned ({face.name})"), *pictures], title))
    return columns(parts)


def histogram(view: View, comparison: Comparison, name: str) -> str:
    """Return the chart of the known pairs of one method with this pair marked."""
    (score,), shown = comparison.scores[name], _pairs(view, comparison, name)
    impostors, genuine = calibrations()[name].shares(view.resolution, score)
    description = (
        f"{shown['title']}. This pair scores {score:.2f}; {impostors:.0%} of impostor pairs and {genuine:.0%} of "
        "genuine pairs have this score or a higher one."
    )
    return chart_value(histogram_plot(**shown), description)


def histogram_figure(view: View, first: Face, second: Face, number: int) -> Figure:
    """Draw the histogram of recogniser ``number`` as a file."""
    comparison = compared(view, first, second)
    return score_histogram(**_pairs(view, comparison, list(comparison.scores)[number]))


def _pairs(view: View, comparison: Comparison, name: str) -> dict[str, Any]:
    known, (score,) = calibrations()[name], comparison.scores[name]
    scores, genuine = known.pairs(view.resolution)
    title = f"{name}: synthetic pairs at {known.nearest(view.resolution)} px"
    return dict(scores=scores, genuine=genuine, threshold=known.threshold(view.resolution), marked=score, title=title)

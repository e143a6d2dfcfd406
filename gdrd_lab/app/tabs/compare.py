"""Tab "Compare": two faces as the networks receive them, their scores, and the pairs that give a score its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.app.components import chart_value
from gdrd_lab.app.gallery import Face, recognisers
from gdrd_lab.app.html import columns, notes, picture, picture_link, row, table
from gdrd_lab.app.methods import methods
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs import across
from gdrd_lab.app.verdict import hints, known_pairs, sentence, synthetic
from gdrd_lab.datasets.base import to_images
from gdrd_lab.evaluation.calibration import KnownPairs
from gdrd_lab.evaluation.compare import Comparison, compare, reduced
from gdrd_lab.evaluation.real_people import ScoreCounts
from gdrd_lab.export.onnx import input_size
from gdrd_lab.plots import histogram_plot, score_histogram
from gdrd_lab.transforms.resize import resize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADINGS = ("method", "score", "threshold", "strangers as high", "one person as low", "likelihood ratio")
SYNTHETIC = "synthetic faces, which are drawn from a statistical model and show no real person"
REAL = (
    "real people of CelebA whom no student was trained on. Other people and cameras have other errors: strangers who "
    "look more alike, as children do, reach the threshold several times as often. The likelihood ratio says "
    "how many times as often pairs of one person have this score as strangers, with its 95% interval"
)


def caption(view: View, known: Mapping[str, KnownPairs]) -> str:
    """Return what the numbers of the table mean and whose pairs they were measured on."""
    return (
        f"At the threshold the false match rate is {view.far:.1%}: {view.rate} pairs of strangers scores as high. "
        f"All shares are of pairs of {SYNTHETIC if synthetic(known) else REAL}."
    )


def _ratio(known: KnownPairs, view: View, score: float) -> str:
    if not isinstance(known, ScoreCounts):
        return "-"
    return "{:.2g} ({:.2g} to {:.2g})".format(*known.likelihood_ratio(view.resolution, score))


def compared(view: View, first: Face, second: Face) -> Comparison:
    """Score the pair at the view's resolution with each method."""
    settings = ([view.resolution], view.degradation, view.seeds)
    return compare(first, second, methods(view), *settings, embed=Face.embedding)


def show(view: View, first: Face, second: Face) -> tuple[str, ...]:
    """Return the content of the tab.

    It is the verdict, both faces, the scores (HTML), the curve (chart), what the networks receive (HTML), and the
    histograms of teacher and student.
    """
    comparison, known = compared(view, first, second), known_pairs(view, first, second)
    said = sentence(view, first, second, {name: score for name, (score,) in comparison.scores.items()}, known)
    scores = table(HEADINGS, score_rows(comparison, view, known), caption(view, known)) + notes(
        hints(view, first, second)
    )
    curve = across.curve_chart(replace(view, slow=False), first, second, height=290)
    histograms = [histogram(view, comparison, name, known) for name in list(comparison.scores)[:2]]
    verdict = f'<p class="gdrd-verdict" role="status">{said}</p>'  # screen readers announce it
    return verdict, *faces(view, first, second), scores, curve, received(view, first, second), *histograms


def parting(view: View, first: Face, second: Face) -> int | None:
    """Return the highest resolution at which only one of teacher and student reaches its threshold."""
    view = replace(view, slow=False, third="none")
    comparison = across.compared(view, first, second)
    limits = [
        [known.threshold(size, view.far) for size in comparison.resolutions]
        for known in known_pairs(view, first, second).values()
    ]
    reached = np.array(list(comparison.scores.values())) >= np.array(limits)
    return max((size for size, (a, b) in zip(comparison.resolutions, reached.T, strict=True) if a != b), default=None)


def score_rows(comparison: Comparison, view: View, known: Mapping[str, KnownPairs]) -> list[list[str]]:
    """Return a row of the table per method: a score beside its threshold and the errors that it would mean."""
    place, rows = comparison.resolutions.index(view.resolution), []
    for name, scores in comparison.scores.items():
        score = scores[place]
        if name not in known:
            rows.append([name, f"{score:.3f}", "no calibration", "-", "-", "-"])
            continue
        threshold = known[name].threshold(view.resolution, view.far)
        impostors, genuine = known[name].shares(view.resolution, score)
        limit = f"{threshold:.3f}, {'reached' if score >= threshold else 'not reached'}"
        rows.append(
            [name, f"{score:.3f}", limit, f"{impostors:.1%}", f"{1 - genuine:.1%}", _ratio(known[name], view, score)]
        )
    return rows


def faces(view: View, first: Face, second: Face) -> list[str]:
    """Return each face at the resolution, large."""
    text = f"at {view.resolution} x {view.resolution} pixels"
    links = [
        picture_link(face.degraded(view.degradation, seed))
        for face, seed in zip((first, second), view.seeds, strict=True)
    ]
    names = [f"{which}: {face.name}" for which, face in zip(("First", "Second"), (first, second), strict=True)]
    return [row([picture(link, text, 210, "pixelated large")], name) for link, name in zip(links, names, strict=True)]


def received(view: View, first: Face, second: Face) -> str:
    """Return the pictures of both faces: aligned, and resized as each network receives it."""
    parts = []
    for title, face, seed in zip(("First face", "Second face"), (first, second), view.seeds, strict=True):
        lr = reduced(face.image, view.degradation, seed)
        shown = {f"{title}, aligned": picture_link(face.image)}
        for model in recognisers():
            size = input_size(model)
            shown[f"{model.name} receives {size} px"] = picture_link(to_images(resize(lr, size))[0])
        parts.append(row([picture(link, text) for text, link in shown.items()], title))
    return columns(parts)


def histogram(view: View, comparison: Comparison, name: str, known: Mapping[str, KnownPairs]) -> str:
    """Return the chart of the known pairs of one method with this pair marked."""
    (score,), shown = comparison.scores[name], _pairs(view, comparison, name, known)
    impostors, genuine = known[name].shares(view.resolution, score)
    description = (
        f"{shown['title']}. This pair scores {score:.2f}; {impostors:.0%} of pairs of two people score as high, and "
        f"{1 - genuine:.0%} of pairs of one person score lower."
    )
    lowest = [float(calibration.pairs(view.resolution)[0].min()) for calibration in known.values()]
    low = min(*lowest, *(value for (value,) in comparison.scores.values())) - 0.02  # both charts share an axis
    return chart_value(histogram_plot(**shown).update_xaxes(range=[low, 1.0]), description)


def histogram_figure(view: View, first: Face, second: Face, number: int) -> Figure:
    """Draw the histogram of recogniser ``number`` as a file."""
    comparison = compared(view, first, second)
    return score_histogram(
        **_pairs(view, comparison, list(comparison.scores)[number], known_pairs(view, first, second))
    )


def _pairs(view: View, comparison: Comparison, name: str, known: Mapping[str, KnownPairs]) -> dict[str, Any]:
    pairs, (score,) = known[name], comparison.scores[name]
    scores, genuine = pairs.pairs(view.resolution)
    kind = "synthetic pairs" if synthetic(known) else "pairs of real people"
    title = f"{name}: {kind} at {pairs.nearest(view.resolution)} px"
    return dict(
        scores=scores, genuine=genuine, threshold=pairs.threshold(view.resolution, view.far), marked=score, title=title
    )

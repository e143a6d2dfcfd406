"""Six pairs of synthetic faces for the first tab, chosen so that what is said of each is true of the networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from gdrd_lab.app.gallery import synthetic_gallery
from gdrd_lab.evaluation.calibration import Calibration


@dataclass(frozen=True)
class Case:
    """What an example shows: whether it is one person, and whether teacher and student are right about it."""

    text: str
    resolution: int
    genuine: bool
    teacher: bool
    student: bool


CASES = (
    Case("One person: both are sure", 32, True, True, True),
    Case("One person: the teacher fails", 16, True, False, True),
    Case("One person: both fail, too small", 6, True, False, False),
    Case("One person: the student fails", 8, True, True, False),
    Case("Two people: the teacher is misled", 12, False, False, True),
    Case("Two people: neither is misled", 16, False, True, True),
)


def clearest(case: Case, known: Sequence[Calibration]) -> tuple[tuple[int, int], float]:
    """Return the pair of faces that shows a case most clearly, and by how much; it does not if that is negative."""
    clear = []
    for calibration, right in zip(known, (case.teacher, case.student), strict=True):
        scores, genuine = calibration.pairs(case.resolution)
        above = right == case.genuine  # whether the score has to reach the threshold
        clear.append((scores - calibration.threshold(case.resolution)) * (1 if above else -1))
    margins = np.where(genuine == case.genuine, np.min(clear, axis=0), -np.inf)
    best = int(np.argmax(margins))
    first, second = np.triu_indices(len(calibration.labels), 1)
    return (int(first[best]), int(second[best])), float(margins[best])


def examples_html() -> str:
    """Return the cases as buttons with the two faces; a case that no pair shows is left out."""
    gallery, buttons = synthetic_gallery(), []
    for case in CASES:
        pair, margin = clearest(case, list(gallery.known.values()))
        if margin > 0:
            pictures = "".join(f'<img src="{gallery.thumbnails[k]}" alt="">' for k in pair)
            data = f'data-pair="{pair[0]} {pair[1]} {case.resolution}"'
            text = escape(f"{case.text} ({case.resolution} px)")
            buttons.append(f'<button type="button" {data}><span>{pictures}</span>{text}</button>')
    return f'<h2>Synthetic pairs to start from</h2><div class="gdrd-pairs">{"".join(buttons)}</div>'

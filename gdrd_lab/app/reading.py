"""How a score reads: where it lies among known pairs, and when no such reading is warranted. Never a bare yes or no."""

from __future__ import annotations

from gdrd_lab.app.face import Face
from gdrd_lab.app.state import View
from gdrd_lab.evaluation.calibration import FAR, RESOLUTIONS, Calibration
from gdrd_lab.evaluation.compare import Comparison

HEADINGS = ("method", "score", "threshold", "reading", "impostor pairs this high", "genuine pairs this high")
OUTSIDE = "Outside the calibrated range"


def score_rows(comparison: Comparison, view: View, calibrations: dict[str, Calibration]) -> list[list[str]]:
    """Return, per method: name, score, threshold, how it reads, shares of known impostor and genuine pairs."""
    place = comparison.resolutions.index(view.resolution)
    rows = []
    for name, scores in comparison.scores.items():
        score, known = scores[place], calibrations.get(name)
        if known is None:
            rows.append([name, f"{score:.3f}", "not calibrated", "no threshold was measured", "-", "-"])
            continue
        limit = known.threshold(view.resolution)
        impostors, genuine = known.shares(view.resolution, score)
        side = "above" if score >= limit else "below"
        gap = f"{abs(score - limit):.3f} {side} the threshold"
        rows.append([name, f"{score:.3f}", f"{limit:.3f}", gap, f"{impostors:.1%}", f"{genuine:.1%}"])
    return rows


def outside(view: View, first: Face, second: Face) -> list[str]:
    """Return why thresholds and shares do not hold for this pair; empty where they do."""
    reasons = []
    if first.example is None or second.example is None:
        reasons.append("the thresholds were measured on the embedded faces, not on photographs like yours")
    if view.degraded:
        reasons.append("they were measured without blur, noise, JPEG, uneven light or occlusion")
    for face in (first, second):
        if face.side is not None and face.side < view.resolution:
            reasons.append(f"{face.name} is only about {face.side} pixels wide in its photograph, so it is enlarged")
    return [f"{OUTSIDE}: {reason}." for reason in reasons]


def hints(view: View, first: Face, second: Face) -> list[str]:
    """Return every line that stands above the scores: ``outside``, and what was interpolated."""
    lines = outside(view, first, second)
    if first.image is second.image:
        lines.append("Both sides show the same picture, so the scores only show how its embedding answers to itself.")
    if view.resolution not in RESOLUTIONS:
        lines.append(
            f"Thresholds at {view.resolution} px are interpolated between the calibrated resolutions "
            f"{', '.join(map(str, RESOLUTIONS))} px; shares and histograms are those of the nearest one."
        )
    return lines


def caption() -> str:
    """Return what the thresholds mean."""
    return (
        f"Thresholds at a false match rate of {FAR:.0%}: the score that one in {round(1 / FAR)} pairs of different "
        "embedded people reaches"
    )

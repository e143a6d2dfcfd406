"""What the scores of one pair mean, in words: the verdict, the truth where it is known, and where thresholds fail."""

from collections.abc import Mapping
from html import escape

from gdrd_lab.app.gallery import Face, calibrations, examples, real_calibrations
from gdrd_lab.app.methods import third_known
from gdrd_lab.app.state import View
from gdrd_lab.evaluation.calibration import Calibration, KnownPairs
from gdrd_lab.transforms.degradation import Degradation

ROLES = ("teacher", "student")
ENOUGH = 10  # pairs of strangers above a threshold, so that its false match rate is known within about a factor of two
OUTSIDE = "Outside the calibrated range"


def known_pairs(view: View, first: Face, second: Face) -> Mapping[str, KnownPairs]:
    """Return what scores are read against: real people if there is a photograph, and otherwise synthetic faces."""
    photograph = first.example is None or second.example is None
    real = real_calibrations(view.camera) if photograph else {}
    return {**(real or calibrations()), **third_known(view.third, view.camera if real else None)}


def synthetic(known: Mapping[str, KnownPairs]) -> bool:
    """Return whether the known pairs are those of synthetic faces."""
    return isinstance(next(iter(known.values())), Calibration)


def claim(known: KnownPairs, view: View, score: float) -> tuple[str, str]:
    """Return what a score says about a pair, and how often known pairs of the other kind have such a score."""
    impostors, genuine = known.shares(view.resolution, score)
    if score >= known.threshold(view.resolution, view.far):
        return "likely the same person", f" ({_rare(impostors, 'pairs of strangers')} scores as high)"
    if 1 - genuine <= view.far:
        return "likely two people", f" ({_rare(1 - genuine, 'pairs of one person')} scores as low)"
    return "cannot tell", ""


def sentence(
    view: View, first: Face, second: Face, scores: Mapping[str, float], known: Mapping[str, KnownPairs]
) -> str:
    """Return the verdict of each method in a sentence (HTML), and the truth."""
    claims = []
    for role, (name, score) in zip((*ROLES, "method"), scores.items(), strict=False):
        who = role if role == name else f"{role} {escape(name)}"
        said, why = claim(known[name], view, score) if name in known else ("no calibration", "")
        claims.append(f"the {who}: <b>{said}</b>{why}")
    return f"Same person? At {view.resolution} px, {'; '.join(claims)}. {truth(first, second)}".strip()


def truth(first: Face, second: Face) -> str:
    """Return who is shown if it is known; "" for photographs."""
    if first.example is None or second.example is None:
        return ""
    labels = examples().labels
    same = labels[first.example] == labels[second.example]
    return f"In truth, {'this is one synthetic person' if same else 'these are two synthetic people'}."


def outside(view: View, first: Face, second: Face) -> list[str]:
    """Return why thresholds and shares do not hold for this pair; empty if they do."""
    reasons = []
    drawn = synthetic(known_pairs(view, first, second))
    if drawn and (first.example is None or second.example is None):
        reasons.append("the thresholds were measured on the synthetic faces, not on photographs")
    if view.degraded if drawn else view.degradation != Degradation(view.resolution, camera=view.camera):
        reasons.append("the thresholds were measured without blur, noise, JPEG, uneven illumination or occlusion")
    for face in (first, second):
        if face.width is not None and face.width < view.resolution:
            reasons.append(f"{face.name} is only about {face.width} pixels wide in its file, so it was enlarged")
    return [f"{OUTSIDE}: {reason}." for reason in reasons]


def hints(view: View, first: Face, second: Face) -> list[str]:
    """Return the lines beside the scores: ``outside``, identical pictures, and interpolated thresholds."""
    lines = outside(view, first, second)
    if first.image is second.image:
        lines.append("Both faces are the same picture, so the score compares an embedding with itself.")
    known = next(iter(known_pairs(view, first, second).values()))
    sizes, strangers = known.resolutions, known.strangers(view.resolution)
    if strangers * view.far < ENOUGH:
        lines.append(
            f"A false match rate of {view.rate} is uncertain here: only {strangers:,} pairs of strangers are known, "
            f"and at least {round(ENOUGH / view.far):,} are needed, so the thresholds are rough."
        )
    if view.resolution not in sizes:
        lines.append(
            f"Thresholds at {view.resolution} px are interpolated between the calibrated resolutions "
            f"({', '.join(map(str, sizes))} px); shares and histograms are those of the nearest one."
        )
    return lines


def _rare(share: float, pairs: str) -> str:
    return f"{f'1 in {round(1 / share)}' if share > 0 else 'none of the known'} {pairs}"

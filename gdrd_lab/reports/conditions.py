"""The sections of the results page on what happens to a face before it is recognised: degradations and cameras."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.plots import lines
from gdrd_lab.reports import answers, markdown
from gdrd_lab.reports.markdown import SETTINGS, answered, folded, of_severity

# Degradations of the robustness section: the name of the severity on the horizontal axis.
SEVERITIES = {
    "blur": "Blur (standard deviation in pixels of a 112 px face)",
    "noise": "Noise (standard deviation; pixels are 0 to 1)",
    "jpeg": "Compression (100 minus the JPEG quality; 0 is none)",
    "illumination": "Illumination (strength of the light ramp)",
    "occlusion": "Occlusion (share of the face)",
}


def robustness(scores: list[Score], page: Path) -> list[str]:
    """One figure a degradation, its numbers folded below it."""
    out = []
    for setting, title in SETTINGS.items():
        for name in SEVERITIES:
            chosen = of_severity([score for score in scores if score.setting == setting], name)
            if len({score.degradation[name] for score in chosen}) > 1:
                question = f"How much accuracy does {name} cost, {title}?"
                picture = markdown.picture(severity_figure(chosen, name, title), page, f"{name}-{setting.name.lower()}")
                table = folded(markdown.severity_table(chosen, name))
                out.append(answered(question, answers.loss(chosen, name), f"{picture}\n\n{table}"))
    return ["Bars in the figures are two standard errors over the folds.", *out] if out else []


def severity_figure(scores: Sequence[Score], name: str, title: str) -> Figure:
    """Draw the accuracy of each method over the severity of one degradation, with two standard errors as bars."""
    points: dict[str, list[tuple[float, float, float]]] = {}
    for score in scores:
        value = score.degradation[name]
        place = (0 if value is None else 100 - value) if name == "jpeg" else value
        points.setdefault(score.method, []).append((place, score.value, 2 * score.spread))
    x, y, errors = ({method: [p[axis] for p in sorted(found)] for method, found in points.items()} for axis in range(3))
    named = f"{name.upper() if name == 'jpeg' else name.capitalize()}, {title}, {scores[0].resolution} px"
    return lines(x, y, x_label=SEVERITIES[name], y_label="Verification accuracy", title=named, errors=errors)

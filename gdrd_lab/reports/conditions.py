"""The sections of the results page on what happens to a face before it is recognised: degradations and cameras."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from gdrd_lab.evaluation.benchmarks import read_benchmark
from gdrd_lab.evaluation.photographs import SETTING
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.evaluation.tables import label
from gdrd_lab.plots import lines
from gdrd_lab.reports import answers, markdown
from gdrd_lab.reports.markdown import SETTINGS, answered, commands, folded, grid, of_severity, pivot, scores_table

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


def cameras(scores: list[Score], page: Path) -> list[str]:
    """Accuracy through each camera, and the rates of all pairs and of open-set identification."""
    out = []
    for data, setting in dict.fromkeys((score.data, score.setting) for score in scores if score.setting in SETTINGS):
        part = [score for score in scores if (score.data, score.setting) == (data, setting)]
        chosen, how = of_severity(part, "camera"), f"{data}, {SETTINGS[Setting(setting)]}"
        rows = [
            replace(s, method=f"{s.method}, {s.degradation['camera']}", degradation=s.degradation | {"camera": "clean"})
            for s in chosen
        ]
        question = f"Which method verifies best through which camera on {how}?"
        out.append(answered(question, answers.cameras(chosen), scores_table(rows)))
        rates = [score for score in part if score.metric.startswith(("all pairs", "TPIR"))]
        if rates:
            question = f"How many people are recognised at low false rates, by all pairs and in an open set, on {how}?"
            table = pivot(rates, lambda s: f"{s.method}, {label(s)}", lambda s: s.metric.removeprefix("all pairs, "))
            out.append(answered(question, answers.rates(rates), folded(table)))
    return out


def photographs(scores: list[Score], page: Path) -> list[str]:
    """Detection rate, and accuracy beside that of faces aligned at full resolution."""
    out = []
    for data in dict.fromkeys(score.data for score in scores if score.setting == SETTING):
        low, full = (
            [s for s in of_severity(scores, "resolution") if (s.data, s.setting) == (data, setting)]
            for setting in (SETTING, Setting.SAME)
        )
        sizes = {score.resolution for score in low}
        full = [score for score in full if score.resolution in sizes]
        rates = {s.resolution: s for s in scores if (s.data, s.metric) == (data, "detection rate")}
        rows = [replace(score, method="faces found") for score in rates.values()]
        for method in dict.fromkeys(score.method for score in low):
            for part, where in ((full, "full"), (low, "the low")):
                name = f"{method}, aligned at {where} resolution"
                rows += [replace(score, method=name) for score in part if score.method == method]
        question = f"What is lost on {data} if the photograph is reduced before its face is found?"
        out.append(answered(question, answers.photographs([*rates.values()], low, full), scores_table(rows)))
    return out


def yaleb(files: Sequence[Path], page: Path) -> str:
    """Rank-1 under real light, from the files of `gdrd benchmarks yaleb`."""
    methods = {name: metrics for file in files for name, metrics in read_benchmark(file).items()}
    found = {m: {one.name.removeprefix("rank-1, "): (one.value, one.spread) for one in methods[m]} for m in methods}
    heads = list(dict.fromkeys(column for values in found.values() for column in values))
    cells = [
        [m, *(f"{100 * v[h][0]:.1f} ± {100 * v[h][1]:.1f}" if h in v else "" for h in heads)] for m, v in found.items()
    ]
    question = "Which method most often finds the right one of 38 people under real light (rank-1)?"
    text = (
        "The gallery holds one picture a person in frontal light; the others are the probes. Subsets 1 to 5 are "
        "lights at growing angles to the camera. Standard errors are clustered by person."
    )
    plain = {m: {name: pair for name, pair in values.items() if "subset" not in name} for m, values in found.items()}
    return "\n\n".join(
        [text, answered(question, answers.benchmark(plain), grid(["%", *heads], cells)), *commands(files)]
    )


def discard(scores: list[Score], page: Path) -> list[str]:
    """A figure and a table of the errors that remain as the pairs of lowest quality are discarded."""
    out = [
        "The quality of a face is the length of its embedding before it is brought to unit length; that of a pair is "
        "the lower one of its two faces. Errors are genuine pairs rejected at the threshold that accepts 1 % of all "
        "impostor pairs. Bars in the figure are two standard errors by bootstrap."
    ]
    chosen = [score for score in scores if score.metric.startswith("FNMR")]
    for data in dict.fromkeys(score.data for score in chosen):
        rows: dict[str, dict[float, Score]] = {}
        for s in sorted((s for s in chosen if s.data == data), key=lambda s: s.resolution):
            share = float(s.metric.split()[2])
            rows.setdefault(f"{s.method}, {s.resolution} px", {})[share] = s
        x, y, errors = (
            {name: [f(share, s) for share, s in found.items()] for name, found in rows.items()}
            for f in (lambda share, s: share, lambda share, s: s.value, lambda share, s: 2 * s.spread)
        )
        title = f"{data}, both faces degraded"
        axes = {"x_label": "Pairs discarded (%)", "y_label": "Genuine pairs rejected"}
        figure = markdown.picture(lines(x, y, title=title, errors=errors, **axes), page, f"discard-{slug(data)}")
        shown = [s for found in rows.values() for share, s in found.items() if share in (0, 10, 20, 40)]
        table = pivot(shown, lambda s: f"{s.method}, {s.resolution} px", lambda s: f"{s.metric.split()[2]} % discarded")
        question = f"Do errors fall on {data} if the pairs of lowest quality are left undecided?"
        out.append(answered(question, answers.discarded(rows), f"{table}\n{figure}"))
    return out


def slug(text: str) -> str:
    """Return a text as a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

"""The sections of the results page on what happens to a face before it is recognised: degradations and cameras."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from gdrd_lab.evaluation.benchmarks import Metric, read_benchmark
from gdrd_lab.evaluation.photographs import SETTING
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.evaluation.tables import label
from gdrd_lab.plots import lines
from gdrd_lab.reports import answers, markdown
from gdrd_lab.reports.markdown import SETTINGS, answered, commands, folded, nested, of_severity, pivot, scores_table

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
            found = of_severity([score for score in scores if score.setting == setting], name)
            found.sort(key=partial(_strength, name))
            chosen = [*{(s.method, s.degradation[name]): s for s in found}.values()]  # each file has the clean faces
            if len({score.degradation[name] for score in chosen}) > 1:
                question = f"How much accuracy does {name} cost, {title}?"
                picture = markdown.picture(severity_figure(chosen, name, title), page, f"{name}-{setting.name.lower()}")
                table = pivot(chosen, lambda s: s.method, partial(_severity, name))
                out.append(answered(question, answers.loss(chosen, name), f"{picture}\n\n{folded(table)}"))
    return ["Bars in the figures are two standard errors over the folds.", *out] if out else []


def _severity(name: str, score: Score) -> str:
    value = score.degradation[name]
    return f"{name} {value:g}" if value else "none"


def _strength(name: str, score: Score) -> float:
    value = score.degradation[name]
    return (0 if value is None else 100 - value) if name == "jpeg" else value


def severity_figure(scores: Sequence[Score], name: str, title: str) -> Figure:
    """Draw the accuracy of each method over the severity of one degradation, with two standard errors as bars."""
    rows: dict[str, dict[float, Score]] = {}
    for score in sorted(scores, key=partial(_strength, name)):
        rows.setdefault(score.method, {})[_strength(name, score)] = score
    named = f"{name.upper() if name == 'jpeg' else name.capitalize()}, {title}, {scores[0].resolution} px"
    return curves_over(rows, named, SEVERITIES[name], "Verification accuracy")


def curves_over(
    rows: Mapping[str, Mapping[float, Score | Metric]], title: str, x_label: str, y_label: str, bars: float = 2
) -> Figure:
    """Draw a line for each row {place: score}, with ``bars`` times the spreads as bars."""
    y = {name: [score.value for score in found.values()] for name, found in rows.items()}
    errors = {name: [bars * score.spread for score in found.values()] for name, found in rows.items()}
    x = {name: list(found) for name, found in rows.items()}
    return lines(x, y, x_label=x_label, y_label=y_label, title=title, errors=errors)


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
        if rates := sorted(rates, key=lambda score: (score.method, score.resolution)):
            question = f"How many people are recognised at low false rates, by all pairs and in an open set, on {how}?"
            table = pivot(rates, lambda s: f"{s.method}, {label(s)}", lambda s: s.metric.removeprefix("all pairs, "))
            out.append(answered(question, answers.rates(rates), folded(table)))
    return out


def photographs(scores: list[Score], page: Path) -> list[str]:
    """Detection rate, and accuracy beside that of faces aligned at full resolution."""
    out, scores = [], sorted(scores, key=lambda score: score.resolution)
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
        shares = answers.listed([f"{100 * rate.value:.1f} % at {size} px" for size, rate in rates.items()])
        answer = (
            f"Faces found: {shares}. A face that is not found counts as wrong. Accuracy: {answers.change(low, full)}"
        )
        out.append(answered(question, answer, scores_table(rows)))
    return out


def yaleb(files: Sequence[Path], page: Path) -> str:
    """Rank-1 under real light, from the files of `gdrd benchmarks yaleb`."""
    methods = read_benchmark(*files)
    question = "Which method most often finds the right one of 38 people under real light (rank-1)?"
    text = (
        "The gallery holds one picture a person in frontal light; the others are the probes. Subsets 1 to 5 are "
        "lights at growing angles to the camera. Standard errors are clustered by person."
    )
    table = nested({name: {one.name[8:]: one for one in found} for name, found in methods.items()}, 1)
    return "\n\n".join([text, answered(question, answers.benchmark(methods), table), *commands(files)])


def discard(scores: list[Score], page: Path) -> list[str]:
    """A figure and a table of the errors that remain as the pairs of lowest quality are discarded."""
    out = [
        "The quality of a face is the length of its embedding before it is brought to unit length; that of a pair is "
        "the lower one of its two faces. Errors are genuine pairs rejected at the threshold that accepts 1 % of all "
        "impostor pairs, and bars in the figure are two standard errors."
    ]
    chosen = sorted((s for s in scores if s.metric.startswith("FNMR")), key=lambda s: s.resolution)
    for data in dict.fromkeys(score.data for score in chosen):
        rows: dict[str, dict[float, Score]] = {}
        for s in (s for s in chosen if s.data == data):
            rows.setdefault(f"{s.method}, {s.resolution} px", {})[float(s.metric.split()[2])] = s
        figure = curves_over(rows, f"{data}, both faces degraded", "Pairs discarded (%)", "Genuine pairs rejected")
        picture = markdown.picture(figure, page, f"discard-{re.sub('[^a-z0-9]+', '-', data.lower()).strip('-')}")
        shown = [rows[name][share] for name in rows for share in (0, 10, 20, 40) if share in rows[name]]
        table = pivot(shown, lambda s: f"{s.method}, {s.resolution} px", lambda s: f"{s.metric.split()[2]} % discarded")
        question = f"Do errors fall on {data} if the pairs of lowest quality are left undecided?"
        out.append(answered(question, answers.discarded(rows), f"{table}\n{picture}"))
    return out if chosen else []


def detection(scores: list[Score], page: Path) -> list[str]:
    """Detection rate and landmark error by enlargement."""
    rates, off = ([s for s in scores if s.metric == metric] for metric in ("detection rate", "landmark error"))
    near = {way: [100 * s.value for s in off if s.method == way] for way in dict.fromkeys(s.method for s in off)}
    errors = answers.listed([f"{min(found):.0f} to {max(found):.0f} % ({way})" for way, found in near.items()])
    table = pivot([*rates, *off], lambda s: f"{s.metric}, {s.method}", label)
    text = (
        "A face counts as found if its landmarks lie on average within half the distance between the eyes of those "
        "found at full resolution. The landmark error of the faces found is in percent of that distance. The aligner "
        "enlarges images of fewer than 112 pixels 4 times, and larger ones only if it finds nothing."
    )
    question = "How small may a face be for the detector, and does it help to enlarge the photograph?"
    return [text, answered(question, f"{answers.best(rates)} The landmarks are off by {errors}.", table)]


def people(files: Sequence[Path], page: Path) -> str:
    """Error rates by age, sex and group, from the files of `gdrd benchmarks utkface`."""
    methods = read_benchmark(*files)
    first = next(iter(methods.values()))
    out = [
        f"{first[0].n:,} photographs at 16 px against the same photographs in full resolution. For each method and "
        "camera one threshold accepts 0.1 % of all pairs of different photographs. FMR: pairs of different photographs "
        "of one group that are accepted. FNMR: small faces that are rejected against their own full photograph. "
        "Standard errors are by bootstrap over faces.",
        "This shows how often a common threshold confuses people within a group, and whose pictures a camera spoils "
        "most. It does not show how often two photographs of one person are rejected: nobody has a second photograph "
        "here. Different photographs are taken for different people. Age, sex and group are guesses of a model. The "
        "student and the assistant were trained on photographs of this set, without labels: the validation split holds "
        "out named people only, so 0 of these photographs were held out.",
    ]
    for camera in dict.fromkeys(one.name.split(", ")[0] for one in first):
        rows: dict[str, dict[str, Metric]] = {}
        for method, metrics in methods.items():
            for one in metrics:
                name, group, rate = one.name.split(", ")
                if name == camera:
                    rows.setdefault(f"{group} ({one.n:,})", {})[f"{method}, {rate}"] = one
        question = f"In which groups does each method err least and most, {camera} camera?"
        out.append(answered(question, answers.people(rows), nested(rows, 2)))
    return "\n\n".join([*out, *commands(files)])

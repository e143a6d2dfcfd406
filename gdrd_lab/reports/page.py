"""The results page, written from the result files of one folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.failures import read_failures
from gdrd_lab.evaluation.metrics.image_quality import read_quality
from gdrd_lab.evaluation.photographs import SETTING
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.plots import accuracy_curves, curves
from gdrd_lab.plots.figures import finalise_axes, new_figure, set_alt_text, style
from gdrd_lab.reports import ablation, answers, conditions, markdown
from gdrd_lab.reports.aims import aims
from gdrd_lab.reports.identity import identity_probe
from gdrd_lab.reports.markdown import METRICS, SETTINGS, Writer, answered, commands, files_of, of_scores, scores_of


def write_page(folder: Path, page: Path) -> list[str]:
    """Write ``page`` (Markdown) and ``figures/`` beside it from the files in ``folder``; return the missing ones."""
    found = {name: files_of(folder / name) for name in SECTIONS}
    for name, mark in SHARED.items():
        found[name] += [file for file in found["cameras.json"] if mark in file.read_text()]
    if not any(found.values()):
        raise GdrdError(f"{folder} holds no results", f"Write some of {', '.join(found)} there")
    text = [
        "# Results",
        "`gdrd results` computes every number and sentence here from the JSON files in `results/`. Accuracies are in "
        "percent, with their standard error over folds unless a section says otherwise. LFW was never used for "
        "training or model selection. [MODELS.md](MODELS.md) says how far CelebA's held-out people are new to the "
        "shipped models. Commands are quoted as they were run, without that machine's folders. Flags renamed since "
        "then: `--beside` is now `--compare-with` or `--baselines`, `--hold-out` is `--validation-split`, `--judge` is "
        "`--reference-model`.",
    ]
    if aimed := aims(found):
        text += ["## Aims", aimed]
    missing = []
    for name, files in found.items():
        title, write = SECTIONS[name]
        if files and (section := write(files, page)):
            text += [f"## {title}", section]
        else:
            missing.append(name)
    write_atomically(page, ("\n\n".join(part.strip() for part in text) + "\n").encode())
    return missing


def _table(scores: list[Score], metric: str, setting: str) -> str:
    chosen = [score for score in scores if (score.metric, score.setting) == (metric, setting)]
    question = f"Which method {METRICS[metric]} ({metric}), {SETTINGS[Setting(setting)]}?"
    return answered(question, answers.best(chosen), markdown.scores_table(chosen))


def _verification(scores: list[Score], page: Path) -> list[str]:
    out = []
    methods = list(dict.fromkeys(score.method for score in scores))
    for setting, title in SETTINGS.items():
        if chosen := [score for score in scores if score.setting == setting]:
            figure = accuracy_curves(curves(chosen), title=title.capitalize(), methods=methods)
            out += [_table(chosen, "accuracy", setting), markdown.picture(figure, page, f"lfw-{setting.name.lower()}")]
    return out


def _flips(files: Sequence[Path], page: Path) -> str:
    plain = scores_of(files_of(files[0].with_name("lfw.json")))

    def parts(scores: list[Score], page: Path) -> list[str]:
        out = []
        for setting, title in SETTINGS.items():
            chosen, others = (
                [score for score in part if (score.metric, score.setting) == ("accuracy", setting)]
                for part in (scores, plain)
            )
            if chosen:
                question = f"What does averaging over the mirror image bring in accuracy, {title}?"
                out.append(answered(question, answers.change(chosen, others), markdown.scores_table(chosen)))
        return out

    return of_scores(parts)(files, page)


def _cost(files: Sequence[Path], page: Path) -> str:
    """Write a table for each machine's `gdrd benchmark networks`, and a figure with the LFW scores beside them."""
    out: list[str] = []
    work: dict[str, float] = {}
    for file in files:
        costs, text = _cost_table(file)
        work |= costs
        out += text
    scores = scores_of(files_of(files[0].with_name("lfw.json")))
    wanted = (16, "accuracy", Setting.SAME)
    at_16 = {score.method: score for score in scores if (score.resolution, score.metric, score.setting) == wanted}
    points = {name: (cost, at_16[name]) for name, cost in work.items() if name in at_16}
    if points:
        out.append(markdown.picture(_cost_figure(points), page, "cost"))
    return "\n\n".join(out)


def _cost_table(file: Path) -> tuple[dict[str, float], list[str]]:
    """Return the multiply-adds, in millions, of a benchmark's networks, and its table with where it was measured."""
    try:
        document = json.loads(file.read_text())
        values = {row["case"]: row["value"] for row in document["rows"] if row["suite"] == "networks"}
        machine, config = document["machine"], document["config"]
        batch = max(int(case.rsplit(" ", 1)[1]) for case in values if case.startswith("SFace, batch "))
        costs = {
            case.removesuffix(" multiply-adds"): (value, values[case.replace("multiply-adds", "parameters")])
            for case, value in values.items()
            if case.endswith(" multiply-adds")
        }
        speeds = {name: values[f"{name}, batch {batch}"] for name in costs}
    except (ValueError, KeyError, TypeError) as error:
        raise GdrdError(f"{file} holds no benchmark ({error})", "Write it with `gdrd benchmark networks`") from error
    clock = "processor seconds" if config["cpu_time"] else "wall-clock seconds"
    said = f"batch {batch}, median of {config['repeats']} rounds, {machine['threads']} threads, {clock}"
    where = f"`gdrd benchmark networks`: {said}, {machine['processor']}, {machine['gpu'] or 'no GPU'}."
    work = {name: cost for name, (cost, _) in costs.items()}
    question = f"How much cheaper than SFace is each method, at batch {batch}?"
    return work, [answered(question, answers.cheaper(work, speeds), markdown.cost_table(costs, speeds)), where]


def _cost_figure(points: Mapping[str, tuple[float, Score]]) -> Figure:
    """Draw accuracy against millions of multiply-adds on a logarithmic axis."""
    figure, axes = new_figure()
    for i, (name, (cost, score)) in enumerate(points.items()):
        look = style(i, "marker") | {"linestyle": "", "label": name}
        axes.errorbar([cost], [score.value], [score.spread], markersize=8, capsize=3, **look)
    axes.set_xscale("log")
    for set_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        set_formatter("{x:.0f}")
    title = "LFW View 2, both faces at 16 px"
    finalise_axes(figure, axes, title, "Multiply-adds per face (millions)", "Verification accuracy")
    told = (f"{name}: {score.value:.3f} at {cost:.0f} million" for name, (cost, score) in points.items())
    return set_alt_text(figure, f"{title}. " + "; ".join(told) + ".")


def _ranking(scores: list[Score], page: Path) -> list[str]:
    found = dict.fromkeys((score.metric, score.setting) for score in scores)
    return [_table(scores, *part) for part in found if part[0] in ("accuracy", "rank-1", "rank-5", "mAP")]


def _quality(files: Sequence[Path], page: Path) -> str:
    rows = [row for file in files for row in read_quality(file)]
    faces, seeds = rows[0].quality.faces, len(rows[-1].quality.seeds)
    text = (
        f"{faces} faces of {rows[0].data}; mean and standard deviation over {seeds} seeds. Identity is the cosine "
        "between the reference model's embeddings of the output and of the high-resolution face. Whatever differs "
        "between seeds is invented."
    )
    if any(row.quality.kid is not None for row in rows):
        text += " KID is the kernel distance between the embeddings of all outputs and of all high-resolution faces."
    question = "Which output is nearest to the high-resolution face?"
    answer = answered(question, answers.super_resolved(rows), markdown.quality_table(rows))
    return "\n\n".join([text, answer, *commands(files)])


def _failures(files: Sequence[Path], page: Path) -> str:
    out = []
    for found in (found for file in files for found in read_failures(file)):
        question = f"How many pairs of {found.data} does {found.method} decide wrongly at {found.resolution} px?"
        out.append(answered(question, answers.failed(found), markdown.failures_table(found)))
    return "\n\n".join([*out, *commands(files)])


# The sections in the order of the page, by their result file: title and writer.
SECTIONS: dict[str, tuple[str, Writer]] = {
    "lfw.json": ("Verification on LFW View 2", of_scores(_verification)),
    "flips.json": ("LFW View 2 with the mirror image of each face averaged in, at twice the cost", _flips),
    "bench.json": ("Accuracy against cost", _cost),
    "heldout.json": ("Held-out CelebA identities: verification, identification, retrieval", of_scores(_ranking)),
    "lfw5.json": ("LFW people with at least five images: identification and retrieval", of_scores(_ranking)),
    "robustness.json": ("Robustness at 16 px", of_scores(conditions.robustness)),
    "cameras.json": ("Cameras, all pairs and open-set identification", of_scores(conditions.cameras)),
    "photographs.json": ("Photographs aligned at the low resolution", of_scores(conditions.photographs)),
    "yaleb.json": ("Extended Yale B: real light", conditions.yaleb),
    "discard.json": ("How far a probe can be trusted", of_scores(conditions.discard)),
    "utkface.json": ("Where people differ", conditions.people),
    "detection.json": ("Detection at low resolution", of_scores(conditions.detection)),
    "converged-ablation.json": ("Ablation: is the generative teacher worth its steps?", of_scores(ablation.converged)),
    "best-ablation.json": ("Ablation: does L_gen add to the strongest recipe?", of_scores(ablation.strongest)),
    "quality.json": ("Super-resolved faces; reference model: SFace", _quality),
    "dlib-quality.json": ("Super-resolved faces; reference model: dlib's network", _quality),
    "probe.json": ("What features say about identity", identity_probe),
    "failures.json": ("Failures", _failures),
    "ablation.json": ("Appendix: the short ablation, all rows", of_scores(ablation.short)),
}
# Sections whose scores a file of "cameras.json" may hold too, because one command measured both: what it then says.
SHARED = {"photographs.json": SETTING, "discard.json": "FNMR with"}

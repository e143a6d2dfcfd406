"""The results page, from the result files of one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.failures import read_failures
from gdrd_lab.evaluation.quality import read_quality
from gdrd_lab.evaluation.report import Report, read_json
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.figures import accuracy_curves, alt_text, cost_figure, curves, save
from gdrd_lab.files import write_atomically
from gdrd_lab.results import markdown

WORDS = {
    Setting.SAME: "Both faces at the same resolution",
    Setting.GALLERY: "Sharp gallery, degraded probe",
    Setting.TEACHER: "Sharp gallery enrolled by the teacher, degraded probe",
}


@dataclass(frozen=True)
class Section:
    """A part of the page: the file it is made from, and how. Without its file the section is left out."""

    file: str
    title: str
    write: Callable[[Path, Path], str]


def write_page(folder: Path, page: Path) -> list[str]:
    """Write ``page`` (Markdown) and its figures beside it from the result files in ``folder``.

    Args:
        folder: holds some of the files that ``sections`` names.
        page: the Markdown file; figures go into ``figures/`` beside it.

    Returns:
        The names of the files that were not there.

    Raises:
        GdrdError: there is none of the files, or one is damaged.
    """
    known = sections()
    there = [section for section in known if _files(folder / section.file)]
    if not there:
        raise GdrdError(
            f"{folder} holds no results", f"Write some of {', '.join(section.file for section in known)} there"
        )
    text = [
        "# Results",
        "Made by `gdrd results` from the JSON files in this folder's `results/`; no number here was typed. Accuracies "
        "are in percent with their standard error over folds, unless it says otherwise. LFW was used for nothing but "
        "these tests.",
    ]
    for section in there:
        text += [f"## {section.title}", section.write(folder / section.file, page)]
    write_atomically(page, ("\n\n".join(part.strip() for part in text) + "\n").encode())
    return [section.file for section in known if section not in there]


def sections() -> list[Section]:
    """Return the sections in the order of the page."""
    return [
        Section("lfw.json", "Verification on LFW View 2", _verification),
        Section("bench.json", "Accuracy against cost", _cost),
        Section("heldout.json", "Held-out CelebA identities: verification, identification, retrieval", _ranking),
        Section("lfw5.json", "LFW people with at least five images: identification and retrieval", _ranking),
        Section("robustness.json", "Robustness at 16 px", _robustness),
        Section("ablation.json", "Ablation", _ablation),
        Section("quality.json", "Super-resolved faces, judged by SFace", _quality),
        Section("quality-dlib.json", "Super-resolved faces, judged by dlib's network", _quality),
        Section("failures.json", "Failures", _failures),
    ]


def _files(file: Path) -> list[Path]:
    """The file itself and its parts: lfw.json, lfw-student.json, ..."""
    parts = [path for path in file.parent.glob(f"{file.stem}-*.json") if file.stem != "quality"]
    return [path for path in (file, *sorted(parts)) if path.exists()]


def _read(file: Path) -> list[Report]:
    return [read_json(path) for path in _files(file)]


def _scores(reports: Sequence[Report]) -> list[Score]:
    return [score for report in reports for score in report.scores]


def _verification(file: Path, page: Path) -> str:
    reports = _read(file)
    scores = _scores(reports)
    out = []
    for setting, words in WORDS.items():
        chosen = [score for score in scores if score.setting == setting]
        if not chosen:
            continue
        figure = accuracy_curves(curves(chosen), title=words)
        name = f"lfw-{setting.name.lower()}"
        out += [f"**{words}**", markdown.scores_table(scores, "accuracy", setting), _picture(figure, page, name)]
    return "\n\n".join([*out, _source(reports)])


def _ranking(file: Path, page: Path) -> str:
    reports = _read(file)
    scores = _scores(reports)
    out = []
    for metric, setting in dict.fromkeys((score.metric, score.setting) for score in scores):
        if metric in ("accuracy", "rank-1", "rank-5", "mAP"):
            words = f"**{metric}, {WORDS[Setting(setting)].lower()}**"
            out += [words, markdown.scores_table(scores, metric, setting)]
    return "\n\n".join([*out, _source(reports)])


def _robustness(file: Path, page: Path) -> str:
    reports = _read(file)
    scores = _scores(reports)
    out = []
    for setting, words in WORDS.items():
        chosen = [score for score in scores if score.setting == setting]
        for name in ("blur", "noise", "jpeg", "illumination", "occlusion") if chosen else ():
            out += [f"**{name}, {words.lower()}**", markdown.severity_table(chosen, name)]
    return "\n\n".join([*out, _source(reports)])


def _ablation(file: Path, page: Path) -> str:
    reports = _read(file)
    scores = _scores(reports)
    text = (
        "Every row below the recognisers that are shown as they are: the same student, the same number of steps over "
        "both stages, the same faces; mean and standard deviation over the seeds, on identities never trained on."
    )
    tables = [f"**{m}**\n\n{markdown.ablation_table(scores, m)}" for m in ("accuracy", "AUC", "rank-1")]
    return "\n\n".join([text, *tables, _source(reports)])


def _quality(file: Path, page: Path) -> str:
    rows = read_quality(file)
    faces, seeds = rows[0].quality.faces, len(rows[-1].quality.seeds)
    text = (
        f"{faces} faces of {rows[0].data}; mean and standard deviation over {seeds} seeds. Identity is the cosine of "
        "the judge's embeddings of the output and of the sharp face. What a seed changes was invented."
    )
    return "\n\n".join([text, markdown.quality_table(rows), _command(json.loads(file.read_text()))])


def _cost(file: Path, page: Path) -> str:
    try:
        document = json.loads(file.read_text())
        values = {row["case"]: row["value"] for row in document["rows"] if row["suite"] == "networks"}
    except (ValueError, KeyError, TypeError) as error:
        raise GdrdError(f"{file} holds no benchmark ({error})", "Write it with `gdrd bench networks`") from error
    batches = sorted((case for case in values if case.startswith("SFace, batch ")), key=lambda case: int(case[13:]))
    costs = {
        case.removesuffix(" multiply-adds"): (value, values[case.replace("multiply-adds", "parameters")])
        for case, value in values.items()
        if case.endswith(" multiply-adds")
    }
    speeds = {name: values[name + batches[-1][5:]] for name in costs}
    out = [markdown.cost_table(costs, speeds)]
    scores = _scores(_read(file.with_name("lfw.json")))
    points = {
        name: (cost[0] * 1e6, score.value, score.spread)
        for name, cost in costs.items()
        if (score := _find(scores, name, 16)) is not None
    }
    if points:
        out.append(_picture(cost_figure(points, title="LFW View 2, both faces at 16 px"), page, "cost"))
    machine, config = document["machine"], document["config"]
    clock = "processor seconds" if config["cpu_time"] else "wall-clock seconds"
    said = f"{batches[-1][7:]}, median of {config['repeats']} rounds, {machine['threads']} threads, {clock}"
    return "\n\n".join([*out, f"`gdrd bench networks`: {said}, {machine['processor']}, no GPU."])


def _failures(file: Path, page: Path) -> str:
    out = []
    for found in read_failures(file):
        agreement = ", ".join(f"{value:.3f} with {name}" for name, value in found.agreement.items())
        out += [
            f"**{found.method} at {found.resolution} px on {found.data}**: "
            f"{found.errors} of {found.pairs} pairs wrong. "
            f"Rank correlation of its scores with those of others on the sharp faces: {agreement}.",
            markdown.failures_table(found),
        ]
    return "\n\n".join([*out, _command(json.loads(file.read_text()))])


def _find(scores: Sequence[Score], method: str, resolution: int) -> Score | None:
    wanted = (method, resolution, "accuracy", Setting.SAME)
    return next((s for s in scores if (s.method, s.resolution, s.metric, s.setting) == wanted), None)


def _picture(figure: Any, page: Path, name: str) -> str:
    png, _ = save(figure, page.parent / "figures" / name)
    return f"![{alt_text(figure)}](figures/{png.name})"


def _source(reports: Sequence[Report]) -> str:
    notes = dict.fromkeys(note for report in reports for note in report.notes)
    return "\n\n".join([*notes, *(f"`{report.command}`, {report.date[:10]}" for report in reports)])


def _command(document: dict[str, Any]) -> str:
    return f"`{document['command']}`, {document['date'][:10]}"

"""The results page, from the result files of one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.failures import read_failures
from gdrd_lab.evaluation.metrics.image_quality import read_quality
from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.plots.figures import accuracy_curves, curves
from gdrd_lab.reports import markdown
from gdrd_lab.reports.cost import cost_section
from gdrd_lab.reports.markdown import files_of

WORDS = {
    Setting.SAME: "Both faces at the same resolution",
    Setting.GALLERY: "Sharp gallery, degraded probe",
    Setting.TEACHER: "Sharp gallery enrolled by the teacher, degraded probe",
}


@dataclass(frozen=True)
class Section:
    """A part of the page: the file (or its parts) it is made from, and what writes it from those that are there."""

    file: str
    title: str
    write: Callable[[Sequence[Path], Path], str]


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
    found = {section: files_of(folder / section.file) for section in sections()}
    missing = [section.file for section, files in found.items() if not files]
    if len(missing) == len(found):
        raise GdrdError(f"{folder} holds no results", f"Write some of {', '.join(missing)} there")
    text = [
        "# Results",
        "Made by `gdrd results` from the JSON files in this folder's `results/`; no number here was typed. Accuracies "
        "are in percent with their standard error over folds, unless it says otherwise. LFW was used for nothing but "
        "these tests. How far CelebA's held-out people are new to the shipped models is told in "
        "[MODELS.md](MODELS.md).",
    ]
    for section, files in found.items():
        if files:
            text += [f"## {section.title}", section.write(files, page)]
    write_atomically(page, ("\n\n".join(part.strip() for part in text) + "\n").encode())
    return missing


def sections() -> list[Section]:
    """Return the sections in the order of the page."""
    ranking = _of_scores(_ranking)
    return [
        Section("lfw.json", "Verification on LFW View 2", _of_scores(_verification)),
        Section("flips.json", "LFW View 2 with each face's mirror image averaged in, at twice the cost", ranking),
        Section("bench.json", "Accuracy against cost", cost_section),
        Section("heldout.json", "Held-out CelebA identities: verification, identification, retrieval", ranking),
        Section("lfw5.json", "LFW people with at least five images: identification and retrieval", ranking),
        Section("robustness.json", "Robustness at 16 px", _of_scores(_robustness)),
        Section("ablation.json", "Ablation", _of_scores(_ablation)),
        Section("quality.json", "Super-resolved faces, judged by SFace", _quality),
        Section("dlib-quality.json", "Super-resolved faces, judged by dlib's network", _quality),
        Section("failures.json", "Failures", _failures),
    ]


def _of_scores(parts: Callable[[list[Score], Path], list[str]]) -> Callable[[Sequence[Path], Path], str]:
    """Make a section's writer of what says something of scores; where they come from is told at its end."""

    def write(files: Sequence[Path], page: Path) -> str:
        reports = [read_json(file) for file in files]
        text = parts([score for report in reports for score in report.scores], page)
        notes = dict.fromkeys(note for report in reports for note in report.notes)
        return "\n\n".join([*text, *notes, *(f"`{report.command}`, {report.date[:10]}" for report in reports)])

    return write


def _verification(scores: list[Score], page: Path) -> list[str]:
    out = []
    methods = list(dict.fromkeys(score.method for score in scores))
    for setting, words in WORDS.items():
        if chosen := [score for score in scores if score.setting == setting]:
            figure = accuracy_curves(curves(chosen), title=words, methods=methods)
            out += [f"**{words}**", markdown.scores_table(scores, "accuracy", setting)]
            out.append(markdown.picture(figure, page, f"lfw-{setting.name.lower()}"))
    return out


def _ranking(scores: list[Score], page: Path) -> list[str]:
    out = []
    for metric, setting in dict.fromkeys((score.metric, score.setting) for score in scores):
        if metric in ("accuracy", "rank-1", "rank-5", "mAP"):
            words = f"**{metric}, {WORDS[Setting(setting)].lower()}**"
            out += [words, markdown.scores_table(scores, metric, setting)]
    return out


def _robustness(scores: list[Score], page: Path) -> list[str]:
    out = []
    for setting, words in WORDS.items():
        chosen = [score for score in scores if score.setting == setting]
        for name in ("blur", "noise", "jpeg", "illumination", "occlusion") if chosen else ():
            out += [f"**{name}, {words.lower()}**", markdown.severity_table(chosen, name)]
    return out


def _ablation(scores: list[Score], page: Path) -> list[str]:
    text = (
        "Every row below the recognisers that are shown as they are: the same student, the same number of steps over "
        "both stages, the same faces; mean and standard deviation over the seeds, on identities never trained on."
    )
    seeds: dict[str, set[int]] = {}
    for score in scores:
        seeds.setdefault(score.method, set()).add(score.seed)
    # Parts of the section may add recognisers that were not trained here: they stand together, on top.
    scores = sorted(scores, key=lambda score: len(seeds[score.method]) > 1)
    return [text, *(f"**{m}**\n\n{markdown.ablation_table(scores, m)}" for m in ("accuracy", "AUC", "rank-1"))]


def _quality(files: Sequence[Path], page: Path) -> str:
    rows = [row for file in files for row in read_quality(file)]
    faces, seeds = rows[0].quality.faces, len(rows[-1].quality.seeds)
    text = (
        f"{faces} faces of {rows[0].data}; mean and standard deviation over {seeds} seeds. Identity is the cosine of "
        "the judge's embeddings of the output and of the sharp face. What a seed changes was invented."
    )
    return "\n\n".join([text, markdown.quality_table(rows), *_commands(files)])


def _failures(files: Sequence[Path], page: Path) -> str:
    out = []
    for found in (item for file in files for item in read_failures(file)):
        agreement = ", ".join(f"{value:.3f} with {name}" for name, value in found.agreement.items())
        out += [
            f"**{found.method} at {found.resolution} px on {found.data}**: "
            f"{found.errors} of {found.pairs} pairs wrong. "
            f"Rank correlation of its scores with those of others on the sharp faces: {agreement}.",
            markdown.failures_table(found),
        ]
    return "\n\n".join([*out, *_commands(files)])


def _commands(files: Sequence[Path]) -> list[str]:
    made = [json.loads(file.read_text()) for file in files]
    return [f"`{document['command']}`, {document['date'][:10]}" for document in made]

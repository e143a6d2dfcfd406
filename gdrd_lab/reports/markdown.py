"""Scores as Markdown: tables, pictures, and the commands that made them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import nan
from pathlib import Path
from statistics import fmean, stdev

from matplotlib.figure import Figure

from gdrd_lab.evaluation.benchmarks import Metric
from gdrd_lab.evaluation.failures import Failures
from gdrd_lab.evaluation.metrics.image_quality import QualityRow
from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.evaluation.tables import cells, percent
from gdrd_lab.plots import alt_text, save
from gdrd_lab.transforms.degradation import Degradation

SETTINGS = {
    Setting.SAME: "both faces at the same resolution",
    Setting.GALLERY: "sharp gallery, degraded probe",
    Setting.TEACHER: "sharp gallery enrolled by the teacher, degraded probe",
}
METRICS = {
    "accuracy": "verifies best",
    "AUC": "separates genuine from impostor pairs best",
    "rank-1": "most often finds the right person first",
    "rank-5": "most often has the right person among the first five",
    "mAP": "ranks all faces of the right person best",
}
Writer = Callable[[Sequence[Path], Path], str]  # writes a section of the page from its result files


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def answered(question: str, answer: str, table: str) -> str:
    """Return a question, its answer and the table that shows it as Markdown."""
    return f"**{question}** {answer}\n\n{table}"


def pivot(scores: Sequence[Score], row: Callable[[Score], str], column: Callable[[Score], str]) -> str:
    """Return scores in percent as a table; ``row`` and ``column`` name the place of each."""
    found = {(row(score), column(score)): percent(score, 1) for score in scores}
    heads, names = (list(dict.fromkeys(name[axis] for name in found)) for axis in (1, 0))
    return grid(["%", *heads], [[name, *(found.get((name, head), "") for head in heads)] for name in names])


def folded(table: str) -> str:
    """Return a table that a reader opens."""
    return f"<details><summary>The numbers</summary>\n\n{table}\n</details>"


def scores_table(scores: Sequence[Score]) -> str:
    """One metric in one setting: methods as rows, degradations as columns, value and standard error in percent."""
    header, rows = cells(sorted(scores, key=lambda score: score.resolution), 1)  # files may hold other resolutions
    return grid(["%", *header[1:]], rows)


def of_severity(scores: Sequence[Score], name: str, metric: str = "accuracy") -> list[Score]:
    """Return the scores of one metric in which nothing but the resolution and the field ``name`` is degraded."""
    plain = asdict(Degradation(None))
    return [
        score
        for score in scores
        if score.metric == metric
        and {key for key, value in score.degradation.items() if value != plain[key]} <= {"resolution", name}
    ]


def last_scores(scores: Sequence[Score]) -> list[Score]:
    """Return the scores of an ablation after all steps, without those along the training."""
    seen: dict[str, int] = {}
    for score in scores:
        seen[score.method] = max(score.samples, seen.get(score.method, 0))
    return [score for score in scores if score.samples == seen[score.method]]


def through(score: Score) -> str:
    """Return ", surveillance camera", or the like, of a score; nothing for the clean one."""
    camera = score.degradation.get("camera", "clean")
    return "" if camera == "clean" else f", {camera} camera"


def columns(scores: Sequence[Score], metric: str) -> dict[str, dict[str, Metric]]:
    """Return {row: {"setting, camera, N px": cell}} after all steps of an ablation: mean and deviation over seeds."""
    scores = last_scores(scores)
    settings = list(dict.fromkeys(score.setting for score in scores))
    values: dict[str, dict[str, list[float]]] = {}
    for score in sorted(scores, key=lambda score: settings.index(score.setting)):
        if score.metric == metric:
            cells = values.setdefault(score.method, {})
            place = score.setting + through(score)
            cells.setdefault(f"{place}, {score.resolution} px", []).append(score.value)
    return {
        row: {name: Metric("", fmean(v), len(v), stdev(v) if len(v) > 1 else nan) for name, v in cells.items()}
        for row, cells in values.items()
    }


def nested(rows: Mapping[str, Mapping[str, Metric]], digits: int = 1) -> str:
    """Return {row: {column: metric}} as a table in percent."""
    heads = list(dict.fromkeys(column for found in rows.values() for column in found))
    said = {row: {head: percent(one, digits) for head, one in found.items()} for row, found in rows.items()}
    return grid(["%", *heads], [[row, *(found.get(head, "") for head in heads)] for row, found in said.items()])


def quality_table(rows: Sequence[QualityRow]) -> str:
    """Super-resolution: mean and standard deviation over the seeds."""
    heads = ["input, method", "PSNR, dB", "SSIM", "identity", "KID"]
    shown = 5 if any(row.quality.kid is not None for row in rows) else 4  # earlier files have no KID
    lines = [[f"{row.resolution} px, {row.method}", *row.quality.cells()][:shown] for row in rows]
    return grid(heads[:shown], lines)


def failures_table(found: Failures) -> str:
    """The hardest pairs, described in numbers."""
    lines = []
    for item in found.hardest:
        numbers = (f"{value:.2f}" for value in (item.score, item.threshold, item.sharp))
        lines.append([f"{item.kind}, fold {item.fold}, pair {item.pair}", *numbers, item.words])
    return grid(["pair", "score", "threshold", "native faces", "what is unusual"], lines)


def cost_table(costs: Mapping[str, tuple[float, float]], speeds: Mapping[str, float]) -> str:
    """Cost of each method: (multiply-adds, parameters) in millions, and images per second, also relative to SFace's."""
    first = next(iter(speeds.values()))
    lines = [
        [name, f"{work:.0f}", f"{numbers:.1f}", f"{speeds[name]:.0f}", f"{speeds[name] / first:.1f}"]
        for name, (work, numbers) in costs.items()
    ]
    return grid(["method", "multiply-adds, M", "parameters, M", "images/s", "times SFace's"], lines)


def picture(figure: Figure, page: Path, name: str) -> str:
    """Save a figure into ``figures/`` beside the page and return the Markdown that shows it, with its alt text."""
    png, _ = save(figure, page.parent / "figures" / name)
    return f"![{alt_text(figure)}](figures/{png.name})"


def of_scores(parts: Callable[[list[Score], Path], list[str]]) -> Writer:
    """Return a section's writer from what writes its parts; notes and commands follow them. No parts, no section."""

    def write(files: Sequence[Path], page: Path) -> str:
        reports = [read_json(file) for file in files]
        text = parts([score for report in reports for score in report], page)
        if not text:
            return ""
        notes = dict.fromkeys(note for report in reports for note in report.notes)
        return "\n\n".join([*text, *notes, *(_command(report.command, report.date) for report in reports)])

    return write


def commands(files: Sequence[Path]) -> list[str]:
    """Return the command and day of each result file."""
    documents = [json.loads(file.read_text()) for file in files]
    return [_command(document["command"], document["date"]) for document in documents]


def _command(command: str, date: str) -> str:
    """Return a command and its day; of an absolute path only the last name is shown."""
    return f"`{re.sub(r'(?<![^ =])/[^ ]*/', '', command)}`, {date[:10]}"


def scores_of(files: Sequence[Path]) -> list[Score]:
    """Return the scores of several result files."""
    return [score for file in files for score in read_json(file)]


def files_of(whole: Path) -> list[Path]:
    """Return those of a result file and its parts that exist: lfw.json, lfw-student.json and so on."""
    return [path for path in (whole, *sorted(whole.parent.glob(f"{whole.stem}-*.json"))) if path.exists()]

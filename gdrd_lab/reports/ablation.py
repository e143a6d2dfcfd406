"""The sections of the results page on the ablations: the rows that decide, trained for long, and all rows."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from gdrd_lab.evaluation.benchmarks import Metric
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.plots import lines, paired_differences
from gdrd_lab.reports import answers
from gdrd_lab.reports.markdown import METRICS, answered, columns, last_scores, nested, over_seeds, picture

# What rows are compared with: its name in text, and the row.
REFERENCES = {"the same losses without L_gen": "L_kd + L_rcd + L_cls, no L_gen", "L_kd alone": "L_kd only"}


def short(scores: list[Score], page: Path) -> list[str]:
    """A table for each metric, of every row."""
    text = (
        "Baselines come first and were not trained here. Every other row is the same student, trained for the same "
        "number of steps over both stages on the same faces, and evaluated on identities that were not trained on: "
        "mean and standard deviation over the seeds."
    )
    seeds: dict[str, set[int]] = {}
    for score in scores:
        seeds.setdefault(score.method, set()).add(score.seed)
    baselines = [name for name, found in seeds.items() if len(found) == 1]
    # Further files of the section may hold more baselines: all of them come first.
    scores = sorted(scores, key=lambda score: score.method not in baselines)
    out = [text]
    for metric in [name for name in ("accuracy", "AUC", "rank-1") if any(score.metric == name for score in scores)]:
        table = columns(scores, metric)
        means = {row: {name: cell.value for name, cell in found.items()} for row, found in table.items()}
        question = f"Which row {METRICS[metric]} ({metric})?"
        out.append(answered(question, answers.ablated(means, baselines), nested(table)))
    return out


def converged(scores: list[Score], page: Path) -> list[str]:
    """A table of accuracy and of paired differences, and accuracy against the faces seen, at each resolution."""
    text = (
        f"Every row is the same student, trained on {max(score.samples for score in scores):,} faces over both stages "
        "and evaluated on identities that were not trained on: mean and standard deviation over the seeds. Differences "
        "are of runs with the same seed on the same pairs, both faces at one resolution, in points, with half of their "
        "95 % interval over seeds and folds of pairs. Points of the figures before the last are averaged weights of "
        "the same runs; a row with L_gen has seen the faces of stage 1 before its first point."
    )
    sizes = sorted({score.resolution for score in scores})
    rows = columns(scores, "accuracy")
    found: dict[str, dict[str, dict[int, tuple[float, float]]]] = {}
    for name, reference in REFERENCES.items():
        for size in sizes:
            runs = runs_of(scores, size, r"accuracy, fold \d+")
            for row, change in (paired_differences(runs, reference) if reference in runs else {}).items():
                found.setdefault(name, {}).setdefault(row, {})[size] = change
                rows[row][f"{size} px, less {name}"] = Metric("", change[0], len(runs[row]), change[1])
    question = "Does the generative teacher help, when, and by how much?"
    figures = [picture(_figure(scores, size), page, f"ablation-{size}") for size in sizes]
    return [text, answered(question, answers.taught(found), nested(rows)), *figures]


def runs_of(scores: Sequence[Score], resolution: int, metric: str) -> dict[str, dict[int, list[float]]]:
    """Return {row: {seed: values}}, both faces at a resolution after all steps, of metrics that match a pattern."""
    runs: dict[str, dict[int, list[float]]] = {}
    for s in last_scores(scores):
        if (s.resolution, s.setting) == (resolution, Setting.SAME) and re.fullmatch(metric, s.metric):
            runs.setdefault(s.method, {}).setdefault(s.seed, []).append(s.value)
    return runs


def _figure(scores: Sequence[Score], resolution: int) -> Figure:
    """Draw accuracy over the faces seen, with the standard deviation over seeds as bars."""
    wanted, values = (resolution, Setting.SAME, "accuracy"), dict[str, dict[float, list[float]]]()
    for s in sorted(scores, key=lambda score: score.samples):
        if s.samples and (s.resolution, s.setting, s.metric) == wanted:
            values.setdefault(s.method, {}).setdefault(s.samples, []).append(s.value)
    # The rows that train by the paper's losses; the single losses are in the table.
    shown = {row: found for row, found in values.items() if "L_gen" in row or row.startswith("random")}
    cells = {row: [over_seeds(found) for found in points.values()] for row, points in (shown or values).items()}
    return lines(
        {row: list(values[row]) for row in cells},
        {row: [cell.value for cell in found] for row, found in cells.items()},
        errors={row: [cell.spread for cell in found] for row, found in cells.items()},
        x_label="Faces seen in training, both stages",
        y_label="Verification accuracy",
        title=f"With and without L_gen, both faces at {resolution} px",
    )

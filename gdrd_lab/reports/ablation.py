"""The sections of the results page on the ablations: the rows that decide, trained for long, and all rows."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from gdrd_lab.evaluation.benchmarks import Metric
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.plots import paired_differences
from gdrd_lab.reports import answers
from gdrd_lab.reports.conditions import curves_over
from gdrd_lab.reports.markdown import METRICS, answered, columns, last_scores, nested, picture

NO_L_GEN = "L_kd + L_rcd + L_cls, no L_gen"
REFERENCES = {"the same losses without L_gen": NO_L_GEN, "L_kd alone": "L_kd only", "L_rcd alone": "L_rcd only"}


def short(scores: list[Score], page: Path) -> list[str]:
    """A table for each metric, of every row."""
    text = (
        "Baselines come first and were not trained here. Every other row is the same student, trained for the same "
        "number of steps over both stages on the same faces, and evaluated on identities that were not trained on: "
        "mean and standard deviation over the seeds."
    )
    seeds = Counter(method for method, _ in {(score.method, score.seed) for score in scores})
    baselines = [row for row, count in seeds.items() if count == 1]
    # Further files of the section may hold more baselines: all of them come first.
    scores = sorted(scores, key=lambda score: score.method not in baselines)
    out = [text]
    for metric in [name for name in ("accuracy", "AUC", "rank-1") if any(score.metric == name for score in scores)]:
        table = columns(scores, metric)
        question = f"Which row {METRICS[metric]} ({metric})?"
        out.append(answered(question, answers.ablated(table, baselines), nested(table)))
    return out


def converged(scores: list[Score], page: Path) -> list[str]:
    """A table of accuracy and of paired differences, and accuracy against the faces seen, at each resolution."""
    text = (
        f"Every row is the same student, trained on {max(score.samples for score in scores):,} faces over both stages "
        "and evaluated on identities that were not trained on: mean and standard deviation over the seeds. A row "
        "without a deviation is a baseline, which was not trained here. Differences "
        "are of runs with the same seed on the same pairs, both faces at one resolution, in points, with half of their "
        "95 % interval over seeds and folds of pairs. Points of the figures before the last are averaged weights of "
        "the same runs; a row with L_gen has seen the faces of stage 1 before its first point."
    )
    sizes, rows = sorted({score.resolution for score in scores}), columns(scores, "accuracy")
    found: dict[str, dict[str, dict[int, tuple[float, float]]]] = {}
    for name, reference in REFERENCES.items():
        for size in sizes:
            runs = runs_of(scores, size, r"accuracy, fold \d+")
            for row, change in (paired_differences(runs, reference) if reference in runs else {}).items():
                found.setdefault(name, {}).setdefault(row, {})[size] = change
                rows[row][f"{size} px, gain over {name}"] = Metric("", change[0], len(runs[row]), change[1])
    question = "Does the generative teacher help, when, and by how much?"
    # Figures have the rows with the paper's losses; those with a single loss are in the table.
    drawn = [s for s in scores if s.samples and ("L_gen" in s.method or s.method.startswith("random"))]
    figures = [picture(_figure(drawn, size), page, f"ablation-{size}") for size in sizes if drawn]
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
    same = [score for score in scores if (score.resolution, score.setting) == (resolution, Setting.SAME)]
    rows: dict[str, dict[float, Score | Metric]] = {}
    for seen in sorted({score.samples for score in same}):
        for row, cells in columns([score for score in same if score.samples == seen], "accuracy").items():
            rows.setdefault(row, {})[seen] = next(iter(cells.values()))
    title = f"With and without L_gen, both faces at {resolution} px"
    return curves_over(rows, title, "Faces seen in training, both stages", "Verification accuracy", bars=1)

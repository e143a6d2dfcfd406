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
from gdrd_lab.reports.markdown import METRICS, answered, columns, last_scores, nested, picture, through

NO_L_GEN = "L_kd + L_rcd + L_cls, no L_gen"
BEST = {"the recipe alone": "the recipe best"}
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
    rows, found = _gains(scores, REFERENCES)
    question = "Does the generative teacher help, when, and by how much?"
    # Figures have the rows with the paper's losses; those with a single loss are in the table.
    drawn = [s for s in scores if s.samples and ("L_gen" in s.method or s.method.startswith("random"))]
    sizes = sorted({score.resolution for score in drawn})
    figures = [picture(_figure(drawn, size), page, f"ablation-{size}") for size in sizes]
    return [text, answered(question, answers.taught(found), nested(rows)), *figures]


def strongest(scores: list[Score], page: Path) -> list[str]:
    """A table of accuracy and of what L_gen adds to the recipe best, through each camera."""
    text = (
        "Each row continues the shipped student, whole, with the recipe `best` for "
        f"{max(score.samples for score in scores):,} faces. Its weights are averaged over the last steps. L_gen has "
        "the weight 1, which was not tuned. Otherwise as above."
    )
    rows, found = _gains([score for score in scores if score.setting == Setting.SAME], BEST)
    return [text, answered("Does L_gen add to the strongest recipe?", answers.taught(found), nested(rows))]


Gains = dict[str, dict[str, dict[int, tuple[float, float]]]]


def _gains(scores: list[Score], references: dict[str, str]) -> tuple[dict[str, dict[str, Metric]], Gains]:
    """Return a table of accuracy and of paired differences, and {reference: {row: {resolution: difference}}}."""
    rows, found = columns(scores, "accuracy"), Gains()
    for name, reference in references.items():
        for camera in dict.fromkeys(map(through, scores)):
            for size in sorted({score.resolution for score in scores}):
                runs = runs_of([s for s in scores if through(s) == camera], size, r"accuracy, fold \d+")
                for row, change in (paired_differences(runs, reference) if reference in runs else {}).items():
                    found.setdefault(name + camera, {}).setdefault(row, {})[size] = change
                    cell = Metric("", change[0], len(runs[row]), change[1])
                    rows[row][f"{size} px, gain over {name}{camera}"] = cell
    return rows, found


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

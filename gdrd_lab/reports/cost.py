"""The section of the results page on cost, from the results of `gdrd benchmark networks` and the LFW scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.plots.figures import finalise_axes, new_figure, set_alt_text, style
from gdrd_lab.reports import answers, markdown
from gdrd_lab.reports.markdown import files_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cost_section(files: Sequence[Path], page: Path) -> str:
    """Write the section from benchmarks, one table for each machine, and from the LFW scores that lie beside them."""
    out: list[str] = []
    work: dict[str, float] = {}
    for file in files:
        costs, text = _table(file)
        work |= costs
        out += text
    scores = [score for path in files_of(files[0].with_name("lfw.json")) for score in read_json(path).scores]
    points = {
        name: (cost * 1e6, score.value, score.spread)
        for name, cost in work.items()
        if (score := _at_16_px(scores, name)) is not None
    }
    if points:
        figure = cost_figure(points, title="LFW View 2, both faces at 16 px")
        out.append(markdown.picture(figure, page, "cost"))
    return "\n\n".join(out)


def _table(file: Path) -> tuple[dict[str, float], list[str]]:
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
    return work, [markdown.answered(question, answers.cheaper(work, speeds), markdown.cost_table(costs, speeds)), where]


def cost_figure(points: Mapping[str, tuple[float, float, float]], *, title: str = "") -> Figure:
    """Draw accuracy against multiply-adds on a logarithmic axis."""
    figure, axes = new_figure()
    for i, (name, (cost, value, error)) in enumerate(points.items()):
        look = style(i, "marker") | {"linestyle": "", "label": name}
        axes.errorbar([cost / 1e6], [value], [error], markersize=8, capsize=3, **look)
    axes.set_xscale("log")
    for set_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        set_formatter("{x:.0f}")
    finalise_axes(figure, axes, title, "Multiply-adds per face (millions)", "Verification accuracy")
    told = (f"{name}: {value:.3f} at {cost / 1e6:.0f} million" for name, (cost, value, _) in points.items())
    return set_alt_text(figure, f"{title or 'Accuracy against multiply-adds'}. " + "; ".join(told) + ".")


def _at_16_px(scores: Sequence[Score], method: str) -> Score | None:
    wanted = (method, 16, "accuracy", Setting.SAME)
    return next((s for s in scores if (s.method, s.resolution, s.metric, s.setting) == wanted), None)

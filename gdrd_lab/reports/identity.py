"""The section of the results page on what the generative teacher's features say about identity."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from gdrd_lab.analysis.identity_probe import ProbeRow, best_block, read_probe
from gdrd_lab.plots import heat_map
from gdrd_lab.reports import markdown
from gdrd_lab.reports.markdown import answered, commands


def identity_probe(files: Sequence[Path], page: Path) -> str:
    """One heat map for each face set and resolution, with the answer above it."""
    rows = [row for file in files for row in read_probe(file)]
    parts = []
    for data, resolution in dict.fromkeys((row.data, row.resolution) for row in rows):
        chosen = [row for row in rows if (row.data, row.resolution) == (data, resolution)]
        picture = markdown.picture(probe_figure(chosen), page, f"probe-{resolution}")
        question = f"Which features say most about identity at {resolution} px?"
        parts.append(answered(question, answer(chosen), picture))
    text = (
        "A ridge regression predicts SFace's embedding of the sharp face from features of the small one, on a grid of "
        "4 x 4 cells. It is fitted on some people and their mirror images. All pairs of faces of other people are then "
        "compared by what it predicts."
    )
    return "\n\n".join([text, *parts, *commands(files)])


def probe_figure(rows: Sequence[ProbeRow]) -> Figure:
    """Draw the AUC of each network's blocks by timestep, for one face set and resolution."""
    table: dict[str, dict[str, float]] = {}
    for row in rows:
        name = row.network if row.network == row.block else f"{row.network}, {row.block}"
        table.setdefault(name, {})[str(row.timestep)] = row.auc
    title = f"AUC of what a linear map reads, {rows[0].resolution} px"
    return heat_map(table, x_label="timestep", scale="AUC", title=title)


def answer(rows: Sequence[ProbeRow]) -> str:
    """Say what is read from each network at its best, from most to least, and on how many faces."""
    found = [best_block(rows, name) for name in dict.fromkeys(row.network for row in rows)]
    found.sort(key=lambda row: -row.auc)
    said = [
        f"{row.network} {row.auc:.3f}" + ("" if row.block == row.network else f" ({row.block}, t = {row.timestep})")
        for row in found
    ]
    return f"{'; '.join(said)}. Judged on {rows[0].faces:,} faces of {rows[0].people:,} people of {rows[0].data}."

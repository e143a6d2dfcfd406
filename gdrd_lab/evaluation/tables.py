"""Scores as tables: in a terminal, in a notebook, and as the cells that other formats share."""

import html
import io
import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from gdrd_lab.evaluation.benchmarks import Metric
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.transforms.degradation import Degradation

MAIN = ("accuracy", "rank-1", "mAP")  # what a summary shows; ``show`` prints every metric


def cells(scores: Sequence[Score], digits: int = 2) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of one metric in one setting: methods as rows, degradations as columns."""
    found = {(score.method, label(score)): percent(score, digits) for score in scores}
    columns = list(dict.fromkeys(column for _, column in found))
    rows = [[name, *(found.get((name, column), "") for column in columns)] for name, _ in found]
    return ["method", *columns], list({row[0]: row for row in rows}.values())


def table(scores: Sequence[Score], metric: str = "accuracy") -> Table:
    """One table of one metric: methods as rows, degradations as columns, value and standard error in percent.

    More than five degradations, or long names of them, become the rows, which fits a narrow screen.
    """
    chosen = [score for score in scores if score.metric == metric]
    header, rows = cells(chosen)
    if len(header) > 6 or sum(map(len, header[1:])) > 50:
        header, *rows = [list(column) for column in zip(*([["degradation", *header[1:]], *rows]), strict=True)]
    out = Table(title=_title(chosen, metric), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    out.add_column(header[0], overflow="fold")
    for name in header[1:]:
        out.add_column(name, justify="right", overflow="fold")
    for row in rows:
        out.add_row(*row)
    return out


def show(
    scores: Sequence[Score],
    metrics: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Print a table for each data set, setting and metric, then the notes; ``metrics`` None prints all."""
    console = console or Console()
    for part in _parts(scores, metrics):
        console.print(table(part, part[0].metric))
    for note in notes:
        console.print(f"Note: {note}", markup=False, highlight=False)


def as_text(scores: Sequence[Score], notes: Sequence[str] = ()) -> str:
    """Return the tables of the main metrics as text, and which other metrics there are."""
    file = io.StringIO()
    show(scores, MAIN, notes, Console(file=file))
    others = dict.fromkeys(score.metric for score in scores if score.metric not in MAIN)
    return file.getvalue() + (f"Also measured: {', '.join(others)}; see to_frame().\n" if others else "")


def as_html(scores: Sequence[Score], notes: Sequence[str] = ()) -> str:
    """Return a table of every metric as HTML, and the notes."""
    out = []
    for part in _parts(scores):
        header, rows = cells(part)
        lines = [("th", header), *(("td", row) for row in rows)]
        drawn = ("".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line) for tag, line in lines)
        body = "".join(f"<tr>{line}</tr>" for line in drawn)
        out.append(f"<table><caption>{html.escape(_title(part, part[0].metric))}</caption>{body}</table>")
    return "".join([*out, *(f"<p>Note: {html.escape(note)}</p>" for note in notes)])


def percent(score: Score | Metric, digits: int = 2) -> str:
    """Return a score and its standard error in percent."""
    if math.isnan(score.value):
        return "n/a"
    spread = "" if math.isnan(score.spread) else f" ± {100 * score.spread:.{digits}f}"
    return f"{100 * score.value:.{digits}f}{spread}"


def label(score: Score) -> str:
    """Name a score's degradation; a native face is named by its resolution."""
    text = Degradation(**score.degradation).describe()
    return text if score.degradation["resolution"] else text.replace("native", f"{score.resolution} px")


def _title(scores: Sequence[Score], metric: str) -> str:
    return f"{scores[0].data}, {scores[0].setting}: {metric}, %" if scores else metric


def _parts(scores: Sequence[Score], metrics: Sequence[str] | None = None) -> list[list[Score]]:
    parts: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        if metrics is None or score.metric in metrics:
            parts.setdefault((score.data, score.setting, score.metric), []).append(score)
    return list(parts.values())

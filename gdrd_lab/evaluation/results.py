"""Results as files (JSON and CSV, whole or not at all) and as tables on screen."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gdrd_lab import __version__
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

T = TypeVar("T")
FORMAT = 1
COLUMNS = [f.name for f in fields(Score)]
SEVERITIES = [f.name for f in fields(Degradation)]
# The degradation's resolution has its own name in a CSV, where Score.resolution is a column too (112 for "native").
FLAT = {name: f"degradation_{name}" for name in SEVERITIES}
_TYPES: dict[str, type] = {
    f.name: {"str": str, "int": int, "float": float}.get(str(f.type), dict) for f in fields(Score)
}
_SEVERITY_TYPES: dict[str, type] = {f.name: int if "int" in str(f.type) else float for f in fields(Degradation)}


@dataclass(frozen=True)
class Report:
    """Scores and where they come from.

    Args:
        scores: the results.
        command: the command line that made them.
        date: UTC, ISO 8601, to the second.
        version: of this package.
        notes: what a reader should know, such as why a value is missing.
    """

    scores: tuple[Score, ...]
    command: str
    date: str
    version: str
    notes: tuple[str, ...]


def report(scores: Sequence[Score], command: str | None = None) -> Report:
    """Wrap scores with date, package version, command line (this process's unless given) and notes."""
    found = provenance(command)
    return Report(tuple(scores), found["command"], found["date"], found["version"], tuple(notes(scores)))


def provenance(command: str | None = None) -> dict[str, str]:
    """Return where a result comes from: command (this process's unless given), date (UTC, ISO 8601) and version."""
    words = command if command is not None else shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"command": words, "date": date, "version": __version__}


def write_rows(path: Path | str, rows: Sequence[Any]) -> Path:
    """Write dataclass rows as JSON, whole or not at all, with the command and date that made them."""
    document = {**provenance(), "rows": [asdict(row) for row in rows]}
    return write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())


def read_rows(path: Path | str, build: Callable[[dict[str, Any]], T], what: str, command: str) -> list[T]:
    """Read what ``write_rows`` wrote.

    Args:
        path: the file.
        build: makes a row of its plain values.
        what: the rows' name in the error.
        command: what writes such a file.

    Raises:
        GdrdError: the file is missing or damaged.
    """
    try:
        return [build(row) for row in json.loads(_text(path))["rows"]]
    except (ValueError, KeyError, TypeError) as error:
        raise GdrdError(f"{path} holds no {what} ({error})", f"Write it with `{command}`") from error


def notes(scores: Iterable[Score]) -> list[str]:
    """Say in a line each why values are missing."""
    found = {
        (s.metric, s.data, s.n): f"{s.metric} on {s.data} cannot be measured with {s.n:,} impostor pairs: "
        f"it takes at least {math.ceil(1 / float(s.metric.split('=')[1]) - 1e-9):,}."
        for s in scores
        if math.isnan(s.value) and "=" in s.metric
    }
    return list(found.values())


def write_json(path: Path | str, result: Report) -> Path:
    """Write a report as JSON, atomically; NaN becomes null. Raises GdrdError where it cannot be written."""
    document = {"format": FORMAT, **asdict(result), "scores": [_plain(score) for score in result.scores]}
    return write_atomically(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def write_csv(path: Path | str, result: Report) -> Path:
    """Write a report as CSV, atomically, one score a row; every row repeats version, date and command."""
    text = io.StringIO()
    columns = [c for c in COLUMNS if c != "degradation"] + list(FLAT.values()) + ["version", "date", "command"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for score in result.scores:
        row = _plain(score)
        severity = {FLAT[name]: value for name, value in row.pop("degradation").items()}
        writer.writerow(row | severity | {"version": result.version, "date": result.date, "command": result.command})
    return write_atomically(path, text.getvalue().encode())


def read_json(path: Path | str) -> Report:
    """Read what ``write_json`` wrote; every field must be there, be known and have its type.

    Raises:
        GdrdError: the file is missing, damaged or of another format.
    """
    try:
        document = json.loads(_text(path))
        if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
            raise ValueError(f"not format {FORMAT}")
        if set(document) != {f.name for f in fields(Report)}:
            raise ValueError(f"fields {', '.join(sorted(document))}")
        for name in ("command", "date", "version"):
            _typed(document[name], str, name)
        scores = tuple(_score(row) for row in _typed(document["scores"], list, "scores"))
        remarks = tuple(_typed(note, str, "notes") for note in _typed(document["notes"], list, "notes"))
        return Report(scores, document["command"], document["date"], document["version"], remarks)
    except ValueError as error:
        raise _unreadable(path, error) from error


def read_csv(path: Path | str) -> Report:
    """Read what ``write_csv`` wrote. Raises GdrdError as ``read_json`` does."""
    try:
        rows = list(csv.DictReader(io.StringIO(_text(path)), strict=True))
        if not rows:
            raise ValueError("no rows")
        scores = []
        for row in rows:
            if None in row or None in row.values():
                raise ValueError("a row of another length than the header")
            plain: dict[str, Any] = {
                name: _parsed(row[name], kind) for name, kind in _TYPES.items() if kind is not dict
            }
            severity = {name: _parsed(row[FLAT[name]], kind) for name, kind in _SEVERITY_TYPES.items()}
            scores.append(_score(plain | {"degradation": severity}))
        first = rows[0]
        return Report(tuple(scores), first["command"], first["date"], first["version"], tuple(notes(scores)))
    except (ValueError, KeyError, csv.Error) as error:
        raise _unreadable(path, error) from error


def table(scores: Sequence[Score], metric: str = "accuracy") -> Table:
    """One table of one metric: methods as rows, degradations as columns, value and standard error in percent.

    More than five degradations, or long names of them, become the rows, which a narrow screen can hold. ``scores``
    should be of one data set and one setting; rows and columns come in the order given.
    """
    from rich import box
    from rich.table import Table

    chosen = [score for score in scores if score.metric == metric]
    cells = {(s.method, label(s)): percent(s) for s in chosen}
    methods, labels = (list(dict.fromkeys(names)) for names in ([m for m, _ in cells], [c for _, c in cells]))
    head = f"{chosen[0].data}, {chosen[0].setting}: {metric}, %" if chosen else metric
    out = Table(title=head, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    upright = len(labels) > 5 or sum(map(len, labels)) > 50
    out.add_column("degradation" if upright else "method", overflow="fold")
    for name in methods if upright else labels:
        out.add_column(name, justify="right", overflow="fold")
    for row in labels if upright else methods:
        out.add_row(row, *(cells.get((m, row) if upright else (row, m), "") for m in (methods if upright else labels)))
    return out


def show(scores: Sequence[Score], metrics: Sequence[str] | None = None, console: Console | None = None) -> None:
    """Print a table for each data set, setting and metric, and the notes. ``metrics`` None prints all."""
    from rich.console import Console

    console = console or Console()
    for data, setting, metric in dict.fromkeys((s.data, s.setting, s.metric) for s in scores):
        if metrics is None or metric in metrics:
            console.print(table([s for s in scores if s.data == data and s.setting == setting], metric))
    for note in notes(scores):
        console.print(f"Note: {note}", markup=False, highlight=False)


def percent(score: Score, digits: int = 2) -> str:
    """Return a score and its standard error in percent."""
    if math.isnan(score.value):
        return "n/a"
    spread = "" if math.isnan(score.spread) else f" ± {100 * score.spread:.{digits}f}"
    return f"{100 * score.value:.{digits}f}{spread}"


def label(score: Score) -> str:
    """Name a score's degradation in words, with the pixels of a native face said too."""
    words = Degradation(**score.degradation).describe()
    return words if score.degradation["resolution"] else words.replace("native", f"{score.resolution} px")


def _plain(score: Score) -> dict[str, Any]:
    """Return a score as JSON types, NaN as None."""
    return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in asdict(score).items()}


def _score(row: Any) -> Score:
    """Return a score from JSON types; ValueError where a field is missing, unknown or of another type."""
    if (
        not isinstance(row, dict)
        or set(row) != set(COLUMNS)
        or set(_typed(row["degradation"], dict, "degradation")) != set(SEVERITIES)
    ):
        raise ValueError("a score with missing or unknown fields")
    values = {
        name: _typed(math.nan if row[name] is None and kind is float else row[name], kind, name)
        for name, kind in _TYPES.items()
    }
    try:
        Degradation(**row["degradation"])
    except (GdrdError, TypeError) as error:
        raise ValueError(f"degradation {error}") from error
    return Score(**values)


def _typed(value: Any, kind: type, name: str) -> Any:
    """Return ``value`` if it is of its type (whole numbers pass as float); ValueError otherwise."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r:.40}, not a {kind.__name__}")
    return value


def _parsed(text: str, kind: type) -> Any:
    """Return a CSV cell as its type; an empty number is None."""
    return text if kind is str else None if text == "" else kind(text)


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise GdrdError(
            f"{path} cannot be read ({error.strerror})", "Give a file that `gdrd evaluate` wrote"
        ) from error


def _unreadable(path: Path | str, error: Exception) -> GdrdError:
    return GdrdError(
        f"{path} is no result file or is damaged ({str(error)[:120]})", "Give a file that `gdrd evaluate` wrote"
    )

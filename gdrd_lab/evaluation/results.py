"""Results as files (JSON and CSV, written atomically) and as one object that prints as tables."""

import csv
import io
import json
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

from gdrd_lab import __version__
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation import tables
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.io.atomic import with_ending, write_atomically
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")
FORMAT = 1
REMEDY = "Give a file that `gdrd evaluate` wrote"
COLUMNS = [f.name for f in fields(Score)]
LATER = {f.name: f.default for f in fields(Score) if f.default is not MISSING}  # which earlier files do not have
# The degradation's resolution has its own name in a CSV, where Score.resolution is a column too (112 for "native").
FLAT = {f.name: f"degradation_{f.name}" for f in fields(Degradation)}
_TYPES: dict[str, Any] = {f.name: get_origin(f.type) or f.type for f in fields(Score)}
EARLIER = re.compile(r"\bembedded( faces)?\b")  # what files of earlier versions call the synthetic faces


@dataclass(frozen=True, repr=False)
class Scores:
    """Scores and where they come from; prints as a table in a terminal and in a notebook."""

    scores: tuple[Score, ...]
    command: str  # the command line that made them
    date: str  # UTC, ISO 8601, to the second
    version: str  # of this package
    notes: tuple[str, ...]  # what a reader should know, such as why a value is missing

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: int) -> Score:
        return self.scores[index]

    def __repr__(self) -> str:
        return tables.as_text(self.scores, self.notes)

    def _repr_html_(self) -> str:
        return tables.as_html(self.scores, self.notes)

    def to_frame(self) -> "DataFrame":
        """Return a pandas DataFrame with one row a score; the degradation's fields are columns of their own."""
        from pandas import DataFrame

        return DataFrame([_flat(score) for score in self.scores])

    def save(self, path: Path | str) -> Path:
        """Write ``path``.json and ``path``.csv, atomically, and return the JSON file's path."""
        write_csv(with_ending(path, ".csv", ".json"), self)
        return write_json(with_ending(path, ".json", ".csv"), self)


def collect(scores: Sequence[Score], command: str | None = None, remarks: Sequence[str] = ()) -> Scores:
    """Return scores with date, package version, command line (this process's if None), ``remarks`` and notes."""
    found = provenance(command)
    return Scores(tuple(scores), found["command"], found["date"], found["version"], (*remarks, *notes(scores)))


def provenance(command: str | None = None) -> dict[str, str]:
    """Return where a result comes from: command (this process's unless given), date (UTC, ISO 8601) and version."""
    words = command if command is not None else shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"command": words, "date": date, "version": __version__}


def write_rows(path: Path | str, rows: Sequence[Any]) -> Path:
    """Write dataclass rows as JSON, whole or not at all, with the command and date that made them."""
    return write_atomically(path, _row_a_line(provenance(), "rows", [asdict(row) for row in rows]))


def read_rows(path: Path | str, build: Callable[..., T], what: str, command: str) -> list[T]:
    """Read what ``write_rows`` wrote."""
    try:
        return [build(**{**row, "data": current_name(row["data"])}) for row in json.loads(_text(path))["rows"]]
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


def write_json(path: Path | str, result: Scores) -> Path:
    """Write scores as JSON, atomically; NaN becomes null. Raises GdrdError where it cannot be written."""
    facts = {"format": FORMAT, **asdict(replace(result, scores=()))}
    return write_atomically(path, _row_a_line(facts, "scores", [_plain(score) for score in result.scores]))


def write_csv(path: Path | str, result: Scores) -> Path:
    """Write scores as CSV, atomically, one score a row; every row repeats version, date and command."""
    text = io.StringIO()
    columns = [c for c in COLUMNS if c != "degradation"] + list(FLAT.values()) + ["version", "date", "command"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    origin = {"version": result.version, "date": result.date, "command": result.command}
    writer.writerows(_flat(score) | origin for score in result.scores)
    return write_atomically(path, text.getvalue().encode())


def read_json(path: Path | str) -> Scores:
    """Read what ``write_json`` wrote; every field must be there, be known and have its type."""
    try:
        document = json.loads(_text(path))
        if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
            raise ValueError(f"not format {FORMAT}")
        if set(document) != {f.name for f in fields(Scores)}:
            raise ValueError(f"fields {', '.join(sorted(document))}")
        for name in ("command", "date", "version"):
            _typed(document[name], str, name)
        scores = tuple(_score(row) for row in _typed(document["scores"], list, "scores"))
        remarks = tuple(_typed(note, str, "notes") for note in _typed(document["notes"], list, "notes"))
        return Scores(scores, document["command"], document["date"], document["version"], remarks)
    except ValueError as error:
        raise GdrdError(f"{path} is no result file or is damaged ({str(error)[:120]})", REMEDY) from error


def current_name(data: str) -> str:
    """Return today's name of a face set that a file of an earlier version names."""
    return EARLIER.sub("synthetic", data)


def _row_a_line(facts: dict[str, Any], name: str, rows: Sequence[dict[str, Any]]) -> bytes:
    """Return JSON of facts and rows, each row on a line of its own: a third of the size, and readable differences."""
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    rest = json.dumps({k: v for k, v in facts.items() if k != name}, indent=1)
    return f'{rest[:-2]},\n "{name}": [\n{lines}\n ]\n}}\n'.encode()


def _plain(score: Score) -> dict[str, Any]:
    """NaN becomes None."""
    return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in asdict(score).items()}


def _flat(score: Score) -> dict[str, Any]:
    """The degradation's fields stand beside the others, NaN becomes None."""
    row = _plain(score)
    return row | {FLAT[name]: value for name, value in row.pop("degradation").items()}


def _score(row: Any) -> Score:
    if not isinstance(row, dict) or set(row := LATER | row) != set(COLUMNS):
        raise ValueError("a score with missing or unknown fields")
    values = {
        name: _typed(math.nan if row[name] is None and kind is float else row[name], kind, name)
        for name, kind in _TYPES.items()
    }
    try:  # fields that a later version added have their defaults
        values["degradation"] = asdict(Degradation(**row["degradation"]))
    except (GdrdError, TypeError) as error:
        raise ValueError(f"degradation {error}") from error
    return Score(**{**values, "data": current_name(values["data"])})


def _typed(value: Any, kind: type, name: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r:.40}, not a {kind.__name__}")
    return value


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise GdrdError(f"{path} cannot be read ({error.strerror})", REMEDY) from error

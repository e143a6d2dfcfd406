"""A list of pairs of photographs in, scores out: for `gdrd compare` and the app."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.compare import compare, embed_reduced
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation

HEADINGS = ["first", "second"]
COLUMNS = "This row does not have two columns"


def read_pairs(content: bytes) -> list[list[str]]:
    """Read a CSV with two columns of file names, divided by commas or semicolons; a heading "first,second" may lead."""
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), delimiter=";" if ";" in text and "," not in text else ","))
    except (UnicodeDecodeError, csv.Error) as error:
        raise GdrdError("The list of pairs cannot be read", "Save it as CSV in UTF-8") from error
    pairs = [[cell.strip() for cell in row] for row in rows if any(map(str.strip, row))]
    pairs = pairs[1:] if pairs and [cell.lower() for cell in pairs[0]] == HEADINGS else pairs
    if not pairs:
        raise GdrdError("The list of pairs is empty", "Give a CSV with two columns of file names")
    return pairs


def score_pairs(
    pairs: Sequence[Sequence[str]],
    read: Callable[[str], np.ndarray],
    recognisers: Sequence[Recogniser],
    resolution: int,
    degradation: Degradation | None = None,
    seeds: tuple[int, int] = (0, 1),
) -> list[list[str]]:
    """Score pairs of file names as ``compare`` does; return a table of text whose first row names its columns.

    ``read`` returns the face of a file, uint8 (S, S, 3). What cannot be scored has an error in words instead.
    """
    setting = replace(degradation or Degradation(), resolution=resolution)

    @cache
    def face(name: str) -> np.ndarray | GdrdError:
        try:
            return read(name)
        except GdrdError as error:
            return error

    @cache
    def embedding(name: str, recogniser: Recogniser, at: Degradation, seed: int) -> np.ndarray:
        found = face(name)
        if isinstance(found, GdrdError):
            raise GdrdError(f"{name}: {found.what}", found.do)
        return embed_reduced(found, recogniser, at, seed)

    table = [[*HEADINGS, "resolution", *(r.name for r in recognisers), "error"]]
    for pair in pairs:
        first, second = [*pair, "", ""][:2]
        scores, error = [""] * len(recognisers), "" if len(pair) == 2 else COLUMNS
        if not error:
            try:
                found = compare(first, second, recognisers, [resolution], setting, seeds, lambda *key: embedding(*key))
                scores = [f"{score:.4f}" for (score,) in found.scores.values()]
            except GdrdError as problem:
                error = problem.what
        table.append([first, second, str(resolution), *scores, error])
    return table


def table_csv(table: Sequence[Sequence[str]]) -> bytes:
    """Return a table as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(table)
    return out.getvalue().encode()

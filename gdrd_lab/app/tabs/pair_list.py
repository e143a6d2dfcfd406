"""A list of pairs on the tab "Compare": a CSV and its photographs in, a table and a CSV with the scores out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gdrd_lab.app.html import notes, table
from gdrd_lab.app.methods import methods
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs.download import download_link
from gdrd_lab.app.uploads import aligned_face, forget, one_at_a_time
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.pair_list import read_pairs, score_pairs, table_csv

MOST_FILES, MOST_PAIRS, SHOWN = 200, 2000, 20


def scored(view: View, paths: Sequence[str], names: Sequence[str]) -> str:
    """Score the pairs of the one CSV among the files, at the view's settings, and delete every file; return HTML."""
    try:
        lists = [path for path, name in zip(paths, names, strict=True) if name.lower().endswith(".csv")]
        places = {name: path for path, name in zip(paths, names, strict=True) if path not in lists}
        if len(lists) != 1:
            raise GdrdError(f"{len(lists)} of the files are lists", "Give one .csv together with its photographs")
        if len(places) > MOST_FILES:
            raise GdrdError(f"{len(places)} photographs are too many for the app", f"Give at most {MOST_FILES}")
        pairs = read_pairs(Path(lists[0]).read_bytes())
        if len(pairs) > MOST_PAIRS:
            raise GdrdError(f"{len(pairs)} pairs are too many for the app", f"Give at most {MOST_PAIRS}")

        def read(name: str) -> np.ndarray:
            if name not in places:
                raise GdrdError("this photograph was not given", "Give it together with the list")
            return one_at_a_time(aligned_face, places[name])

        header, *rows = score_pairs(pairs, read, methods(view), view.resolution, view.degradation, view.seeds)
    finally:
        for path in paths:
            forget(path)
    link = download_link(table_csv([header, *rows]), "text/csv", "pairs.csv", "Save the scores as CSV")
    wrong = sum(bool(row[-1]) for row in rows)
    lines = [f"{wrong} of {len(rows)} pairs have no score; the last column says why."] if wrong else []
    left = f"; the file has all {len(rows)}" if len(rows) > SHOWN else ""
    title = f"The first {min(SHOWN, len(rows))} pairs{left}. The uploaded files have been deleted."
    return f'<div class="gdrd-links">{link}</div>{notes(lines)}{table(header, rows[:SHOWN], title)}'

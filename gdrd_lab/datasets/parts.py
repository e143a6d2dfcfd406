"""Sets that come in parts, such as training and test: whether equal labels in two parts are one person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gdrd_lab.datasets.labels import identity_name, number_identities, restarts


def number_parts(parts: Sequence[Sequence[Any]], names: Sequence[str]) -> tuple[np.ndarray, list[str], list[str]]:
    """Number the identities of a set that comes in parts.

    Numbers that count from 0 or 1 in every part (``labels.restarts``) are different people in each: the name of a
    person is then "part/number". All other equal labels are one person.

    Args:
        parts: the identities in each part, of any type, see ``labels.identity_name``.

    Returns:
        Labels int64 (N,) of all parts, the name of each number, and a sentence for the user or none.

    Example:
        >>> number_parts([[0, 1, 1], [0, -1]], ["train", "test"])[:2]
        (array([ 1,  2,  2,  0, -1]), ['test/0', 'train/0', 'train/1'])
    """
    tables = [{value: identity_name(value) for value in set(part)} for part in parts]
    found = [{name for name in table.values() if name is not None} for table in tables]
    notes = []
    if len(parts) > 1 and restarts(found):
        notes.append(f"Identities are numbered anew in each of {', '.join(names)}: equal numbers are different people")
        for part, table in zip(names, tables, strict=True):
            table.update({value: f"{part}/{name}" for value, name in table.items() if name is not None})
    labels, known = number_identities(
        [table[value] for part, table in zip(parts, tables, strict=True) for value in part]
    )
    return labels, known, notes

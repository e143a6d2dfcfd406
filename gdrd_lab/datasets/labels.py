"""Identity names and numbers: which names mean "unknown", and how people are numbered."""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

UNKNOWN_NAMES = frozenset(("", "unknown", "nan", "none", "null", "n/a", "<na>", "?"))


def identity_name(value: Any) -> str | None:
    """Return the name of an identity as text, or None where the value means "unknown".

    Unknown are None, NaN, negative numbers and the texts "", "-1", "unknown", "nan", "none", "null", "n/a" and "?" in
    any capitals. Whole floats lose their fraction: 7.0 and "7.0" are "7".
    """
    name = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    number = re.fullmatch(r"(-?)(\d+)(\.0*)?", name)
    if name.lower() in UNKNOWN_NAMES or (number and number[1]):
        return None
    return number[2] if number else name


def number_identities(values: Iterable[Any], *, numeric: bool = True) -> tuple[np.ndarray, list[str]]:
    """Number N identities from 0 in the order of their names: labels int64 (N,), -1 if unknown, and all names."""
    names = [identity_name(value) for value in values]
    known = sorted({name for name in names if name is not None})
    if numeric:
        known.sort(key=lambda name: (not name.isdecimal(), len(name) if name.isdecimal() else 0))
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(known)}
    return np.array([numbers.get(name, -1) for name in names], np.int64), known


def restarts(parts: Sequence[Collection[str]]) -> bool:
    """Whether the identities of the parts of a set are numbers that restart in each part.

    That is so if every part has the numbers from 0 or from 1 on without a gap: equal numbers are then different people,
    as far as anyone can tell. Other numbers, and names, mean the same person in each part.
    """
    parts = [part for part in parts if part]
    if len(parts) < 2 or not all(name.isdecimal() for part in parts for name in part):
        return False
    numbers = [sorted(map(int, part)) for part in parts]
    return any(all(found == list(range(start, start + len(found))) for found in numbers) for start in (0, 1))


def number_parts(parts: Sequence[Sequence[Any]], names: Sequence[str]) -> tuple[np.ndarray, list[str], list[str]]:
    """Number the identities of a set that comes in parts: labels int64 (N,), each number's name, and a note or none.

    Numbers that restart in every part (``restarts``) are different people in each: the name of a person is then
    "part/number". All other equal labels are one person.
    """
    tables = [{value: identity_name(value) for value in set(part)} for part in parts]
    found = [{name for name in table.values() if name is not None} for table in tables]
    notes = []
    if len(parts) > 1 and restarts(found):
        notes.append(f"Identities are numbered anew in each of {', '.join(names)}: equal numbers are different people")
        for part, table in zip(names, tables, strict=True):
            table.update({value: f"{part}/{name}" for value, name in table.items() if name is not None})
    labels, known = number_identities(table[value] for part, table in zip(parts, tables, strict=True) for value in part)
    return labels, known, notes


class NumberedKeys(Sequence[str]):
    """Keys, a prefix and a number, made when they are asked for: a list of ten million would take a gigabyte.

    Each part has ``counts`` keys, numbered from its ``firsts`` in ``digits`` digits; one part from 0 by default.
    """

    def __init__(
        self, *counts: int, prefixes: Sequence[str] = ("",), firsts: Sequence[int] = (0,), digits: int = 1
    ) -> None:
        self._prefixes, self._firsts, self._digits = prefixes, firsts, digits
        self._ends = list(accumulate(counts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        index = range(len(self))[index]
        part = bisect_right(self._ends, index)
        start = self._ends[part - 1] if part else 0
        return f"{self._prefixes[part]}{self._firsts[part] + index - start:0{self._digits}d}"


def as_labels(values: Any) -> tuple[np.ndarray, Sequence[str]]:
    """Return labels int64 (N,) and the name of each identity.

    Whole numbers stay as they are (negative ones become -1); all other values are names, see ``number_identities``.
    """
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        return number_identities(array.tolist())
    labels = np.maximum(array.astype(np.int64).reshape(-1), -1)
    return labels, NumberedKeys(int(labels.max(initial=-1)) + 1)

"""Identity names and numbers: which names mean "unknown", and how people are numbered."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

UNKNOWN_NAMES = frozenset(("", "unknown", "nan", "none", "null", "n/a", "<na>", "?"))
_NEGATIVE = re.compile(r"-\d+(\.0*)?")
_WHOLE = re.compile(r"(\d+)\.0*")


def identity_name(value: Any) -> str | None:
    """Return the name of an identity as text, or None where the value means "unknown".

    Unknown are None, NaN, negative numbers and the texts "", "-1", "unknown", "nan", "none", "null", "n/a" and "?" in
    any capitals. Whole floats lose their fraction: 7.0 and "7.0" are "7".

    Example:
        >>> [identity_name(value) for value in ("ann", 7.0, "-1", float("nan"), "Unknown", None)]
        ['ann', '7', None, None, None, None]
    """
    name = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    if name.lower() in UNKNOWN_NAMES or _NEGATIVE.fullmatch(name):
        return None
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def number_identities(values: Iterable[Any], *, numeric: bool = True) -> tuple[np.ndarray, list[str]]:
    """Number identities from 0 in the order of their names.

    Args:
        values: N identities of any type, see ``identity_name``.

    Returns:
        Labels int64 (N,), -1 where the identity is unknown, and the name of each number.

    Example:
        >>> number_identities(["10", "9", "unknown", "9"])
        (array([ 1,  0, -1,  0]), ['9', '10'])
    """
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

    Example:
        >>> restarts([{"0", "1", "2"}, {"0", "1"}]), restarts([{"17", "4"}, {"4"}]), restarts([{"ann"}, {"ann"}])
        (True, False, False)
    """
    numbers = [{int(name) for name in part if name.isdecimal()} for part in parts if part]
    whole = [len(found) == len(part) for found, part in zip(numbers, filter(None, parts), strict=True)]
    starts = {min(found, default=-1) for found in numbers}
    return (
        len(numbers) > 1
        and all(whole)
        and starts in ({0}, {1})
        and all(max(found) - min(found) + 1 == len(found) for found in numbers)
    )


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


class NumberNames(Sequence[str]):
    """The names "0" to "count - 1" of identities that have only numbers, made when they are asked for."""

    def __init__(self, count: int) -> None:
        self._numbers = range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [str(number) for number in self._numbers[index]]
        return str(self._numbers[index])


def as_labels(values: Any) -> tuple[np.ndarray, Sequence[str]]:
    """Return labels int64 (N,) and the name of each identity.

    Whole numbers stay as they are (negative ones become -1); all other values are names, see ``number_identities``.
    """
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        return number_identities(array.tolist())
    labels = np.maximum(array.astype(np.int64).reshape(-1), -1)
    return labels, NumberNames(int(labels.max(initial=-1)) + 1)

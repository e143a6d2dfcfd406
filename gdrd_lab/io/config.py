"""Frozen dataclasses to and from plain values; names and types are checked."""

import dataclasses
import numbers
import types
import typing
from typing import Any

from gdrd_lab.errors import GdrdError

T = typing.TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Return a config as plain dictionaries, lists and numbers for JSON."""
    return dataclasses.asdict(config)


def check_ranges(config: Any, **ranges: tuple[float, float]) -> None:
    """Check numbers of a config, alone or in tuples (not None): low <= value <= high; whole where both bounds are."""
    for name, (low, high) in ranges.items():
        kind = numbers.Integral if isinstance(low, int) and isinstance(high, int) else numbers.Real
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else () if value is None else (value,):
            if isinstance(item, bool) or not isinstance(item, kind) or not low <= item <= high:  # type: ignore[operator]
                whole = "a whole number " if kind is numbers.Integral else ""
                raise GdrdError(f"{name}={value} is out of range", f"Choose {name} {whole}between {low:g} and {high:g}")


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """Return a config of ``kind`` built from plain values."""
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise GdrdError(f"{kind.__name__} has no setting {unknown[0]!r}", f"Use {', '.join(sorted(known))}")
    required = {name for name, item in known.items() if item.default is item.default_factory is dataclasses.MISSING}
    if missing := sorted(required - set(values)):
        raise GdrdError(f"{kind.__name__} lacks the setting {missing[0]!r}", "Add it")
    return kind(**{name: _convert(hints[name], value, f"{kind.__name__}.{name}") for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise GdrdError(f"{where} is {value!r}, not a group of settings", "Give its settings by name")
        return from_dict(hint, value)  # type: ignore[arg-type]
    groups = [kind for kind in typing.get_args(hint) if dataclasses.is_dataclass(kind)]
    if groups and isinstance(value, dict):
        # A union of configs: the first that has every key. If none has, the first reports the unknown key.
        names = [{item.name for item in dataclasses.fields(kind)} for kind in groups]
        fitting = [kind for kind, known in zip(groups, names, strict=True) if set(value) <= known]
        return from_dict((fitting or groups)[0], value)  # type: ignore[arg-type]
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise GdrdError(f"{where} is {value!r}, which is not a list", "Write a list, such as [16]")
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in value)
    kinds = typing.get_args(hint) if origin is types.UnionType else (hint,)
    allowed = (*kinds, int) if float in kinds else kinds
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds):
        what = f"{where} is {value!r}, which is not of type {getattr(hint, '__name__', hint)}"
        raise GdrdError(what, "Correct the value")
    return value

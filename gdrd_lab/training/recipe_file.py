"""Recipes as plain values: to and from dictionaries and JSON, strict about names and types."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gdrd_lab.errors import GdrdError
from gdrd_lab.student.shape import SeparableConfig, StudentConfig
from gdrd_lab.training.config import Recipe

T = typing.TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Turn any config into plain dictionaries, lists and numbers for JSON."""
    return dataclasses.asdict(config)


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """Build a config of ``kind`` from plain values.

    Raises:
        GdrdError: a key is unknown or missing, or a value has the wrong type.
    """
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise GdrdError(f"{kind.__name__} has no setting {unknown[0]!r}", f"Use {', '.join(sorted(known))}")
    required = {
        n for n, f in known.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if missing := sorted(required - set(values)):
        raise GdrdError(f"{kind.__name__} lacks the setting {missing[0]!r}", "Add it")
    return kind(**{name: _convert(hints[name], value, f"{kind.__name__}.{name}") for name, value in values.items()})


def shape_from_dict(values: dict[str, Any]) -> StudentConfig | SeparableConfig:
    """Build the student's shape from plain values: separable if they have a stem.

    Raises:
        GdrdError: as ``from_dict``.
    """
    return from_dict(SeparableConfig, values) if "stem" in values else from_dict(StudentConfig, values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise GdrdError(f"{where} is {value!r}, not a group of settings", "Give its settings by name")
        return from_dict(hint, value)  # type: ignore[arg-type]
    if StudentConfig in typing.get_args(hint) and isinstance(value, dict):
        return shape_from_dict(value)
    origin = typing.get_origin(hint)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in value)
    kinds = typing.get_args(hint) if origin is types.UnionType else (hint,)
    allowed = (*kinds, int) if float in kinds else kinds
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds):
        raise GdrdError(f"{where} is {value!r}, which is no {getattr(hint, '__name__', hint)}", "Correct the value")
    return value


def load_recipe(name: str) -> Recipe:
    """Return the recipe called "smoke", "cpu", "best", "assistant" or "paper", or the one in a JSON file.

    Raises:
        GdrdError: there is no such recipe, or the file is no recipe.
    """
    for recipe in (Recipe.smoke, Recipe.cpu, Recipe.best, Recipe.assistant, Recipe.paper):
        if name == recipe.__name__:
            return recipe()
    try:
        values = json.loads(Path(name).read_text())
    except (OSError, ValueError) as error:
        raise GdrdError(
            f"{name!r} is no recipe ({error})", "Use smoke, cpu, best, assistant, paper or a JSON file of a recipe"
        ) from error
    if not isinstance(values, dict):
        raise GdrdError(f"{name} holds no recipe", "Write one with `json.dump(to_dict(Recipe.cpu()), file)`")
    return from_dict(Recipe, values)


def override(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Return the recipe with settings changed, each as "name.name=value" with a JSON value.

    Raises:
        GdrdError: a name is unknown or a value has the wrong type.
    """
    values = to_dict(recipe)
    for change in changes:
        path, separator, text = change.partition("=")
        *groups, last = path.split(".")
        place = values
        for group in groups:
            place = place.get(group) if isinstance(place, dict) else None  # type: ignore[assignment]
        if not separator or not isinstance(place, dict) or last not in place:
            raise GdrdError(f"{change!r} sets nothing", "Write it as head.loop.steps=2000")
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    return from_dict(Recipe, values)

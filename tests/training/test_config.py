"""Recipes: frozen, strict about unknown keys and types, and equal after a round trip through JSON."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import from_dict, to_dict
from gdrd_lab.training import recipes
from gdrd_lab.training.config import Recipe
from gdrd_lab.training.recipes import load_recipe, override

RECIPES = [recipes.smoke, recipes.cpu, recipes.paper]


@pytest.mark.parametrize("make", RECIPES)
def test_round_trip_through_json(make: Callable[..., Any], tmp_path: Path) -> None:
    recipe = make()
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(to_dict(recipe)))
    assert load_recipe(str(file)) == recipe
    assert load_recipe(make.__name__) == recipe


def test_recipes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipes.smoke().seed = 3  # type: ignore[misc]


def test_unknown_missing_and_mistyped_settings_are_named() -> None:
    values = to_dict(recipes.smoke())
    with pytest.raises(GdrdError, match="HeadConfig has no setting 'weight_xyz'"):
        from_dict(Recipe, values | {"head": values["head"] | {"weight_xyz": 1}})
    with pytest.raises(GdrdError, match="lacks the setting 'generative'"):
        from_dict(Recipe, {key: value for key, value in values.items() if key != "generative"})
    with pytest.raises(GdrdError, match=r"LoopConfig.steps is 'many'"):
        override(recipes.smoke(), ["head.loop.steps=many"])
    with pytest.raises(GdrdError, match="sets nothing"):
        override(recipes.smoke(), ["head.lop.steps=3"])
    with pytest.raises(GdrdError, match="is not a recipe"):
        load_recipe("enormous")


def test_override_changes_only_what_it_names() -> None:
    changed = override(recipes.smoke(), ["head.loop.steps=3", "seed=7", "backbone.resolutions=[16]"])
    assert (changed.head.loop.steps, changed.seed, changed.backbone.resolutions) == (3, 7, (16,))
    assert changed.generative == recipes.smoke().generative

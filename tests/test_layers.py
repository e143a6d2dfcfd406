"""The house rules of the package: imports run downwards, nothing in a circle, small files and functions."""

from pathlib import Path

import pytest
from helpers import layers

ROOT = Path(__file__).resolve().parents[1] / "gdrd_lab"


def test_no_import_runs_upwards() -> None:
    assert layers.upward(ROOT) == []


def test_no_two_packages_import_each_other() -> None:
    assert layers.mutual(ROOT) == []


def test_no_files_import_in_a_circle() -> None:
    assert layers.circle(ROOT) == []


def test_importing_a_module_changes_nothing_else() -> None:
    assert layers.import_effects(ROOT) == []


def test_every_package_of_the_order_exists() -> None:
    there = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__", "__main__"} == set(layers.ORDER)


def test_functions_have_at_most_80_lines() -> None:
    assert layers.long_functions(ROOT, 80) == []


def test_files_have_at_most_300_lines() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in ROOT.rglob("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_the_package_stays_small() -> None:
    """It had 19,273 lines in commit 09de07f; what cameras, the app, the course and GPUs add has to fit in here."""
    assert sum(len(file.read_text().splitlines()) for file in ROOT.rglob("*.py")) < 22_800


def package(folder: Path, **files: str) -> Path:
    """Write a package from `layer__module` names to sources."""
    root = folder / "gdrd_lab"
    for name, source in {"": "", **files}.items():
        *parents, stem = name.split("__") if name else ["__init__"]
        place = root.joinpath(*parents)
        place.mkdir(parents=True, exist_ok=True)
        (place / "__init__.py").touch()
        (place / f"{stem}.py").write_text(source)
    return root


UPWARD = {
    "at the top": "from gdrd_lab.training.loop import run",
    "in a function": "def f():\n    from gdrd_lab.training import loop",
    "for types only": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import gdrd_lab.training.loop",
    "relative": "from ..training import loop",
    "relative, from the root": "from .. import training",
    "by another name": "import gdrd_lab.training.loop as x",
    "from the root": "from gdrd_lab import training",
    "the public interface": "import gdrd_lab as gl",
    "a public name": "from gdrd_lab import load_model",
    "by a call": "import importlib\nimportlib.import_module('gdrd_lab.training.loop')",
}


@pytest.mark.parametrize("source", UPWARD.values(), ids=UPWARD.keys())
def test_a_planted_upward_import_is_found(source: str, tmp_path: Path) -> None:
    assert len(layers.upward(package(tmp_path, models__sface=source, training__loop=""))) == 1


def test_packages_above_all_that_the_public_interface_names_may_use_it(tmp_path: Path) -> None:
    user = "def f():\n    import gdrd_lab as gl"
    root = package(tmp_path, models__sface="", evaluation__sweep=user, cli__evaluate=user)
    (root / "__init__.pyi").write_text("from .models.sface import SFace as SFace\n")
    assert layers.upward(root) == []
    (root / "__init__.pyi").write_text("from .evaluation.sweep import sweep as sweep\n")
    assert layers.upward(root) == ["evaluation/sweep.py imports gdrd_lab"]


def test_downward_imports_and_the_version_are_allowed(tmp_path: Path) -> None:
    source = (
        "from gdrd_lab import __version__, errors\nfrom gdrd_lab.models import sface\nfrom . import config\nimport os"
    )
    root = package(tmp_path, training__loop=source, training__config="", models__sface="", errors="")
    assert layers.upward(root) == [] == layers.mutual(root) == layers.circle(root)


def test_a_package_without_a_place_is_found(tmp_path: Path) -> None:
    assert layers.upward(package(tmp_path, utilities__everything="")) == ["utilities is not in the order"] * 2


def test_planted_packages_that_import_each_other_are_found(tmp_path: Path) -> None:
    """No file is in a circle here, but the packages are."""
    root = package(
        tmp_path,
        models__sface="",
        models__student="def f():\n    from gdrd_lab.datasets.base import faces",
        datasets__base="",
        datasets__embed="from gdrd_lab.models.sface import SFace",
    )
    assert layers.mutual(root) == [("datasets", "models")] and layers.circle(root) == []


def test_a_planted_circle_of_files_is_found(tmp_path: Path) -> None:
    root = package(
        tmp_path,
        training__a="from gdrd_lab.training.b import x",
        training__b="def f():\n    from gdrd_lab.training import c",
        training__c="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import y",
    )
    assert layers.mutual(root) == []
    assert set(layers.circle(root)) == {"training/a.py", "training/b.py", "training/c.py"}


def test_a_circle_through_a_package_file_is_found(tmp_path: Path) -> None:
    root = package(tmp_path, models__sface="from gdrd_lab.models import load_model")
    (root / "models" / "__init__.py").write_text("from gdrd_lab.models.sface import SFace\ndef load_model(): ...")
    assert set(layers.circle(root)) == {"models/__init__.py", "models/sface.py"}


@pytest.mark.parametrize(("lines", "found"), [(80, 0), (81, 1)])
def test_a_planted_long_function_is_found(lines: int, found: int, tmp_path: Path) -> None:
    body = "\n".join(["@decorated", "def f():", *["    x = 1"] * (lines - 2)])
    assert len(layers.long_functions(package(tmp_path, errors=body), 80)) == found


EFFECTS = {
    "a call": "import warnings\nwarnings.filterwarnings('ignore')",
    "the environment": "import os\nos.environ['A'] = 'b'",
    "an attribute of another module": "import sys\nsys.dont_write_bytecode = True",
    "a loop": "for i in range(3):\n    print(i)",
    "a condition": "import os\nif os.environ.get('A'):\n    print()",
}


@pytest.mark.parametrize("source", EFFECTS.values(), ids=EFFECTS.keys())
def test_a_planted_effect_of_an_import_is_found(source: str, tmp_path: Path) -> None:
    assert len(layers.import_effects(package(tmp_path, errors=source))) == 1


def test_definitions_are_no_effect(tmp_path: Path) -> None:
    source = "'Text.'\nfrom functools import partial\nf = partial(print)\nif __name__ == '__main__':\n    f()"
    assert layers.import_effects(package(tmp_path, errors=source)) == []

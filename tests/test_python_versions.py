"""Every pinned package admits every Python version that the metadata allow."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
VERSIONS = [version for version in ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15") if version in ALLOWED]
PINS = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M)


def test_the_range_is_the_one_that_was_run() -> None:
    assert VERSIONS == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize(("name", "pin"), PINS)
def test_a_pin_runs_on_every_allowed_python(name: str, pin: str) -> None:
    found = metadata.distribution(name)
    assert found.version.split("+")[0] == pin  # a CPU build of torch says 2.13.0+cpu
    admitted = SpecifierSet(found.metadata.get("Requires-Python") or "")
    assert [version for version in VERSIONS if f"{version}.9" in admitted] == VERSIONS


def test_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {name.lower().replace("_", "-"): pin for name, pin in PINS}
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for line in project["dependencies"] + [line for line in extras if not line.startswith("gdrd-lab")]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pins[requirement.name.lower().replace("_", "-")]), line

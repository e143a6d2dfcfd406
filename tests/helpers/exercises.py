"""The exercises of the notebooks: stub, solution and check, read from the notebooks' texts."""

import ast
import importlib
import math
import re
import runpy
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from gdrd_lab.course.exercises import Verdict

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "source"
SOURCES = runpy.run_path(str(FOLDER / "build.py"))["sources"]()


@dataclass(frozen=True)
class Exercise:
    notebook: str
    function: str
    stub: str
    solution: str
    module: str
    checker: str
    before: str  # the text above it: task and hints

    def namespace(self, code: str) -> dict[str, Any]:
        names: dict[str, Any] = {"np": np, "torch": torch, "F": F, "nn": nn, "math": math}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's, about mutants
            exec(compile(code, f"<{self.function}>", "exec"), names)
        return names

    def load(self, code: str) -> Callable[..., Any]:
        """Return the function that a piece of source defines."""
        return self.namespace(code)[self.function]

    def of_body(self, body: str) -> Callable[..., Any]:
        """Return the function with the stub's arguments and another body."""
        return self.load(f"def {self.function}({', '.join(self.arguments)}):\n" + textwrap.indent(body, "    "))

    @property
    def arguments(self) -> list[str]:
        function = ast.parse(self.stub).body[-1]
        assert isinstance(function, ast.FunctionDef)
        return [argument.arg for argument in function.args.args]

    def run(self, answer: Callable[..., Any]) -> Verdict:
        """Return the check's verdict of a function."""
        return getattr(importlib.import_module(self.module), self.checker)(answer)

    def judge(self, answer: Callable[..., Any]) -> Verdict:
        """Return the check's verdict of a function that may warn, which is no error for a reader."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.run(answer)

    def check(self, code: str) -> Verdict:
        return self.judge(self.load(code))


def every() -> list[Exercise]:
    """Return the exercises of all notebooks."""
    return [exercise for source in SOURCES for exercise in exercises(source)]


def exercises(source: Path) -> list[Exercise]:
    """Return the exercises of a notebook's text."""
    found = []
    cells = jupytext.read(source).cells
    for number, cell in enumerate(cells):
        if "stub" not in cell.metadata.get("tags", []):
            continue
        solution, check = cells[number + 1], cells[number + 2]
        assert "solution" in solution.metadata["tags"] and "check" in check.metadata["tags"], cell.source
        imported = re.search(r"from (gdrd_lab\.course\.checks\.\w+) import (\w+)", check.source)
        assert imported
        module, checker = imported.groups()
        called = re.search(rf"^{checker}\((\w+)\)$", check.source, re.M)
        assert called
        name = called.group(1)
        found.append(
            Exercise(source.stem, name, cell.source, solution.source, module, checker, cells[number - 1].source)
        )
    return found

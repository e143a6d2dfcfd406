"""A reader's progress: the exercises of a notebook, run against their checks without running the rest of it."""

import ast
import contextlib
import importlib
import io
import json
import multiprocessing
import re
from pathlib import Path
from typing import Any

from gdrd_lab.course.exercises import Verdict
from gdrd_lab.errors import GdrdError

CALL = re.compile(r"from (gdrd_lab\.course\.checks\.\w+) import (check_\w+)\s+\2\((\w+)\)")
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def verdicts(notebook: Path) -> list[Verdict]:
    """Run the checks of a notebook. Answers' cells run whole; of other code cells only imports and definitions run."""
    names: dict[str, Any] = {"__name__": "answers"}
    found = []
    with contextlib.redirect_stdout(io.StringIO()):
        for source, is_answer in _code(notebook):
            if call := CALL.search(source):
                module, checker, function = call.groups()
                found.append(getattr(importlib.import_module(module), checker)(names.get(function, _missing)))
                continue
            with contextlib.suppress(SyntaxError):  # the reader's code: what it leaves undefined fails its check
                for part in ast.parse(source).body:
                    if is_answer or isinstance(part, DEFINITIONS):
                        with contextlib.suppress(Exception):
                            exec(compile(ast.Module([part], []), notebook.name, "exec"), names)
    return found


def verdicts_in_time(notebook: Path, seconds: float) -> list[Verdict]:
    """Return ``verdicts``, of a process of its own that is ended after so many seconds."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(_code, (notebook,))  # imports PyTorch, which may take longer than the answers
        try:
            return pool.apply_async(verdicts, (notebook,)).get(seconds)
        except multiprocessing.TimeoutError as error:
            what = f"The answers in {notebook} take longer than {seconds:g} s"
            raise GdrdError(what, "Look for a loop that does not end") from error


def _missing(*_: object) -> None:
    raise NotImplementedError


def _code(notebook: Path) -> list[tuple[str, bool]]:
    """Return the source of each code cell, and whether it is an exercise's."""
    try:
        cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
        return [("".join(c["source"]), bool({"stub", "solution"} & {*c["metadata"].get("tags", [])})) for c in cells]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GdrdError(f"{notebook} is not a notebook ({error})", "Give a .ipynb file of the course") from error

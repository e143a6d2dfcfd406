"""notebooks/EQUATIONS.md: every function, test and notebook cell of the table exists, and the table is up to date."""

import ast
import importlib
import runpy
from pathlib import Path

import pytest

from gdrd_lab.course.equations import ROWS, Equation, cell_of

ROOT = Path(__file__).resolve().parents[2]
BUILD = runpy.run_path(str(ROOT / "notebooks" / "source" / "build.py"))
EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_the_table_is_up_to_date() -> None:
    assert (ROOT / "notebooks" / "EQUATIONS.md").read_text() == BUILD["equations"](), "run `make notebooks`"


@EACH
def test_function_and_test_exist(row: Equation) -> None:
    parts = row.function.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        break
    assert callable(found) and found.__doc__
    file, name = row.test.split("::")
    source = (ROOT / "tests" / file).read_text()
    assert name in [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert parts[-1] in source, "the test calls the function"


@EACH
def test_notebook_cell_calls_it_below_its_formula(row: Equation) -> None:
    cells = BUILD["cells"](row.notebook)
    number = cell_of(row, cells)
    assert number is not None
    above = next(cell["source"] for cell in reversed(cells[:number]) if cell["cell_type"] == "markdown")
    formulas = "".join(above.split())
    # The first letters up to the equals sign stand in the text above the cell.
    left = "".join(row.formula.split("=")[0].split()) if "=" in row.formula else r"\min_{a,b,t}"
    assert left.rstrip(r"\,") in formulas.replace("a, b, t", "a,b,t"), left

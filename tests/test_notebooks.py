"""Each notebook is what its text file makes, and carries no outputs."""

import json
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_equals_its_source_and_has_no_outputs(path: Path) -> None:
    made = runpy.run_path(str(FOLDER / "build.py"))["build"](path.with_suffix(".py"))
    assert json.loads(path.read_text()) == json.loads(made), "run `make notebooks`"
    for cell in json.loads(made)["cells"]:
        assert not cell.get("outputs") and not cell.get("execution_count")


def test_there_is_a_notebook_for_every_text() -> None:
    texts = {path.stem for path in FOLDER.glob("*.py")} - {"build"}
    assert texts and texts == {path.stem for path in NOTEBOOKS}

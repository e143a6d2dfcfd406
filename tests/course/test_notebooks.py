"""Each notebook is what its text file makes, in both versions, and carries no outputs."""

import json
import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
BUILD = runpy.run_path(str(FOLDER / "source" / "build.py"))
SOURCES = BUILD["sources"]()


def cells(path: Path, *, solutions: bool = False) -> list[dict]:
    return json.loads(BUILD["build"](path, solutions=solutions))["cells"]


def words(path: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_both_versions_equal_their_text_and_have_no_outputs(source: Path) -> None:
    for target, content in BUILD["targets"](source).items():
        assert json.loads(target.read_text()) == json.loads(content), f"{target}: run `make notebooks`"
        for cell in json.loads(content)["cells"]:
            assert not cell.get("outputs") and not cell.get("execution_count")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_building_twice_gives_the_same_bytes_and_ids_are_unique(source: Path) -> None:
    assert BUILD["targets"](source) == BUILD["targets"](source)
    for solutions in (False, True):
        ids = [cell["id"] for cell in cells(source, solutions=solutions)]
        assert len(set(ids)) == len(ids)


def test_there_is_a_notebook_for_every_text_and_no_other() -> None:
    texts = {path.stem for path in SOURCES}
    assert texts
    assert texts == {path.stem for path in FOLDER.glob("*.ipynb")}
    assert texts == {path.stem for path in (FOLDER / "solutions").glob("*.ipynb")}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_student_and_solution_versions_differ_only_where_they_should(source: Path) -> None:
    student, solution = cells(source), cells(source, solutions=True)
    tagged = {c["id"] for c in student if {"stub", "solution"} & set(c["metadata"].get("tags", []))}
    assert [c for c in student if c["id"] not in tagged] == [c for c in solution if c["id"] not in tagged]
    assert not any("NotImplementedError" in "".join(c["source"]) for c in solution if c["cell_type"] == "code")
    for cell in solution:
        if "solution" in cell["metadata"].get("tags", []):
            (hidden,) = [c for c in student if c["id"] == cell["id"]]
            assert hidden["cell_type"] == "markdown" and "<details>" in hidden["source"][0]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_notebook_has_the_parts_of_a_lesson(source: Path) -> None:
    text = words(source)
    for part in ("**Goals.**", "**Prerequisites.**", "**Time.**", "**Paper.**", "## Summary", "## Questionnaire"):
        assert part in text, part
    assert "## Further reading" in text
    assert re.search(r"\*\*Time\.\*\*.*CPU", text) and "GPU" in text.split("**Paper.**")[0]
    first_code = next(c for c in cells(source) if c["cell_type"] == "code" and c["id"] != "set-up")
    assert re.search(r"\bshow(_\w+)?\(|\.show\(|film\(", "".join(first_code["source"])), (
        "a result in the first code cell"
    )
    code = "\n".join("".join(c["source"]) for c in cells(source) if c["cell_type"] == "code")
    assert "predict(" in code and ".reveal(" in code
    questions = text.split("## Questionnaire")[1].split("## Further reading")[0]
    assert len(re.findall(r"^\d+\. ", questions, re.M)) >= 5


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_first_code_cell_has_few_imports_and_one_set_up_call(source: Path) -> None:
    first = "".join(next(c for c in cells(source) if c["cell_type"] == "code" and c["id"] != "set-up")["source"])
    imports = re.findall(r"^(?:import|from) .*$", first, re.M)
    assert "import gdrd_lab as gl" in imports
    assert len(imports) <= 4, imports
    assert first.count("course.set_up()") == 1

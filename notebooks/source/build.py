"""Make the notebooks from their text: `python notebooks/source/build.py [--force]`.

One text `NN_name.py` makes two files: `NN_name.ipynb` for the student, where each exercise has its stub and the solution
is folded away below it, and `solutions/NN_name.ipynb`, where the solution stands in the stub's place. Tags in the text
tell them apart: a cell tagged "stub" is the student's, one tagged "solution" the solution's. Cell ids follow the order
in the text, so that both files, and every build, give a cell the same id. A set-up cell and links to Colab and Binder,
which install the course from ``REPOSITORY``, are added to each.

A notebook records a hash of its cells. One whose cells have another hash holds somebody's answers and is kept, unless
--force is given.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import jupytext
import nbformat

SOURCES = Path(__file__).resolve().parent
FOLDER = SOURCES.parent
# The project's public address, here alone; GitHub has no account of this name. Set it, then run `make notebooks`.
REPOSITORY = "-owner-/gdrd-lab"
SET_UP = f"""\
# For Colab and Binder: installs the course where it is missing. Where it is there, nothing happens.
import importlib.util
import os
import subprocess
import sys

if getattr(importlib.util.find_spec("gdrd_lab"), "origin", None) is None:
    place = os.environ.get("GDRD_SOURCE", "git+https://github.com/{REPOSITORY}")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", place], check=True)
    importlib.invalidate_caches()"""


def build(source: Path, *, solutions: bool = False) -> str:
    """Return a text file's notebook as JSON, without outputs."""
    notebook = jupytext.read(source)
    cells = []
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
        cell.source = cell.source.strip("\n")  # a formatter puts blank lines before a function
        tags = cell.metadata.get("tags", [])
        if solutions and "stub" in tags:
            continue
        if "solution" in tags and not solutions:
            cell = folded(cell)
        cells.append(cell)
    cells[0].source += f"\n\nRun it on [Colab]({colab(source.stem)}) or [Binder]({binder(source.stem)})."
    set_up = nbformat.v4.new_code_cell(
        SET_UP, id="set-up", metadata={"tags": ["set-up", "hide-input"], "jupyter": {"source_hidden": True}}
    )
    notebook.cells = [cells[0], set_up, *cells[1:]]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.metadata["gdrd"] = {"cells": fingerprint(notebook)}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return nbformat.writes(notebook, version=4) + "\n"


def colab(stem: str) -> str:
    """Return the address that opens a lesson in Colab."""
    return f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/notebooks/{stem}.ipynb"


def binder(stem: str) -> str:
    """Return the address that opens a lesson on Binder, whose environment is that of environment.yml."""
    return f"https://mybinder.org/v2/gh/{REPOSITORY}/main?labpath=notebooks%2F{stem}.ipynb"


def fingerprint(notebook: dict) -> str:
    """Hash what a notebook says, without its outputs."""
    said = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def edited(target: Path) -> bool:
    """Return whether somebody changed a notebook after it was made."""
    notebook = json.loads(target.read_text())
    return notebook["metadata"].get("gdrd", {}).get("cells") != fingerprint(notebook)


def write(source: Path, *, force: bool = False) -> list[Path]:
    """Write what a text makes and return the notebooks that were kept because somebody changed them."""
    kept = []
    for target, content in targets(source).items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not force and edited(target):
            kept.append(target)
        else:
            target.write_text(content)
    return kept


def folded(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Turn a solution's code cell into a folded text of the same id."""
    text = f"<details><summary>Solution</summary>\n\n```python\n{cell.source}\n```\n\n</details>"
    made = nbformat.v4.new_markdown_cell(text, metadata={"tags": ["solution"]})
    made["id"] = cell["id"]
    return made


def sources() -> list[Path]:
    """List the text files."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def targets(source: Path) -> dict[Path, str]:
    """Return what a text makes: the student's and the solution's file, each with its content."""
    name, folder = f"{source.stem}.ipynb", source.parents[1]
    return {folder / name: build(source), folder / "solutions" / name: build(source, solutions=True)}


def cells(stem: str) -> list[dict[str, str]]:
    """Return type and source of each cell of a text, in the order that the ids follow."""
    found = jupytext.read(SOURCES / f"{stem}.py").cells
    return [{"cell_type": cell.cell_type, "source": cell.source} for cell in found]


def linked(page: str) -> str:
    """Return a page with the addresses of ``REPOSITORY`` in its links, and links to the executed copies that exist."""

    def read(link: re.Match) -> str:
        return f"[read](executed/{link[1]}.ipynb), " * (FOLDER / "executed" / f"{link[1]}.ipynb").exists()

    page = re.sub(r"\[read\]\(executed/\w+\.ipynb\), ", "", page)
    page = re.sub(r"(?=\[Colab\]\(\S+/notebooks/(\w+)\.ipynb\))", read, page)
    return re.sub(r"(colab\.research\.google\.com/github|mybinder\.org/v2/gh)/[^/]+/[^/]+", rf"\1/{REPOSITORY}", page)


def equations() -> str:
    """Return notebooks/EQUATIONS.md."""
    from gdrd_lab.course.equations import table

    return table({source.stem: cells(source.stem) for source in sources()})


if __name__ == "__main__":
    for path in sources():
        for answered in write(path, force="--force" in sys.argv[1:]):
            print(f"Kept {answered}, which was changed: save it elsewhere, or replace it with --force")
    (FOLDER / "EQUATIONS.md").write_text(equations())
    (FOLDER / "README.md").write_text(linked((FOLDER / "README.md").read_text()))

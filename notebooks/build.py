"""Make every notebook from its text file: `python notebooks/build.py`. The text is the source; ids follow its order."""

from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).resolve().parent


def build(source: Path) -> str:
    """Return the notebook of a text file as JSON, without outputs."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return nbformat.writes(notebook, version=4) + "\n"


def sources() -> list[Path]:
    """List the text files."""
    return sorted(path for path in FOLDER.glob("*.py") if path.name != "build.py")


if __name__ == "__main__":
    for path in sources():
        path.with_suffix(".ipynb").write_text(build(path))

"""Run the lessons and keep small copies with their figures: `python notebooks/source/executed.py [00 01 ...]`.

A copy in notebooks/executed/ is what a student's notebook shows after Run All, without widgets. It records the hash of
the notebook's cells and of the shipped weights; without numbers, the lessons run whose copy has other ones.
"""

import base64
import hashlib
import io
import json
import sys
from pathlib import Path

import nbformat
from build import FOLDER, build, linked, sources
from nbclient import NotebookClient
from PIL import Image

EXECUTED = FOLDER / "executed"
VIEW = "application/vnd.jupyter.widget-view+json"
COLOURS = 128


def weights() -> str:
    """Hash the shipped weights, from which the figures follow."""
    total = hashlib.sha256()
    for file in sorted((FOLDER.parent / "data").rglob("*.safetensors")):
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


def record(notebook: str) -> dict[str, str]:
    """Return what a copy of a notebook records."""
    return {**json.loads(notebook)["metadata"]["gdrd"], "weights": weights()}


def stale(source: Path) -> bool:
    """Return whether a lesson's copy is missing, or is one of other cells or weights."""
    copy = EXECUTED / f"{source.stem}.ipynb"
    return not copy.exists() or json.loads(copy.read_text())["metadata"]["gdrd"] != record(build(source))


def run(source: Path) -> Path:
    """Run a lesson and write its copy."""
    content = build(source)
    notebook = nbformat.reads(content, as_version=4)
    NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    EXECUTED.mkdir(exist_ok=True)
    copy = EXECUTED / f"{source.stem}.ipynb"
    copy.write_text(nbformat.writes(static(notebook, record(content)), version=4) + "\n")
    return copy


def static(notebook: nbformat.NotebookNode, recorded: dict[str, str]) -> nbformat.NotebookNode:
    """Return an executed notebook with small figures and without widgets, their styles and the times of the run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [shrunk(output) for output in cell.outputs if shows(output)]
    notebook.metadata.pop("widgets", None)
    notebook.metadata["gdrd"] = recorded
    return notebook


def shows(output: nbformat.NotebookNode) -> bool:
    """Return whether an output is seen without a kernel."""
    data = output.get("data", {})
    return VIEW not in data and "gdrd-style" not in data.get("text/html", "") and output.get("name") != "stderr"


def shrunk(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return an output whose picture has the size that it has on the page, and few colours."""
    if "image/png" in output.get("data", {}):
        picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("RGB")
        width = output.metadata.get("image/png", {}).get("width", picture.width)
        smaller = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        smaller.quantize(COLOURS, dither=Image.Dither.NONE).save(made := io.BytesIO(), "PNG", optimize=True)
        output.data["image/png"] = base64.b64encode(made.getvalue()).decode()
    return output


if __name__ == "__main__":
    for lesson in sources():
        if lesson.name[:2] in sys.argv[1:] or (not sys.argv[1:] and stale(lesson)):
            made = run(lesson)
            print(f"{made}: {made.stat().st_size / 1000:.0f} kB")
            page = FOLDER / "README.md"
            page.write_text(linked(page.read_text()))

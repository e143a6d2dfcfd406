"""Lessons where nothing is installed: the set-up cell, the links to Colab and Binder, and the executed copies."""

import base64
import io
import json
import os
import re
import runpy
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from gdrd_lab.course.display import STYLE, VIEW

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
BUILD = runpy.run_path(str(FOLDER / "source" / "build.py"))
SOURCES = BUILD["sources"]()
COPIES = sorted((FOLDER / "executed").glob("*.ipynb"))
EACH = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def executed() -> dict:
    """The functions that make the executed copies."""
    sys.path.insert(0, str(FOLDER / "source"))
    try:
        return runpy.run_path(str(FOLDER / "source" / "executed.py"))
    finally:
        sys.path.remove(str(FOLDER / "source"))


@EACH
def test_each_notebook_opens_on_colab_and_binder_from_one_address(source: Path) -> None:
    place, stem = BUILD["REPOSITORY"], source.stem
    links = (
        f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{stem}.ipynb",
        f"https://mybinder.org/v2/gh/{place}/main?labpath=notebooks%2F{stem}.ipynb",
    )
    first, set_up = json.loads((FOLDER / f"{stem}.ipynb").read_text())["cells"][:2]
    assert set_up["id"] == "set-up" and f"git+https://github.com/{place}" in "".join(set_up["source"])
    for page in ("".join(first["source"]), (FOLDER / "README.md").read_text()):
        assert all(f"]({link})" in page for link in links)


def test_another_address_replaces_the_one_in_the_links() -> None:
    moved = (FOLDER / "README.md").read_text().replace(BUILD["REPOSITORY"], "somebody/a-fork")
    assert BUILD["linked"](moved) == (FOLDER / "README.md").read_text() != moved


def test_the_set_up_cell_installs_the_course_where_it_is_missing_and_does_nothing_otherwise(tmp_path: Path) -> None:
    """An environment with the packages that the course needs, but without the course; a checkout stands for GitHub."""
    venv.create(tmp_path / "env", symlinks=True)
    base = {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=base))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    show = (
        "import gdrd_lab, gdrd_lab.io.paths as p\nprint(gdrd_lab.__file__, (p.data_folder() / 'MODELS.json').exists())"
    )
    cells = [nbformat.v4.new_code_cell(code) for code in (BUILD["SET_UP"], show)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "lesson.ipynb")
    run = (
        "import nbformat, nbclient; n = nbformat.read('lesson.ipynb', 4)\n"
        "nbclient.NotebookClient(n, timeout=600, kernel_name='python3').execute()\n"
        "print(*[part.get('text') for cell in n.cells for part in cell.outputs], sep='')"
    )
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_TARGET": str(packages)}
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    for place in (ROOT, tmp_path / "nowhere"):  # the second time the course is there, and nothing is installed
        environment = {**kept, **offline, "HOME": str(tmp_path), "GDRD_SOURCE": str(place)}
        python = [str(tmp_path / "env" / "bin" / "python"), "-c", run]
        done = subprocess.run(python, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.strip().splitlines()[-1] == f"{packages / 'gdrd_lab' / '__init__.py'} True"


def output(**data: str) -> dict:
    return nbformat.v4.new_output("display_data", {name.replace("_", "/", 1): part for name, part in data.items()})


def test_copies_have_small_figures_and_no_widgets(executed: dict) -> None:
    noise = Image.effect_noise((600, 400), 80).convert("RGB")
    noise.save(made := io.BytesIO(), "PNG")
    figure = output(image_png=base64.b64encode(made.getvalue()).decode(), text_plain="A figure.")
    figure.metadata["image/png"] = {"width": 300}
    widget = nbformat.v4.new_output("display_data", {VIEW: {"model_id": "x"}, "text/html": STYLE})
    warned = nbformat.v4.new_output("stream", name="stderr", text="told")
    parts = [output(text_html=STYLE), widget, figure, warned, output(text_html="<p>Predict</p>")]
    cell = nbformat.v4.new_code_cell("x", outputs=parts, metadata={"execution": {"a": "b"}})
    copy = executed["static"](nbformat.v4.new_notebook(cells=[cell]), {"cells": "1", "weights": "2"})
    assert copy.metadata.gdrd == {"cells": "1", "weights": "2"} and copy.cells[0].metadata == {}
    kept = copy.cells[0].outputs
    assert [list(part.data) for part in kept] == [["image/png", "text/plain"], ["text/html"]]
    picture = Image.open(io.BytesIO(base64.b64decode(kept[0].data["image/png"])))
    assert picture.size == (300, 200) and picture.mode == "P"


FIGURE = re.compile(r"\b(?:course\.(?:show|show_slider|film)|\w+\.reveal|LassoMap\(.*\)\.show)\(")


def test_every_lesson_has_an_executed_copy() -> None:
    assert [path.stem for path in COPIES] == [source.stem for source in SOURCES]


@pytest.mark.parametrize("path", COPIES, ids=lambda path: path.stem)
def test_an_executed_copy_is_of_its_lesson_and_holds_its_figures(path: Path, executed: dict) -> None:
    (source,) = [source for source in SOURCES if source.stem == path.stem]
    content = BUILD["build"](source)
    assert not executed["stale"](source), f"{source.stem}: run `make executed`"
    assert path.stat().st_size < 900_000
    copy = json.loads(path.read_text())
    for cell, written in zip(copy["cells"], json.loads(content)["cells"], strict=True):
        assert "".join(cell["source"]) == "".join(written["source"])
        if cell["cell_type"] != "code":
            continue
        assert not [part for part in cell["outputs"] if part["output_type"] == "error"], cell["source"]
        forms = [name for part in cell["outputs"] for name in part.get("data", {})]
        assert VIEW not in forms
        code = "".join(written["source"])
        if FIGURE.search(code):
            assert "image/png" in forms, code
        if "course.predict(" in code:
            assert "text/html" in forms, code


def test_the_page_of_the_course_links_to_the_copies() -> None:
    links = re.findall(r"\[read\]\(executed/(\w+)\.ipynb\)", (FOLDER / "README.md").read_text())
    assert COPIES and links == [path.stem for path in COPIES]

"""The documentation site (`make docs`): Sphinx over the repository, so that every page is the file that GitHub shows.

The source folder is the repository itself and `include_patterns` names its pages. Nothing is loaded from another host:
formulas become MathML, and notebooks show the static form of their widgets.

The edition for students shows the exercises open: `sphinx-build -t solutions` makes the one for teachers. Both show the
outputs of the solved lessons.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.logging import getLogger

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))
import slides  # noqa: E402

PACKAGE = ROOT / "gdrd_lab"
FILES = sorted(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in PACKAGE.rglob("[!_]*.py"))
for page in (ROOT / "docs" / "api").glob("*.rst"):  # autosummary reads the pages it wrote before it writes them again
    known = {*FILES, *re.findall(r"   (gdrd_lab\S*)\n", (ROOT / "docs" / "api.md").read_text())}
    if not {page.stem, *re.findall(r"automodule:: (\S+)", page.read_text())} <= known:
        page.unlink()


def fingerprint() -> str:
    """Hash what the notebooks' outputs follow from besides their own code: the package and the shipped weights."""
    total = hashlib.sha256()
    for file in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "data").rglob("*.safetensors")]):
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


project = "GDRD Lab"
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "docs/api/*.rst",
    "*.md",
    "data/*.md",
    "notebooks/*.md",
    "notebooks/solutions/*.ipynb",
]
exclude_patterns = [".*", "docs/_build", "runs", "tests", "gdrd_lab", "build", "dist"]
templates_path = [str(ROOT / "docs" / "_templates")]  # a whole path: autosummary starts from the source folder
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "myst_nb"]
suppress_warnings = ["ref.python"]  # two private classes of one name in annotations that only a type checker resolves

autodoc_member_order = "bysource"
autosummary_context = {"files": FILES}
default_role = "code"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

# Outputs are kept beside the site; a notebook runs again when its code, the package or the weights change.
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "docs" / "_build" / f"executed-{fingerprint()}")
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_merge_streams = True
nb_ipywidgets_js: dict[str, Any] = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

html_theme = "furo"
html_title = project
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
html_static_path = ["site.css", *map(str, LESSONS)]  # a lesson's page offers the student's notebook
html_css_files = ["site.css"]
html_additional_pages = {"index": "to_front_page.html"}
html_math_renderer = "mathml"
html_copy_source = False
html_show_copyright = False


def write_formula(translator: Any, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers and screen readers know without a script."""
    block = isinstance(node, nodes.math_block)
    formula = slides.formula(node.astext(), block=block)
    translator.body.append(f'<div class="math">{formula}</div>' if block else formula)
    raise nodes.SkipNode


class OpenExercises(SphinxPostTransform):
    """Put the open exercise in a solution's place, except in the edition for teachers."""

    default_priority = 2

    def run(self, **options: Any) -> None:
        """Take the cells from the student's notebook, which has as many, in the same order."""
        lesson = ROOT / "notebooks" / f"{Path(self.env.docname).name}.ipynb"
        if self.app.tags.has("solutions") or lesson not in LESSONS:
            return
        cells = json.loads(lesson.read_text())["cells"]
        stubs = ["".join(cell["source"]) for cell in cells if "stub" in cell["metadata"].get("tags", [])]
        solved = [
            node
            for node in self.document.findall(nodes.container)
            if node.get("nb_element") == "cell_code" and "solution" in node["cell_metadata"].get("tags", [])
        ]
        for node, stub in zip(solved, stubs, strict=True):
            old = next(node.findall(nodes.literal_block))
            new = nodes.literal_block(stub, stub, **old.attributes)
            old.replace_self(new)


def offer_notebook(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Let a lesson's page begin with links to the student's notebook and the slides."""
    name = f"{Path(page).name}.ipynb"
    if page.startswith("notebooks/solutions/") and name in {lesson.name for lesson in LESSONS}:
        link = f'<a href="../../_static/{name}" download>Download this lesson as a notebook</a>'
        deck = f'<a href="../../slides/{Path(page).name}.html">slides</a>'
        shown = (ROOT / "notebooks" / "executed" / name).exists()
        told = f"{link}, with its exercises open{f', or show its {deck}' * shown}."
        context["body"] = f'<p class="download">{told}</p>{context["body"]}'


class AltText(SphinxPostTransform):
    """Give each figure of a notebook the plain-text form of its output as alt text."""

    default_priority = 3  # before myst-nb chooses one form of each output

    def run(self, **options: Any) -> None:
        """Copy the text into the images."""
        for bundle in self.document.findall(nodes.container):
            if bundle.get("nb_element") == "mime_bundle":
                plain = " ".join(part.astext() for part in bundle.children if part.get("mime_type") == "text/plain")
                for image in bundle.findall(nodes.image):
                    image["alt"] = plain


def link_to_executed(app: Sphinx, docname: str, content: list[str]) -> None:
    """Turn links to a lesson into links to its executed copy, which is the one on the site."""
    if not docname.startswith("notebooks/solutions"):
        content[0] = re.sub(r"\]\((notebooks/)?(?:executed/)?(\d\d_\w+\.ipynb)\)", r"](\1solutions/\2)", content[0])


def escape_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Read a docstring as plain text: an indented equation stands as it is, and |x|, x* and x_ mean no markup."""
    made, opening = [], True
    for line in lines:
        opening = opening and not re.match(r"(Args|Returns|Raises|Yields|Attributes|Example)s?:$", line)
        equation = opening and line.startswith("    ")
        if equation and made and not made[-1].strip():
            made += ["::", ""]
        if not equation and not line.lstrip().startswith((">>>", "...")):
            parts = re.split(r"(``.+?``|`[^`]+`)", line)
            parts[::2] = [re.sub(r"([|*]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
            parts[2::2] = [re.sub(r"^(?=\w|\\_)", r"\\ ", part) for part in parts[2::2]]  # ``name``s
            line = "".join(parts)
        made.append(line)
    lines[:] = made


def drop_widget_state(app: Sphinx, env: Any) -> None:
    """Leave out the state of live widgets, megabytes of script that the static forms do not need."""
    for data in getattr(env, "nb_metadata", {}).values():
        data.get("js_files", {}).pop("ipywidgets_state", None)


def write_slides(app: Sphinx, error: Exception | None) -> None:
    """Write the slides of the lessons beside the pages."""
    if not error and Path(app.srcdir) == ROOT:
        slides.write(ROOT / "notebooks" / "executed", Path(app.outdir, "slides"))


def refuse_unsolved(app: Sphinx, error: Exception | None) -> None:
    """Warn, and so fail, when a check of an exercise does not pass in an executed solution."""
    for page in sorted(Path(app.outdir, "notebooks", "solutions").glob("*.html")):
        if "<b>Not yet: " in page.read_text():
            getLogger(__name__).warning(
                "A check in lesson %s does not pass: correct the solution or the check", page.stem
            )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what this file adds to Sphinx."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.add_post_transform(AltText)
    app.add_post_transform(OpenExercises)
    app.connect("html-page-context", offer_notebook)
    app.connect("source-read", link_to_executed)
    app.connect("autodoc-process-docstring", escape_docstring, priority=400)  # before napoleon
    app.connect("env-updated", drop_widget_state)
    app.connect("build-finished", refuse_unsolved)
    app.connect("build-finished", write_slides)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

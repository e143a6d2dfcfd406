"""The course as a site: every solution notebook executed, its figures with alt text, formulas as MathML, no scripts.

`python -m gdrd_lab.course.book` writes it; a notebook whose code has not changed since is not executed again.
"""

from __future__ import annotations

import argparse
import html
import re
import time
from pathlib import Path
from typing import Any

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import write_atomically

TIMEOUT = 600  # seconds for one cell
# Code spans and fences hold dollar signs that are no formulas.
CODE = re.compile(r"(```.*?```|`[^`\n]*`|<code>.*?</code>)", re.S)
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+(?:\n[^$\n]+)?)\$", re.S)
STYLE = """
body{font:17px/1.55 system-ui,sans-serif;color:#222;max-width:50rem;margin:2rem auto;padding:0 1rem}
a{color:#0072B2} h1,h2,h3{line-height:1.25;margin-top:2rem} img{max-width:100%;height:auto}
pre{background:#f5f5f5;padding:.7rem;overflow-x:auto;font-size:14px;line-height:1.4}
.jp-InputPrompt,.jp-OutputPrompt,.jp-InputArea-prompt,.jp-OutputArea-prompt,.anchor-link{display:none}
.jp-OutputArea pre,.output pre{background:none;padding:.2rem 0;white-space:pre-wrap}
math[display=block]{margin:1rem 0;overflow-x:auto} details{margin:.4rem 0} summary{cursor:pointer}
nav{font-size:15px;margin-bottom:1rem} table{border-collapse:collapse} td,th{border:1px solid #ddd;padding:.3rem .6rem}
"""


def formulas(text: str) -> str:
    """Turn the LaTeX formulas of a Markdown text into MathML, which browsers and screen readers know by themselves."""
    from latex2mathml.converter import convert

    def one(found: re.Match[str]) -> str:
        block = found[1] is not None
        return convert(" ".join((found[1] or found[2]).split()), display="block" if block else "inline")

    parts = CODE.split(text)
    return "".join(part if index % 2 else FORMULA.sub(one, part) for index, part in enumerate(parts))


def executed(source: Path, keep: Path) -> tuple[Any, float]:
    """Return a notebook with outputs, and the seconds it took; the outputs kept in ``keep`` where its code is the same.

    Raises:
        GdrdError: a cell fails, or a check of an exercise does not pass.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(source, as_version=4)
    if keep.exists():
        old = nbformat.read(keep, as_version=4)
        before, now = ([cell for cell in book.cells if cell.cell_type == "code"] for book in (old, notebook))
        if [cell.source.strip() for cell in before] == [cell.source.strip() for cell in now]:
            for cell, done in zip(now, before, strict=True):
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
            return notebook, float(old.metadata.get("seconds", 0.0))
    began = time.monotonic()
    client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": "."}})
    try:
        client.execute()
    except CellExecutionError as error:
        raise GdrdError(f"{source.name} stopped: {str(error)[-300:]}", "Run it in JupyterLab to see where") from error
    seconds = time.monotonic() - began
    for cell in notebook.cells:
        said = "".join(output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", []))
        if "check" in cell.metadata.get("tags", []) and not said.startswith("Right"):
            raise GdrdError(f"A check of {source.name} does not pass: {said}", "Mend the solution or the check")
    notebook.metadata["seconds"] = round(seconds, 1)
    write_atomically(keep, nbformat.writes(notebook).encode())
    return notebook, seconds


def page(notebook: Any, title: str, before: str, after: str) -> str:
    """Return one notebook as a page without scripts; widgets appear in their static form."""
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter
    from traitlets.config import Config

    notebook.metadata.pop("widgets", None)  # their state would come as a script
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = formulas(cell.source)
    shown = ["text/html", "text/markdown", "image/svg+xml", "image/png", "text/plain"]
    exporter = HTMLExporter(
        template_name="basic",
        config=Config(NbConvertBase={"display_data_priority": shown}),
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    body = exporter.from_notebook_node(notebook)[0]
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    links = f'<nav>{before} <a href="index.html">All notebooks</a> {after}</nav>'
    return _document(title, f"<style>{colours}</style>{links}<main>{body}</main>{links}")


def build(notebooks: Path, out: Path) -> list[Path]:
    """Execute ``notebooks``/solutions and write the site to ``out``; returns its pages, the index first."""
    import nbformat
    from tqdm.auto import tqdm

    sources = sorted((notebooks / "solutions").glob("*.ipynb"))
    if not sources:
        raise GdrdError(f"{notebooks} has no solutions", "Run `make notebooks`, and give the folder of the notebooks")
    rows, pages = [], []
    for index, source in enumerate(tqdm(sources, desc="book", unit="notebook")):
        notebook, seconds = executed(source, out / "executed" / source.name)
        heading = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        goals = re.search(r"\*\*Goals\.\*\*\s*(.+?)\n\n", notebook.cells[0].source, re.S)
        before, after = (
            f'<a href="{sources[k].stem}.html">{word}</a>' if 0 <= k < len(sources) else ""
            for k, word in ((index - 1, "Before"), (index + 1, "Next"))
        )
        content = page(nbformat.from_dict(notebook), heading, before, after)
        pages.append(write_atomically(out / f"{source.stem}.html", content.encode()))
        told = html.escape(" ".join(goals[1].replace("`", "").split())) if goals else ""
        rows.append(
            f'<li><a href="{source.stem}.html">{html.escape(heading)}</a><br>{told} '
            f"<small>Executed in {seconds:.0f} s.</small></li>"
        )
    intro = (
        "<h1>Distillation for very low-resolution face recognition: a course in notebooks</h1><p>Executed copies with "
        "their solutions. To work through the exercises yourself, open the notebooks in JupyterLab: <code>make lab"
        "</code>. The sliders, films and lassos are alive there; here each shows one position. All faces are drawn "
        "from a statistical model: nobody's photograph.</p>"
    )
    front = _document("The course", f"{intro}<ol start='0' style='line-height:1.5'>{''.join(rows)}</ol>")
    return [write_atomically(out / "index.html", front.encode()), *pages]


def _document(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>{body}</body></html>\n"
    )


def main() -> None:
    """Build the site from the command line."""
    parser = argparse.ArgumentParser(description="Execute the course and write it as a site.")
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"))
    parser.add_argument("--out", type=Path, default=Path("book"))
    arguments = parser.parse_args()
    print(f"{build(arguments.notebooks, arguments.out)[0]}")


if __name__ == "__main__":
    main()

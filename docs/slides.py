"""Slides of the lessons, a page each that needs no network: headings, opening sentences, formulas and figures.

They are made from the executed copies, so that slides and lessons show the same figures. The arrow keys turn the pages.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark; font: 1.25rem/1.45 system-ui, sans-serif; }}
html {{ scroll-snap-type: y mandatory; }} body {{ margin: 0; }}
section {{ box-sizing: border-box; min-height: 100vh; padding: 4vh 6vw; scroll-snap-align: start; display: flex;
  flex-direction: column; justify-content: center; break-after: page; }}
section > * {{ max-width: 60rem; }} h1, h2 {{ line-height: 1.2; }} div.math {{ overflow-x: auto; }}
img {{ max-width: 100%; max-height: 72vh; object-fit: contain; align-self: flex-start; background: white; }}
small {{ opacity: 0.7; }}
</style></head><body>
{slides}
<script>
const pages = [...document.querySelectorAll("section")];
addEventListener("keydown", event => {{
  const step = {{ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1}}[event.key];
  if (!step) return;
  event.preventDefault();
  const now = pages.findIndex(page => page.getBoundingClientRect().bottom > 1);
  pages[Math.min(Math.max(now + step, 0), pages.length - 1)].scrollIntoView();
}});
</script></body></html>
"""


def formula(tex: str, *, block: bool) -> str:
    """Return a formula as MathML, which browsers and screen readers know without a script."""
    # LaTeX sets a thin space around an operator that stands between letters; MathML does not.
    spaced = re.sub(r"(?<=[\w}])(\\(?:log|cos)\b)|(\\(?:log|cos)\b)(?= *[a-zA-Z\\])", r"\\,\1\2\\,", tex)
    return convert(" ".join(spaced.split()), display="block" if block else "inline")


def rendered(markdown: str) -> str:
    """Return Markdown with formulas as HTML."""
    reader = MarkdownIt().use(
        dollarmath_plugin, renderer=lambda tex, options: formula(tex, block=options["display_mode"])
    )
    return reader.render(markdown)


def deck(notebook: dict) -> str:
    """Return an executed lesson as a page of slides."""
    slides = list(pages(notebook["cells"]))
    count = len(slides)
    made = [f"<section>\n{slide}\n<small>{k} / {count}</small></section>" for k, slide in enumerate(slides, 1)]
    return PAGE.format(title=html.escape(title(notebook)), slides="\n".join(made))


def title(notebook: dict) -> str:
    """Return a lesson's title."""
    return "".join(notebook["cells"][0]["source"]).splitlines()[0].removeprefix("# ")


def pages(cells: list[dict]) -> Iterator[str]:
    """Yield the slides: the goals, each section's first paragraph and formulas, its figures, summary and questions."""
    heading = ""
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for part in re.split(r"^(?=##? )", source, flags=re.M):
                first, _, text = part.partition("\n")
                if first.startswith("## "):
                    heading = first.removeprefix("## ")
                if first.startswith("# "):
                    goals = re.search(r"\*\*Goals\.\*\* (.+?)\n\n", text, re.S)
                    yield rendered(f"{first}\n\n{goals[1] if goals else ''}")
                elif heading not in ("Exercises", "Further reading"):
                    yield from slide(
                        heading, text if first.startswith("## ") else part, opening=first.startswith("## ")
                    )
        elif heading != "Exercises":
            for output in cell["outputs"]:
                if picture := output.get("data", {}).get("image/png"):
                    alt = html.escape("".join(output["data"].get("text/plain", "")), quote=True)
                    yield f'<h2>{html.escape(heading)}</h2>\n<img alt="{alt}" src="data:image/png;base64,{picture}">'


def slide(heading: str, text: str, *, opening: bool) -> Iterator[str]:
    """Yield a section's slide: its first paragraph where it opens, lists of its end whole, and its formulas.

    A paragraph that ends in a colon brings what it announces, and ends in a full stop where that is the next cell.
    """
    told = re.sub(r"<details>.*?</details>", "", text, flags=re.S)
    if heading in ("Summary", "Questionnaire"):
        told = told.split("\n\n**")[0]
    else:
        paragraphs = [part for part in re.split(r"\n\s*\n", told.strip()) if part]
        shown = {k for k, p in enumerate(paragraphs) if (opening and k == 0) or "$$" in p}
        shown |= {k + 1 for k in shown if paragraphs[k].endswith(":")}
        told = re.sub(r":$", ".", "\n\n".join(p for k, p in enumerate(paragraphs) if k in shown))
    if told.strip():
        yield rendered(f"## {heading}\n\n{told}")


def write(executed: Path, out: Path) -> None:
    """Write the slides of every executed lesson of a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for lesson in sorted(executed.glob("*.ipynb")):
        (out / f"{lesson.stem}.html").write_text(deck(json.loads(lesson.read_text())), encoding="utf-8")

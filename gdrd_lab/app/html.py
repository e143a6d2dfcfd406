"""Pieces of HTML: pictures inside the page itself, so that no file of a face is written for the browser to fetch."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

EXACT = 64


def picture_link(image: np.ndarray) -> str:
    """Return an image, uint8 (H, W, 3), as a data link: a few pixels exactly (PNG), more of them as JPEG.

    The page draws a small image larger by itself, each pixel a square; so little travels while a slider moves.
    """
    drawn = Image.fromarray(np.ascontiguousarray(image))
    if max(drawn.size) <= EXACT:
        return file_link(_encoded(drawn, "PNG"), "image/png")
    return file_link(_encoded(drawn, "JPEG"), "image/jpeg")


def photograph_link(image: np.ndarray, longest: int = 480) -> str:
    """Return a photograph as a small data link (JPEG)."""
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest))
    return file_link(_encoded(picture, "JPEG"), "image/jpeg")


def file_link(content: bytes, kind: str) -> str:
    """Return a file's content as a data link."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(link: str, words: str, width: int = 132, css: str = "") -> str:
    """Return an image with its caption, which screen readers read too."""
    shown = escape(words)
    return (
        f'<figure class="gdrd-picture {css}" style="width:{width}px"><img src="{link}" alt="{shown}">'
        f"<figcaption>{shown}</figcaption></figure>"
    )


def row(pictures: Sequence[str], title: str = "") -> str:
    """Return pictures side by side; they wrap on a narrow page."""
    heading = f"<h4>{escape(title)}</h4>" if title else ""
    return f'<div class="gdrd-group">{heading}<div class="gdrd-row">{"".join(pictures)}</div></div>'


def sides(groups: Sequence[str]) -> str:
    """Return groups in two columns where the page is wide enough."""
    return f'<div class="gdrd-sides">{"".join(groups)}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table of words; the first cell of each row names it."""
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in headings)
    body = "".join(
        f'<tr><th scope="row">{escape(cells[0])}</th>{"".join(f"<td>{escape(c)}</td>" for c in cells[1:])}</tr>'
        for cells in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="gdrd-scroll"><table class="gdrd-table">{title}<tr>{head}</tr>{body}</table></div>'


def notes(lines: Sequence[str]) -> str:
    """Return warnings as a list that screen readers announce; nothing where there are none."""
    if not lines:
        return ""
    return f'<ul class="gdrd-notes" role="status">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'


def _encoded(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **({"compress_level": 1} if kind == "PNG" else {"quality": 92}))
    return file.getvalue()

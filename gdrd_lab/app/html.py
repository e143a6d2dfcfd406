"""HTML of the app. Pictures are data links inside the page, so no file of a face is written for the browser."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image


def picture_link(image: np.ndarray) -> str:
    """Return an image, uint8 (H, W, 3), as a data link, which the browser enlarges; above 64 pixels as JPEG."""
    drawn = Image.fromarray(np.ascontiguousarray(image))
    return _link(drawn, "PNG" if max(drawn.size) <= 64 else "JPEG")


def photograph_link(image: np.ndarray, longest: int = 480) -> str:
    """Return a photograph as a data link (JPEG) whose longer side has at most ``longest`` pixels."""
    picture = Image.fromarray(image)
    picture.thumbnail((longest, longest))
    return _link(picture, "JPEG")


def file_link(content: bytes, kind: str) -> str:
    """Return the content of a file as a data link."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(link: str, caption: str, width: int = 132, css: str = "") -> str:
    """Return an image with its caption, which is also its alternative text."""
    text = escape(caption)
    return (
        f'<figure class="gdrd-picture {css}" style="width:{width}px"><img src="{link}" alt="{text}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def row(pictures: Sequence[str], title: str = "") -> str:
    """Return pictures side by side; they wrap in a narrow window."""
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    return f'<div class="gdrd-group">{heading}<div class="gdrd-row">{"".join(pictures)}</div></div>'


def columns(groups: Sequence[str]) -> str:
    """Return groups in two columns if the window is wide enough."""
    return f'<div class="gdrd-columns">{"".join(groups)}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a table of text; the first cell of each row is its heading."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = ""
    for name, *cells in rows:  # in a narrow window every cell is a line of its own, with its label in front
        labelled = zip(headings[1:], cells, strict=True)
        values = "".join(f'<td data-label="{escape(label)}: ">{escape(cell)}</td>' for label, cell in labelled)
        body += f'<tr><th scope="row">{escape(name)}</th>{values}</tr>'
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<table class="gdrd-table">{title}<tr>{head}</tr>{body}</table>'


def notes(lines: Sequence[str]) -> str:
    """Return warnings as a list that screen readers announce; "" if there are none."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div role="status"><ul class="gdrd-notes">{items}</ul></div>' if lines else ""


def progress(share: float, label: str, text: str) -> str:
    """Return a bar that is filled to ``share``, 0 to 1, with a line of text below it."""
    percent = round(100 * share)
    return (
        f'<div class="gdrd-progress" role="progressbar" aria-valuenow="{percent}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-label="{escape(label)}"><span style="width:{percent}%"></span></div>'
        f"<p>{escape(text)}</p>"
    )


def _link(drawn: Image.Image, form: str) -> str:
    file = io.BytesIO()
    drawn.save(file, form, **({"compress_level": 1} if form == "PNG" else {"quality": 92}))
    return file_link(file.getvalue(), f"image/{form.lower()}")

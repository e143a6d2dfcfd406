"""The style of the static figures: colours that colour-blind readers can tell apart, a marker and a dash for each line.

A ``Figure`` belongs to no global state, so that the threads of an app can draw at the same time.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import with_ending, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette without black, which serves as text, and yellow, which is too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
INK, GREY, PALE = "#222222", "#777777", "#DDDDDD"
# At 200 dots per inch a figure is 1280 px wide, and can still be read when it is shown at 600 px.
WIDTH, HEIGHT, DPI = 6.4, 4.2, 200
TEXT, SMALL = 11, 10


def style(index: int, *properties: str) -> dict[str, Any]:
    """Return the colour of line number ``index``, and its "marker" and "linestyle" if they are asked for."""
    turn = index // len(COLOURS) + index  # lines of one colour differ in the rest
    values = {"marker": MARKERS[turn % len(MARKERS)], "linestyle": DASHES[turn % len(DASHES)]}
    return {"color": COLOURS[index % len(COLOURS)], **{name: values[name] for name in properties}}


def face_strip(rows: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str] = (), *, title: str = "") -> Figure:
    """Draw rows of faces without interpolation: images (H, W, 3), uint8 or in [0, 1], of any sizes, by row label."""
    from matplotlib.figure import Figure

    width = max((len(images) for images in rows.values()), default=0)
    if not width or any(len(images) != width for images in rows.values()) or len(columns) not in (0, width):
        raise GdrdError("Rows of faces, or their headings, differ in length", "Give each row as many faces as headings")
    cell, label = 1.1, max(0.25 + 0.085 * max(len(name) for name in rows), 0.4)
    wide = max(label + cell * width, 2.6 if title else 0)  # a title over a single face needs more room than the face
    heads = [fill(name, 13) for name in columns]
    above = 0.12 + 0.18 * max(name.count("\n") + 1 for name in heads) if heads else 0.05
    heading = wrapped(title, wide - 0.2)
    above += 0.17 + 0.18 * (heading.count("\n") + 1) if title else 0
    figure = Figure(figsize=(wide, cell * len(rows) + above), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.0, hspace=0.0)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(len(rows), width, squeeze=False)
    for r, (name, images) in enumerate(rows.items()):
        for c, image in enumerate(images):
            axes = grid[r, c]
            axes.imshow(np.asarray(image), interpolation="nearest", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if r == 0 and columns:
                axes.set_title(heads[c], fontsize=SMALL, color=INK, pad=3)
        grid[r, 0].set_ylabel(name, fontsize=SMALL, color=INK, rotation=0, ha="right", va="center", labelpad=5)
    if title:
        figure.suptitle(heading, fontsize=TEXT, color=INK)
    named = f" Columns: {', '.join(columns)}." if columns else ""
    return set_alt_text(figure, f"{title or 'Faces'}. Rows of {width} faces: {', '.join(rows)}.{named}")


def wrapped(text: str, inches: float, size: float = TEXT) -> str:
    """Break a line of text where it would leave a width; a letter is at most about 0.6 of its size wide."""
    return fill(text, max(12, int(inches * 72 / (0.6 * size))))


def alt_text(figure: Figure) -> str:
    """Return the description of a figure, for screen readers and for files."""
    return str(figure.get_label())


def render(figure: Figure, form: str = "png") -> bytes:
    """Return the figure as the bytes of a "png" or "svg" file, the alt text in its metadata."""
    from matplotlib import rc_context

    content = io.BytesIO()
    metadata = {"Description": alt_text(figure)} | ({"Date": None} if form == "svg" else {})
    with rc_context({"svg.hashsalt": "gdrd_lab"}):  # the same drawing is the same file
        figure.savefig(content, format=form, dpi=DPI, facecolor="white", metadata=metadata)
    return content.getvalue()


def save(figure: Figure, path: Path | str) -> tuple[Path, Path]:
    """Write ``path``.png and ``path``.svg, atomically; an ending .png or .svg of ``path`` is not doubled."""
    png, svg = with_ending(path, ".png", ".svg"), with_ending(path, ".svg", ".png")
    return write_atomically(png, render(figure, "png")), write_atomically(svg, render(figure, "svg"))


def new_figure() -> tuple[Figure, Axes]:
    """Return an empty figure in the project's style, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    axes = figure.add_subplot()
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(labelsize=SMALL, colors=INK)
    return figure, axes


def finalise_axes(figure: Figure, axes: Axes, title: str, x: str, y: str, handles: Sequence[Any] | None = None) -> None:
    """Name the axes and put the legend below them, where it covers nothing."""
    axes.set_xlabel(x, fontsize=TEXT, color=INK)
    axes.set_ylabel(y, fontsize=TEXT, color=INK)
    labels = [line for label in axes.get_yticklabels() for line in label.get_text().split("\n")]
    names = max(map(len, labels), default=0)  # 0: numbers, not drawn yet
    title = wrapped(title, WIDTH - 0.8 - 0.075 * names, TEXT + 1)
    axes.set_title(title, fontsize=TEXT + 1, color=INK, loc="left")
    handles = handles or axes.get_legend_handles_labels()[0]
    columns = 2 if max((len(str(h.get_label())) for h in handles), default=0) <= 32 else 1
    figure.set_figheight(HEIGHT + 0.24 * max(math.ceil(len(handles) / columns) - 1, 0) + title_height(axes))
    options: dict[str, Any] = {"fontsize": SMALL, "frameon": False, "labelcolor": INK, "handlelength": 3.2}
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **options)


def title_height(axes: Axes) -> float:
    """Return the height in inches that the lines of a title after its first one take."""
    return 0.2 * axes.get_title("left").count("\n")


def set_alt_text(figure: Figure, text: str) -> Figure:
    """Give a figure its alt text, and return it."""
    figure.set_label(text)
    return figure

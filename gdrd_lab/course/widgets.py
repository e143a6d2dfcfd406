"""Sliders and films over figures, and a lasso on a map of embeddings. Each has a static form."""

import html
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import ipywidgets as widgets
import numpy as np
from ipywidgets import Box
from matplotlib.figure import Figure

from gdrd_lab.analysis.projection import nearest
from gdrd_lab.course.display import show, shown_width
from gdrd_lab.errors import GdrdError
from gdrd_lab.plots import alt_text, face_strip, map_figure, map_plot, render

MOST_SHOWN = 8


def slider(
    label: str, values: Sequence[Any], draw: Callable[[Any], Figure], *, start: int = 0, play: bool = False
) -> Box:
    """Return a slider over ``values`` above the figure that ``draw`` makes of each; a figure is drawn when needed."""
    if not values:
        raise GdrdError(f"The slider {label!r} has no values", "Give at least one")

    @cache
    def drawn(index: int) -> tuple[bytes, str, str]:
        figure = draw(values[index])
        return render(figure, "png"), _small(alt_text(figure)), f"{shown_width(figure)}px"

    picture, said = widgets.Image(format="png"), widgets.HTML()

    def put(index: int) -> None:
        picture.value, said.value, picture.layout.width = drawn(index)

    put(start)
    options = [(str(value), index) for index, value in enumerate(values)]
    look = {"style": {"description_width": "10em"}, "layout": widgets.Layout(width="38em")}
    handle = widgets.SelectionSlider(options=options, index=start, description=label, continuous_update=False, **look)
    handle.observe(lambda change: put(change["new"]), names="value")
    controls: list[Any] = [handle]
    if play:
        film = widgets.Play(min=0, max=len(values) - 1, interval=700, value=start)
        widgets.jslink((film, "value"), (handle, "index"))
        controls.insert(0, film)
    return widgets.VBox([widgets.HBox(controls), picture, said])


def show_slider(
    label: str, values: Sequence[Any], draw: Callable[[Any], Figure], *,
    static: Figure | None = None, start: int = 0, play: bool = False,
) -> None:  # fmt: skip
    """Display ``slider``; HTML and GitHub show ``static``, or the figure of the first value shown."""
    live = slider(label, values, draw, start=start, play=play)
    show(draw(values[start]) if static is None else static, live)


def film(frames: Sequence[np.ndarray], headings: Sequence[str], *, label: str = "step", title: str = "") -> None:
    """Display faces (H, W, 3) as a film with a play button; the static form shows them side by side."""
    if len(frames) != len(headings):
        raise GdrdError(f"{len(frames)} frames have {len(headings)} headings", "Give one for each")
    order = dict(enumerate(headings))
    static = face_strip({"face": list(frames)}, list(headings), title=title)

    def draw(k: int) -> Figure:
        return face_strip({order[k]: [frames[k]]}, title=title)

    show_slider(label, list(order), draw, static=static, play=True)


class LassoMap:
    """A map of faces with a lasso: selected faces and their nearest neighbours appear below it.

    Neighbours are found by cosine of the unit embeddings (N, d), not on the map with its points (N, 2): a map of two
    dimensions separates some neighbours. Colours and shapes show the identities ``labels`` (N,).
    """

    def __init__(
        self, points: np.ndarray, pictures: Sequence[np.ndarray], labels: np.ndarray, embeddings: np.ndarray, *,
        title: str = "", neighbours: int = 3,
    ) -> None:  # fmt: skip
        if len({len(points), len(pictures), len(labels), len(embeddings)}) != 1:
            raise GdrdError("Points, pictures, labels and embeddings differ in length", "Give one of each per face")
        self.points, self.pictures, self.labels = np.asarray(points), list(pictures), np.asarray(labels)
        self.embeddings, self.title = np.asarray(embeddings), title
        self.neighbours = min(neighbours, len(self.points) - 1)
        self.selected: list[int] = list(range(min(MOST_SHOWN, len(self.points))))

    def gallery(self, selected: Sequence[int]) -> Figure:
        """Draw the first eight selected faces, and below each its nearest neighbours in the original space."""
        chosen = list(selected)[:MOST_SHOWN]
        if not chosen:
            raise GdrdError("No face is selected", "Draw a lasso around some points")
        near = [nearest(self.embeddings, i, self.neighbours) for i in chosen]
        rows = {"selected": [self.pictures[i] for i in chosen]}
        for k in range(self.neighbours):
            rows[f"neighbour {k + 1}"] = [self.pictures[found[k]] for found in near]
        same = np.mean([self.labels[j] == self.labels[i] for i, found in zip(chosen, near, strict=True) for j in found])
        title = f"{len(selected)} selected; {same:.0%} of the neighbours shown are the same person"
        return face_strip(rows, [f"id {self.labels[i]}" for i in chosen], title=title)

    def scatter(self) -> Figure:
        """Draw the map as a static figure."""
        return map_figure(self.points, self.labels, title=self.title)

    def widget(self) -> Box:
        """Return the live map: a plotly FigureWidget with a lasso, and the gallery as a picture below it."""
        import plotly.graph_objects as go

        # Opened first: JupyterLab ends the subshell of all widgets when the last one closes, as the figure below does.
        picture, said = widgets.Image(format="png"), widgets.HTML()
        names = [f"face {index}, identity {label}" for index, label in enumerate(self.labels)]
        figure = go.FigureWidget(map_plot(self.points, self.labels, names, title=self.title))
        figure.update_layout(width=640)
        # Plotly sends data and layout after it has opened the widget's connection; a slow browser then shows empty
        # axes. Opened again, the widget carries both from the start.
        figure.close()
        figure.open()

        def draw(selected: Sequence[int]) -> None:
            self.selected = [int(index) for index in selected]
            drawn = self.gallery(self.selected)
            picture.value, said.value = render(drawn, "png"), _small(alt_text(drawn))
            picture.layout.width = f"{shown_width(drawn)}px"

        def select(_trace: Any, points: Any, _selector: Any) -> None:
            if points.point_inds:
                draw(points.point_inds)

        figure.data[0].on_selection(select)
        draw(self.selected)
        return widgets.VBox([figure, picture, said])

    def show(self) -> None:
        """Display the live map; its static forms are the map and the gallery of the first faces."""
        show(self.scatter(), self.widget())
        # The live map has a gallery of its own, so an empty widget replaces this picture in JupyterLab.
        show(self.gallery(self.selected), widgets.HTML(""))


def _small(text: str) -> str:
    return f'<div style="max-width:640px;font-size:12px;line-height:1.4">{html.escape(text)}</div>'

"""Interactive figures (plotly) of embedding maps, with the colours and markers of ``gdrd_lab.figures``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.figures import COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def map_plot(
    points: np.ndarray,
    values: np.ndarray,
    names: Sequence[str],
    *,
    title: str = "",
    gradual: str = "",
    path: np.ndarray | None = None,
    path_names: Sequence[str] = (),
    selected: Sequence[int] = (),
    height: int = 420,
) -> Figure:
    """Make an embedding map whose points can be lassoed: one trace of N points, then the path.

    Args:
        points: (N, 2).
        values: (N,) groups (integers), or numbers if ``gradual`` names their scale.
        names: (N,) what the pointer shows.
        title: above all.
        gradual: name of the scale of ``values``; "" takes them as groups.
        path: (R, 2) one face's way through the map.
        path_names: (R,) what the pointer shows along it.
        selected: indices of selected points; none selected shows all alike.
        height: in pixels.
    """
    from plotly import graph_objects as go

    if not len(points) == len(values) == len(names):
        raise GdrdError(f"{len(points)} points, {len(values)} values, {len(names)} names", "Give one of each per face")
    marker: dict[str, Any] = {"size": 9, "line": {"width": 0.5, "color": "white"}}
    if gradual:
        bar = {"title": {"text": gradual}, "thickness": 12}
        marker |= {"color": np.asarray(values, float).tolist(), "colorscale": "Viridis", "colorbar": bar}
    else:
        codes = np.unique(values, return_inverse=True)[1]
        marker["color"] = [COLOURS[i % len(COLOURS)] for i in codes]
        # Colour and symbol go round at different times, so that 36 groups can be told apart.
        marker["symbol"] = [SYMBOLS[(i // len(COLOURS) + i) % len(SYMBOLS)] for i in codes]
    faces = go.Scatter(
        x=np.asarray(points)[:, 0].tolist(),
        y=np.asarray(points)[:, 1].tolist(),
        mode="markers",
        text=list(names),
        hovertemplate="%{text}<extra></extra>",
        marker=marker,
        selectedpoints=list(selected) or None,
        unselected={"marker": {"opacity": 0.25}},
        name="faces",
    )
    traces = [faces]
    if path is not None and len(path):
        traces.append(
            go.Scatter(
                x=np.asarray(path)[:, 0].tolist(),
                y=np.asarray(path)[:, 1].tolist(),
                mode="lines+markers+text",
                text=list(path_names),
                textposition="top center",
                hovertemplate="%{text}<extra></extra>",
                line={"color": "#888888", "width": 2},
                marker={"size": 6, "color": "#888888"},
                name="one face across resolutions",
            )
        )
    figure = go.Figure(traces)
    figure.update_layout(
        template="none",
        title={"text": title, "font": {"size": 14}, "x": 0.02},
        height=height,
        margin={"l": 12, "r": 12, "t": 40, "b": 12},
        showlegend=False,
        dragmode="lasso",
        xaxis={"visible": False},
        # One unit is as long in both directions: a map's distances are what it is read for.
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return figure

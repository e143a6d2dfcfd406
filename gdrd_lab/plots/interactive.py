"""Interactive figures (plotly) in the colours of ``plots.figures``: scores, their curves, and embedding maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.plots.figures import COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gdrd_lab.analysis.cam import ScoreCurve
    from gdrd_lab.plots.charts import Curve

DASHES = ("solid", "dash", "dot", "dashdot")
TOP, BOTTOM = 36, 105  # margins in pixels
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def curve_plot(
    curves: Sequence[Curve],
    *,
    limits: Sequence[Curve] = (),
    marked: int | None = None,
    title: str = "",
    metric: str = "Cosine score",
    height: int = 380,
) -> Figure:
    """Plot scores against resolution, the thresholds of each method as thin dotted lines, and mark one resolution.

    Args:
        marked: a resolution in pixels.
        height: in pixels.
    """
    from plotly import graph_objects as go

    traces = []
    names = [curve.method for curve in curves]
    for i, curve in enumerate(curves):
        traces.append(_line(i, curve.resolutions, curve.values, curve.label))
    for limit in limits:
        line = {"color": COLOURS[names.index(limit.method) % len(COLOURS)], "dash": "dot", "width": 1}
        points = {"x": list(limit.resolutions), "y": list(limit.values)}
        traces.append(go.Scatter(**points, name=f"{limit.method}: {limit.data}", line=line, mode="lines"))
    figure = go.Figure(traces)
    sizes = sorted({int(r) for curve in (*curves, *limits) for r in curve.resolutions})
    ticks = [size for size in (6, 8, 12, 16, 24, 32, 64, 112) if not sizes or sizes[0] <= size <= sizes[-1]]
    _lay_out(figure, title, "Resolution (pixels)", metric, height)
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(size) for size in ticks])
    if marked is not None:
        figure.add_vline(marked, line={"color": "#888888", "width": 1.5})
    return figure


def histogram_plot(
    scores: np.ndarray,
    genuine: np.ndarray,
    threshold: float,
    *,
    marked: float | None = None,
    title: str = "",
    height: int = 300,
) -> Figure:
    """Plot the scores of genuine and impostor pairs as shares in %, the threshold, and the score of one marked pair."""
    from plotly import graph_objects as go

    ends = [*np.percentile(scores, [0, 100]), threshold] + ([] if marked is None else [marked])
    edges = np.linspace(min(ends), max(ends) + 1e-9, 41)
    middles, traces = ((edges[1:] + edges[:-1]) / 2).tolist(), []
    for label, chosen, colour, shape in (
        ("genuine pairs", genuine, COLOURS[0], ""),
        ("impostor pairs", ~genuine, COLOURS[1], "/"),
    ):
        shares = 100 * np.histogram(scores[chosen], edges)[0] / max(int(chosen.sum()), 1)
        style = {"color": colour, "opacity": 0.6, "pattern": {"shape": shape, "size": 5}}
        traces.append(go.Bar(x=middles, y=shares.tolist(), name=label, marker=style))
    top = max(max(trace.y) for trace in traces) * 1.05
    lines = [(threshold, f"threshold {threshold:.2f}", "#888888", "dash")]
    if marked is not None:
        lines.append((marked, f"this pair {marked:.2f}", COLOURS[2], "solid"))
    for place, label, colour, dash in lines:
        line = {"color": colour, "dash": dash, "width": 3}
        traces.append(go.Scatter(x=[place, place], y=[0, top], name=label, mode="lines", line=line))
    figure = go.Figure(traces)
    _lay_out(figure, title, "Cosine score", "Share of pairs (%)", height)
    figure.update_layout(barmode="overlay", bargap=0)
    return figure


def fraction_plot(
    curves: Mapping[str, ScoreCurve], *, title: str = "", change: str = "removed", height: int = 340
) -> Figure:
    """Plot deletion (or insertion) curves by name; ``change`` says what happens to the pixels."""
    from plotly import graph_objects as go

    figure = go.Figure(
        [
            _line(i, (100 * curve.fractions).tolist(), curve.scores.tolist(), f"{name}: area {curve.area:.2f}")
            for i, (name, curve) in enumerate(curves.items())
        ]
    )
    _lay_out(figure, title, f"Pixels {change} (%), most salient first", "Cosine to the whole face", height)
    return figure


def _line(i: int, x: Sequence[float], y: Sequence[float], name: str) -> Any:
    from plotly import graph_objects as go

    line = {"color": COLOURS[i % len(COLOURS)], "dash": DASHES[i % len(DASHES)], "width": 2.5}
    marker = {"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8}
    return go.Scatter(x=list(x), y=list(y), name=name, line=line, marker=marker, mode="lines+markers")


def _lay_out(figure: Figure, title: str, x: str, y: str, height: int) -> None:
    figure.update_layout(
        template="none",
        title={"text": title, "font": {"size": 14}, "x": 0.02},
        height=height,
        margin={"l": 55, "r": 12, "t": TOP, "b": BOTTOM},
        # Below the title of the axis at any height.
        legend={"orientation": "h", "y": -50 / (height - TOP - BOTTOM), "yanchor": "top", "x": 0},
        xaxis_title={"text": x, "standoff": 8},
        yaxis_title={"text": y, "standoff": 8},
    )


def map_plot(
    points: np.ndarray,
    values: np.ndarray,
    names: Sequence[str],
    *,
    title: str = "",
    colourbar_label: str = "",
    path: np.ndarray | None = None,
    path_names: Sequence[str] = (),
    selected: Sequence[int] = (),
    ids: Sequence[int] = (),
    height: int = 420,
) -> Figure:
    """Plot an embedding map with a lasso: one trace of N points, then the path.

    Args:
        points: (N, 2).
        values: (N,) groups (integers), or numbers if ``colourbar_label`` names their scale.
        names: (N,) texts shown under the pointer.
        colourbar_label: name of the scale of ``values``; "" if they are groups.
        path: (R, 2) positions of one face across resolutions.
        path_names: (R,) texts along it.
        ids: (N,) the customdata of each point, by which events name it.
        height: in pixels.
    """
    from plotly import graph_objects as go

    if not len(points) == len(values) == len(names):
        raise GdrdError(f"{len(points)} points, {len(values)} values, {len(names)} names", "Give one of each per face")
    marker: dict[str, Any] = {"size": 9, "line": {"width": 0.5, "color": "white"}}
    if colourbar_label:
        bar = {"title": {"text": colourbar_label}, "thickness": 12}
        marker |= {"color": np.asarray(values, float).tolist(), "colorscale": "Viridis", "colorbar": bar}
    else:
        codes = np.unique(values, return_inverse=True)[1]
        marker["color"] = [COLOURS[i % len(COLOURS)] for i in codes]
        # 36 groups differ in colour or symbol.
        marker["symbol"] = [SYMBOLS[(i // len(COLOURS) + i) % len(SYMBOLS)] for i in codes]
    x, y = np.asarray(points).T.tolist()
    faces = go.Scatter(
        x=x,
        y=y,
        mode="markers",
        text=list(names),
        customdata=list(ids) or None,
        hovertemplate="%{text}<extra></extra>",
        marker=marker,
        selectedpoints=list(selected) or None,
        unselected={"marker": {"opacity": 0.25}},
        name="faces",
    )
    traces = [faces]
    if path is not None and len(path):
        x, y = np.asarray(path).T.tolist()
        text = {"text": list(path_names), "textposition": "top center", "hovertemplate": "%{text}<extra></extra>"}
        look = {"line": {"color": "#888888", "width": 2}, "marker": {"size": 6, "color": "#888888"}}
        name = "one face across resolutions"
        traces.append(go.Scatter(x=x, y=y, mode="lines+markers+text", name=name, **text, **look))
    figure = go.Figure(traces)
    figure.update_layout(
        template="none",
        title={"text": title, "font": {"size": 14}, "x": 0.02},
        height=height,
        margin={"l": 12, "r": 12, "t": 40, "b": 12},
        showlegend=False,
        dragmode="lasso",
        xaxis={"visible": False},
        # One unit has the same length in both directions, because a map shows distances.
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return figure

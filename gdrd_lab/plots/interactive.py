"""Interactive figures (plotly) in the colours of ``plots.figures``: scores, their curves, and embedding maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from plotly import graph_objects as go

from gdrd_lab.analysis.cam import ScoreCurve
from gdrd_lab.errors import GdrdError
from gdrd_lab.plots.charts import Curve
from gdrd_lab.plots.figures import COLOURS

DASHES = ("solid", "dash", "dot", "dashdot")
TOP, BOTTOM = 36, 105  # margins in pixels
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def curve_plot(
    curves: Sequence[Curve],
    *,
    limits: Sequence[Curve] = (),
    marked: int | None = None,
    title: str = "",
    height: int = 380,
) -> go.Figure:
    """Plot scores against resolution, each method's thresholds as thin dotted lines, and mark one resolution."""
    traces = [_line(i, curve.resolutions, curve.values, curve.label) for i, curve in enumerate(curves)]
    names = [curve.method for curve in curves]
    for limit in limits:
        line = {"color": COLOURS[names.index(limit.method) % len(COLOURS)], "dash": "dot", "width": 1}
        points = {"x": list(limit.resolutions), "y": list(limit.values)}
        traces.append(go.Scatter(**points, name=f"{limit.method}: {limit.data}", line=line, mode="lines"))
    figure = _figure(traces, title, height, "Resolution (pixels)", "Cosine score")
    sizes = sorted({int(r) for curve in (*curves, *limits) for r in curve.resolutions})
    ticks = [size for size in (6, 8, 12, 16, 24, 32, 64, 112) if not sizes or sizes[0] <= size <= sizes[-1]]
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
) -> go.Figure:
    """Plot the scores of genuine and impostor pairs as shares in %, the threshold, and the score of one marked pair."""
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
    figure = _figure(traces, title, height, "Cosine score", "Share of pairs (%)")
    figure.update_layout(barmode="overlay", bargap=0)
    return figure


def fraction_plot(curves: Mapping[str, ScoreCurve], *, title: str = "", change: str = "removed") -> go.Figure:
    """Plot deletion (or insertion) curves by name; ``change`` says what happens to the pixels."""
    traces = [
        _line(i, (100 * curve.fractions).tolist(), curve.scores.tolist(), f"{name}: area {curve.area:.2f}")
        for i, (name, curve) in enumerate(curves.items())
    ]
    return _figure(traces, title, 340, f"Pixels {change} (%), most salient first", "Cosine score")


def _line(i: int, x: Sequence[float], y: Sequence[float], name: str) -> Any:
    line = {"color": COLOURS[i % len(COLOURS)], "dash": DASHES[i % len(DASHES)], "width": 2.5}
    marker = {"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8}
    return go.Scatter(x=list(x), y=list(y), name=name, line=line, marker=marker, mode="lines+markers")


def _figure(traces: Sequence[Any], title: str, height: int, x: str, y: str) -> go.Figure:
    figure = _titled(traces, title, height)
    # The legend is below the title of the axis at any height.
    legend = {"orientation": "h", "y": -50 / (height - TOP - BOTTOM), "yanchor": "top", "x": 0}
    figure.update_layout(margin={"l": 55, "r": 12, "t": TOP, "b": BOTTOM}, legend=legend)
    figure.update_xaxes(title={"text": x, "standoff": 8})
    figure.update_yaxes(title={"text": y, "standoff": 8})
    return figure


def _titled(traces: Sequence[Any], title: str, height: int) -> go.Figure:
    layout = {"template": "none", "title": {"text": title, "font": {"size": 14}, "x": 0.02}, "height": height}
    return go.Figure(traces, layout)


def map_plot(
    points: np.ndarray,
    values: np.ndarray,
    names: Sequence[str],
    *,
    title: str = "",
    colourbar_label: str = "",
    ticks: Sequence[float] = (),
    groups: Mapping[int, str] | None = None,
    path: np.ndarray | None = None,
    path_names: Sequence[str] = (),
    selected: Sequence[int] = (),
    ids: Sequence[int] = (),
    height: int = 420,
) -> go.Figure:
    """Plot an embedding map (N, 2) with a lasso: one trace of N points, then the ``path`` (R, 2) of one face.

    ``values`` (N,) are numbers if ``colourbar_label`` names their scale, and groups (integers) if it is "". A scale is
    logarithmic if it has ``ticks``. The legend has the names of ``groups``, and one that no point has as plain text.
    ``names`` are shown under the pointer; by ``ids``, the customdata, events name the points.
    """
    if not len(points) == len(values) == len(names):
        raise GdrdError(f"{len(points)} points, {len(values)} values, {len(names)} names", "Give one of each per face")
    marker: dict[str, Any] = {"size": 9, "line": {"width": 0.5, "color": "white"}}
    entries: list[Any] = []
    if colourbar_label:
        bar: dict[str, Any] = {"title": {"text": colourbar_label}, "thickness": 12}
        scale = np.log2 if len(ticks) else np.asarray
        if len(ticks):
            bar |= {"tickvals": np.log2(ticks).tolist(), "ticktext": [f"{tick:g}" for tick in ticks]}
        marker |= {"color": scale(values).tolist(), "colorscale": "Viridis", "colorbar": bar}
    else:
        kinds, codes = np.unique(values, return_inverse=True)
        # 36 groups differ in colour or symbol.
        looks = [
            (COLOURS[i % len(COLOURS)], SYMBOLS[(i // len(COLOURS) + i) % len(SYMBOLS)]) for i in range(len(kinds))
        ]
        marker["color"], marker["symbol"] = ([looks[i][k] for i in codes] for k in (0, 1))
        for group, name in (groups or {}).items():
            known = dict(zip(kinds.tolist(), looks, strict=True)).get(group)
            look = dict(zip(("color", "symbol"), known, strict=True)) if known else {"color": "rgba(0,0,0,0)"}
            entries.append(go.Scatter(x=[None], y=[None], mode="markers", name=name, marker={"size": 9, **look}))
    x, y = np.asarray(points).T.tolist()
    shown = {"text": list(names), "hovertemplate": "%{text}<extra></extra>", "customdata": list(ids) or None}
    chosen = {"selectedpoints": list(selected) or None, "unselected": {"marker": {"opacity": 0.25}}}
    traces = [go.Scatter(x=x, y=y, mode="markers", marker=marker, name="faces", showlegend=False, **shown, **chosen)]
    if path is not None and len(path):
        x, y = np.asarray(path).T.tolist()
        text = {"text": list(path_names), "textposition": "top center", "hovertemplate": "%{text}<extra></extra>"}
        look = {"line": {"color": "#888888", "width": 2}, "marker": {"size": 6, "color": "#888888"}}
        name = "one face across resolutions"
        traces.append(go.Scatter(x=x, y=y, mode="lines+markers+text", name=name, cliponaxis=False, **text, **look))
    figure = _titled([*traces, *entries], title, height)
    figure.update_layout(
        margin={"l": 12, "r": 12, "t": 40, "b": 12},
        showlegend=True,
        legend={"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "itemclick": False, "itemdoubleclick": False},
        dragmode="lasso",
        xaxis={"visible": False},
        # One unit has the same length in both directions, because a map shows distances.
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return figure

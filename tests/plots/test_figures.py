import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import roc
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.plots.charts import Curve, accuracy_curves, curves, roc_figure, score_histogram
from gdrd_lab.plots.figures import COLOURS, alt_text, face_strip, render, save, style
from gdrd_lab.transforms.degradation import Degradation

SIZES = [8, 16, 32, 112]
GENUINE = np.repeat([True, False], 500)
SCORES = np.random.default_rng(0).normal(GENUINE * 0.5, 0.15)


def two_sets() -> list[Curve]:
    lfw = Curve("SFace", "LFW", SIZES, [0.756, 0.929, 0.989, 0.994], [0.006, 0.004, 0.002, 0.001])
    embedded = Curve("SFace", "embedded", SIZES, [0.70, 0.88, 0.96, 0.97], [0.01, 0.01, 0.01, float("nan")])
    return [lfw, embedded, Curve("student", "LFW", SIZES[:3], [0.8, 0.94, 0.98])]


def every_figure() -> dict[str, Figure]:
    picture = np.random.default_rng(1).integers(0, 255, (16, 16, 3), np.uint8)
    return {
        "accuracy": accuracy_curves(two_sets(), title="Accuracy falls with resolution"),
        "one": accuracy_curves(two_sets()[:1], chance=None),
        "roc": roc_figure({"SFace": roc(SCORES, GENUINE), "student": roc(-SCORES, GENUINE)}, title="LFW"),
        "histogram": score_histogram(SCORES, GENUINE, 0.25, marked=0.9, title="SFace"),
        "strip": face_strip(
            {"camera": [picture, picture], "a rather long label": [picture / 255.0] * 2}, ["8 px", "16 px"]
        ),
    }


def inside(figure: Figure) -> None:
    """Everything drawn lies within the figure, and no two words overlap."""
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    box = figure.get_tightbbox(renderer)
    width, height = figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width + 1e-6 and box.y1 <= height + 1e-6
    words = []
    for axes in figure.axes:
        texts = [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        texts += axes.get_xticklabels() + axes.get_yticklabels()
        words += [t for t in texts if t.get_text() and t.get_visible()]
    words += [t for legend in figure.legends for t in legend.get_texts()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in words]
    for i, (_, a) in enumerate(boxes):
        for _, b in boxes[i + 1 :]:
            assert not a.padded(-2).overlaps(b.padded(-2))


def test_nothing_is_cut_or_overlaps_and_both_files_are_written(tmp_path: Path) -> None:
    for name, figure in every_figure().items():
        inside(figure)
        png, svg = save(figure, tmp_path / f"{name}.svg")
        assert (png.name, svg.name) == (f"{name}.png", f"{name}.svg")
        with Image.open(png) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
            assert picture.info["Description"] == alt_text(figure) != ""
        drawing = svg.read_text()
        assert drawing.startswith("<?xml") and drawing.rstrip().endswith("</svg>") and "<dc:description>" in drawing
    assert len(os.listdir(tmp_path)) == 10


def test_a_dot_in_a_name_is_kept(tmp_path: Path) -> None:
    figure = every_figure()["one"]
    files = [path.name for name in ("at-0.1", "at-0.2") for path in save(figure, tmp_path / name)]
    assert files == ["at-0.1.png", "at-0.1.svg", "at-0.2.png", "at-0.2.svg"]


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_drawing_is_the_same_file(form: str) -> None:
    first, second = (render(accuracy_curves([Curve("A", "", [8, 16], [0.5, 0.7])]), form) for _ in range(2))
    assert first == second
    assert render(accuracy_curves([Curve("A", "", [8, 16], [0.5, 0.9])]), form) != first


def test_lines_are_told_apart_without_colour() -> None:
    axes = accuracy_curves(two_sets()).axes[0]
    lines = [container[0] for container in axes.containers]
    looks = [(line.get_marker(), line.get_linestyle(), line.get_markerfacecolor()) for line in lines]
    assert len(set(looks)) == 3
    assert lines[0].get_color() == lines[1].get_color() == COLOURS[0] != lines[2].get_color()
    np.testing.assert_allclose(np.asarray(lines[1].get_ydata(), float), [0.70, 0.88, 0.96, 0.97])
    assert [t.get_text() for t in axes.get_xticklabels()] == ["8", "16", "32", "112"]
    # Equal factors are equal distances.
    pixels = axes.transData.transform([(8, 0), (16, 0), (32, 0)])[:, 0]
    assert pixels[1] - pixels[0] == pytest.approx(pixels[2] - pixels[1])


def test_a_method_keeps_its_colour_in_several_figures() -> None:
    last = two_sets()[-1]
    figure = accuracy_curves([last], methods=["another", last.method], chance=None)
    assert figure.axes[0].containers[0][0].get_color() == COLOURS[1]
    assert [text.get_text().split(",")[0] for text in figure.legends[0].get_texts()] == [last.method]


def test_alt_texts_hold_the_numbers() -> None:
    figures = every_figure()
    assert "SFace, LFW: 0.756 at 8 px, 0.929 at 16 px" in alt_text(figures["accuracy"])
    assert "above the threshold" in alt_text(figures["histogram"])
    assert "below the threshold" in alt_text(score_histogram(SCORES, GENUINE, 0.25, marked=0.1))
    assert "8 px, 16 px" in alt_text(figures["strip"])
    impostors = np.sort(SCORES[~GENUINE])
    tar = np.mean(SCORES[GENUINE] > impostors[-51])  # 50 of 500 impostor pairs may pass at FAR 0.1
    assert f"SFace: TAR {tar:.3f} at FAR 0.1" in alt_text(figures["roc"])


def test_a_roc_curve_starts_where_its_pairs_can_show_it() -> None:
    line = roc_figure({"SFace": roc(SCORES, GENUINE)}).axes[0].lines[0]
    far, tar = line.get_xdata(), line.get_ydata()
    assert far[0] == pytest.approx(1 / 500)
    # One impostor pair passes there: all genuine pairs above the second best impostor are accepted.
    assert tar[0] == np.mean(SCORES[GENUINE] > np.sort(SCORES[~GENUINE])[-2])
    assert (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()


def test_curves_gather_scores() -> None:
    def score(method: str, size: int, value: float, metric: str = "accuracy") -> Score:
        how = asdict(Degradation(resolution=size))
        return Score(method, "LFW", "same resolution", size, how, metric, value, 0.01, 10, 0, "", 0.0)

    found = curves([score("a", 16, 0.9), score("a", 8, 0.7), score("b", 8, 0.8), score("a", 8, 0.1, "EER")])
    assert found == [Curve("a", "LFW", [8, 16], [0.7, 0.9], [0.01, 0.01]), Curve("b", "LFW", [8], [0.8], [0.01])]
    with pytest.raises(GdrdError, match="two scores at 8 px"):
        curves([score("a", 8, 0.7), score("a", 8, 0.6)])


def test_strips_of_unequal_rows_are_refused() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    for rows, columns in (({}, []), ({"a": [picture], "b": []}, []), ({"a": [picture]}, ["x", "y"])):
        with pytest.raises(GdrdError, match="differ in length"):
            face_strip(rows, columns)


def test_a_full_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GdrdError, match="could not be written"):
        save(every_figure()["one"], tmp_path / "file" / "figure")


def test_pyplot_is_never_loaded() -> None:
    code = (
        "import sys, io, gdrd_lab.plots.charts as f; assert 'matplotlib' not in sys.modules;"
        "c = f.Curve('a', '', [8, 16], [0.5, 0.6]); f.accuracy_curves([c]).savefig(io.BytesIO());"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_thirty_six_lines_differ_in_colour_or_marker() -> None:
    looks = [style(index, "marker") for index in range(36)]
    assert len({(look["color"], look["marker"]) for look in looks}) == 36
    dashed = [style(index, "linestyle") for index in range(12)]
    assert len({(look["color"], str(look["linestyle"])) for look in dashed}) == 12

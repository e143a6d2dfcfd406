"""Sections on cameras, photographs, real light and quality: what they say follows from the numbers."""

from pathlib import Path

import numpy as np
import pytest
from helpers.scores import camera_scores, detection_scores, discard_values, score, utkface_file, yaleb_file

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.benchmarks import read_benchmark
from gdrd_lab.evaluation.photographs import SETTING
from gdrd_lab.plots import alt_text
from gdrd_lab.reports import conditions


def test_severities_are_drawn_with_two_standard_errors() -> None:
    """A figure from scores in any order; JPEG runs from none to the strongest compression."""
    found = [
        score(method, value, jpeg=quality)
        for quality, values in ((20, (0.6, 0.7)), (None, (0.9, 0.8)), (80, (0.8, 0.75)))
        for method, value in zip(("student", "SFace"), values, strict=True)
    ]
    figure = conditions.severity_figure(found, "jpeg", "both faces at the same resolution")
    drawn = {str(item.get_label()): item for item in figure.axes[0].containers}
    line, _, (bars,) = drawn["student"]  # type: ignore[misc]
    assert [*line.get_xdata()] == [0, 20, 80] and [*line.get_ydata()] == [0.9, 0.8, 0.6]
    assert [np.ptp(bar[:, 1]) for bar in bars.get_segments()] == pytest.approx([4 * 0.0123] * 3)
    assert alt_text(figure).startswith("JPEG, both faces at the same resolution, 16 px. student: 0.9 at 0, 0.6 at 80")


def test_a_degradation_is_shown_alone_and_beside_the_clean_faces(tmp_path: Path) -> None:
    found = [score("m", 0.9), score("m", 0.8, blur=2.0), score("m", 0.7, blur=4.0), score("m", 0.1, noise=0.2)]
    # The scores come from several files, each of which holds the clean faces.
    text = conditions.robustness([*found, found[0]], tmp_path / "page.md")[1]
    assert "At blur 4: -20.0 points for m, to 70.0 %." in text and "| % | none | blur 2 | blur 4 |" in text
    assert "| m | 90.0 ± 1.2 | 80.0 ± 1.2 | 70.0 ± 1.2 |" in text and text.endswith("</details>")
    assert "figures/blur-same.png" in text


def test_cameras_are_rows_and_their_cost_is_told(tmp_path: Path) -> None:
    accuracy, rates = conditions.cameras(camera_scores(), tmp_path / "page.md")
    assert "| SFace, webcam | 60.0 ± 1.2 | 60.0 ± 1.2 |" in accuracy and "| student, clean | 70.0 ± 1.2 |" in accuracy
    assert "Webcam camera, best: student at 8 and 16 px (65.0 and 70.0 %)." in accuracy
    assert "It costs SFace 20.0 to 30.0 points and student 5.0 to 10.0 points." in accuracy
    # The lowest rate that could be measured is told; a rate that could not be is in the table.
    assert "With the clean camera: all pairs, TAR@FAR=0.0001 (n = 700), best: student at 16 px (35.0 %)." in rates
    assert "TPIR@FPIR=0.1 (" not in rates and "| student, 16 px | 60.0 ± 1.2 | 35.0 ± 1.2 | n/a |" in rates


def test_photographs_show_both_alignments(tmp_path: Path) -> None:
    found = [score("student", 0.9), score("student", 0.95, resolution=32)]  # nothing was aligned at 32 px
    found += [score("student", value, name, SETTING) for name, value in (("accuracy", 0.85), ("detection rate", 0.75))]
    (text,) = conditions.photographs(found, tmp_path / "page.md")
    assert "Faces found: 75.0 % at 16 px." in text and "-5.0 points for student at 16 px" in text
    lines = text.splitlines()
    assert lines[2] == "| % | 16 px |" and "| student, aligned at full resolution | 90.0 ± 1.2 |" in lines
    assert (
        "| student, aligned at the low resolution | 85.0 ± 1.2 |" in lines and "| faces found | 75.0 ± 1.2 |" in lines
    )


def test_real_light_names_the_best_and_those_near_it(tmp_path: Path) -> None:
    files = [yaleb_file(tmp_path / "a.json", SFace=(0.98, 0.31)), yaleb_file(tmp_path / "b.json", student=(0.9, 0.32))]
    text = conditions.yaleb(files, tmp_path / "page.md")
    assert "Best: sharp: SFace (98.0 %); 16 px: student or SFace (32.0 %)." in text
    assert "| student | 90.0 ± 1.0 | 32.0 ± 1.0 |" in text and text.count("`gdrd benchmarks yaleb`") == 2
    (tmp_path / "bad.json").write_text('{"scores": {"SFace": [1]}}')
    with pytest.raises(GdrdError, match="holds no scores of a benchmark"):
        read_benchmark(tmp_path / "bad.json")


def test_discarding_is_drawn_and_told(tmp_path: Path) -> None:
    text = conditions.discard([*discard_values("student", 0.4, 0.2), score("student", 0.9)], tmp_path / "page.md")[1]
    assert "Discarding 20 % changes the rejected genuine pairs from 40.0 to 30.0 % for student, 16 px." in text
    assert "| % | 0 % discarded | 10 % discarded | 20 % discarded | 40 % discarded |" in text
    assert (tmp_path / "figures" / "discard-faces.png").stat().st_size > 5000


def test_groups_are_rows_and_the_ends_are_told(tmp_path: Path) -> None:
    text = conditions.people([utkface_file(tmp_path / "u.json")], tmp_path / "page.md")
    assert "40 photographs at 16 px" in text and "nobody has a second photograph here" in text
    clean = text.split("clean camera?** ")[1]
    assert clean.startswith(
        "student, FMR: 0.05 % for sex male (40) to 0.40 % for sex female (40); student, FNMR: 1.00 %"
    )
    assert "SFace, FNMR: 2.00 % for sex male (40) to 10.00 % for sex female (40)." in clean
    assert "| % | student, FMR | student, FNMR | SFace, FMR | SFace, FNMR |" in clean
    assert "| sex female (40) | 0.40 ± 0.01 | 5.00 ± 0.01 | 0.80 ± 0.01 | 10.00 ± 0.01 |" in clean
    assert text.count("camera?**") == 2


def test_detection_tells_rate_and_landmark_error(tmp_path: Path) -> None:
    text = conditions.detection(detection_scores(), tmp_path / "page.md")[1]
    assert "Best: enlarged 4 times at 16 px (90.0 %)." in text and "off by 10 to 10 % (enlarged 4 times)." in text
    assert "| detection rate, as it is | 0.0 ± 1.2 |" in text and "| landmark error, enlarged 4 times | 10.0" in text

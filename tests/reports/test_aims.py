"""The table of aims says what was reached and what was missed, from the result files alone."""

from dataclasses import replace
from pathlib import Path

from helpers.scores import score, yaleb_file

from gdrd_lab.evaluation.photographs import SETTING
from gdrd_lab.evaluation.results import collect, write_json
from gdrd_lab.reports.aims import aims

NONE: dict[str, list[Path]] = {"lfw.json": [], "robustness.json": [], "yaleb.json": [], "photographs.json": []}


def test_met_and_missed(tmp_path: Path) -> None:
    lfw = [score("student", value, resolution=size) for size, value in ((8, 0.866), (16, 0.9), (32, 0.97))]
    lfw += [score("SFace", 0.98, resolution=32), score("SFace", 0.99, resolution=112)]
    worse = [score("student", 0.78, noise=0.1), score("student", 0.7, noise=0.05), score("SFace", 0.99, jpeg=20)]
    photographs = [score("student", 0.9, setting=SETTING), score("student", 0.93)]
    photographs.append(replace(score("student", 0.5), data="others"))
    found = NONE | {
        "lfw.json": [write_json(tmp_path / "lfw.json", collect(lfw, "gdrd evaluate"))],
        "robustness.json": [write_json(tmp_path / "robustness.json", collect(worse, "gdrd evaluate"))],
        "yaleb.json": [yaleb_file(tmp_path / "yaleb.json", student=(0.95, 0.5), SFace=(0.99, 0.4))],
        "photographs.json": [write_json(tmp_path / "photographs.json", collect(photographs, "gdrd evaluate"))],
    }
    text = aims(found)
    assert "4 of 7 aims were met." in text
    for line in (
        "| LFW, 8 px | 86.5 | 86.6 ± 1.2 | met |",
        "| LFW, 16 px | 94.8 | 90.0 ± 1.2 | missed |",
        "| LFW, 32 px: SFace less 1.5 points | 96.5 | 97.0 ± 1.2 | met |",
        "| Held-out people, 16 px, noise 0.1 | 78.0 | 78.0 ± 1.2 | met |",
        "| Extended Yale B, rank-1, sharp | 93.0 | 95.0 ± 1.0 | met |",
        "| Extended Yale B, rank-1, 16 px | 65.0 | 50.0 ± 1.0 | missed |",
        "| faces, aligned at 16 px: less 2.0 points than at full resolution | 91.0 | 90.0 ± 1.2 | missed |",
    ):
        assert line in text.splitlines(), line


def test_without_result_files_there_is_no_section() -> None:
    assert aims(NONE) == ""

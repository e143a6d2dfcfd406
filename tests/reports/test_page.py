"""The results page: every number comes from the files, missing files are named, damaged ones refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.scores import (
    camera_scores,
    converged_scores,
    detection_scores,
    discard_values,
    score,
    utkface_file,
    yaleb_file,
)

from gdrd_lab.analysis.identity_probe import ProbeRow
from gdrd_lab.cli import main
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.benchmarks import Metric
from gdrd_lab.evaluation.failures import Failure, Failures
from gdrd_lab.evaluation.metrics.image_quality import Quality, QualityRow
from gdrd_lab.evaluation.photographs import SETTING
from gdrd_lab.evaluation.results import collect, write_json, write_rows
from gdrd_lab.reports.answers import ablated, best, change, cheaper, loss, super_resolved
from gdrd_lab.reports.markdown import grid, scores_table
from gdrd_lab.reports.page import SECTIONS, write_page

SCORES = [
    score(method, value + size / 1000, setting=setting, resolution=size)
    for method, value in (("SFace", 0.8), ("student", 0.85))
    for setting in ("same resolution", "sharp gallery")
    for size in (8, 16)
]


def test_grid_is_a_markdown_table() -> None:
    assert grid(["%", "8 px"], [["a|b", "1"]]) == "| % | 8 px |\n| --- | --: |\n| a/b | 1 |\n"


def test_scores_table_has_percent_and_standard_error() -> None:
    lines = scores_table([s for s in SCORES if s.setting == "sharp gallery"]).splitlines()
    assert lines[0] == "| % | 8 px | 16 px |"
    assert lines[2] == "| SFace | 80.8 ± 1.2 | 81.6 ± 1.2 |" and lines[3].startswith("| student | 85.8")


PROBED = {("pixels", "pixels", 0): 0.7, ("teacher", "mid_block", 0): 0.6, ("teacher", "mid_block", 999): 0.8}


def fill(folder: Path) -> None:
    """Write every file that the page knows."""
    for name in ("lfw", "flips", "heldout", "lfw5"):
        ranks = [replace(item, metric="rank-1", value=0.5) for item in SCORES]
        write_json(folder / f"{name}.json", collect([*SCORES, *ranks], "gdrd evaluate"))
    for name in ("ablation", "best-ablation"):
        write_json(folder / f"{name}.json", collect(SCORES, "gdrd ablate"))
    write_json(folder / "converged-ablation.json", collect(converged_scores(0.05), "gdrd ablate --config converged"))
    write_json(folder / "robustness.json", collect([score("m", 0.9), score("m", 0.432, blur=2.0)], "gdrd evaluate"))
    cases = {"SFace, batch 1": 50.0, "SFace, batch 64": 140.0, "SFace multiply-adds": 574.0, "SFace parameters": 9.6}
    cases |= {case.replace("SFace", "student"): 2 * value for case, value in cases.items()}
    rows = [{"suite": "networks", "case": case, "value": value} for case, value in cases.items()]
    machine = {"threads": 1, "processor": "this one", "gpu": None}
    bench = {"machine": machine, "config": {"repeats": 3, "cpu_time": True}, "rows": rows}
    (folder / "bench.json").write_text(json.dumps(bench))
    for name in ("quality", "dlib-quality"):
        quality = Quality(24.567, 0.1, 0.8, 0.01, 0.5, 0.02, 64, (0, 1, 2), *((0.25, 0.01) if "dlib" in name else ()))
        write_rows(folder / f"{name}.json", [QualityRow("faces", 16, "4 steps", quality)])
    probed = [ProbeRow("faces", 16, *place, auc, 9, 20) for place, auc in PROBED.items()]
    write_rows(folder / "probe.json", probed)
    write_json(folder / "cameras.json", collect(camera_scores(), "gdrd evaluate"))
    low = [
        replace(item, setting=SETTING, metric=name) for item in SCORES[:2] for name in ("accuracy", "detection rate")
    ]
    write_json(folder / "photographs.json", collect(low, "gdrd evaluate"))
    yaleb_file(folder / "yaleb.json", SFace=(0.9, 0.3))
    utkface_file(folder / "utkface.json")
    write_json(folder / "detection.json", collect(detection_scores(), "gdrd faces detection"))
    write_json(folder / "discard.json", collect(discard_values("m", 0.4, 0.3), "gdrd evaluate"))
    failure = Failure("genuine", 7, 1, 0.123, 0.4, 0.9, "brightness 0.1 against 0.9")
    write_rows(folder / "failures.json", [Failures("m", "faces", 16, 9, 700, (failure,), {"dlib": 0.777})])


def test_page_holds_what_the_files_say(tmp_path: Path) -> None:
    folder, page = tmp_path / "results", tmp_path / "RESULTS.md"
    folder.mkdir()
    fill(folder)
    assert write_page(folder, page) == []
    text = page.read_text()
    for fact in (
        "80.8 ± 1.2",
        "43.2 ± 1.2",
        "24.57 ± 0.10",
        "| 16 px, 4 steps | 24.57 ± 0.10 | 0.800 ± 0.010 | 0.500 ± 0.020 |\n",
        "| 0.500 ± 0.020 | 0.250 ± 0.010 |\n",
        "| student | 1148 | 19.2 | 280 | 2.0 |",
        "0.777 with dlib",
        "teacher 0.800 (mid_block, t = 999); pixels 0.700. Judged on 20 faces of 9 people of faces.",
    ):
        assert fact in text, fact
    assert "genuine, fold 1, pair 7" in text and "9 of 700 (1.3 %)" in text
    assert text.count("\n## ") == len(SECTIONS) + 1 and text.index("## Aims") < text.index("## Verification")
    for name in ("lfw-same", "lfw-gallery", "cost", "blur-same", "probe-16", "ablation-8", "ablation-16"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5000 and f"figures/{name}.png" in text


def test_every_table_has_a_question_and_an_answer_above_it(tmp_path: Path) -> None:
    folder, page = tmp_path / "results", tmp_path / "RESULTS.md"
    folder.mkdir()
    fill(folder)
    write_page(folder, page)
    # A picture may stand between, and a table may be folded.
    blocks = [part for part in page.read_text().split("\n\n") if not part.startswith(("![", "<details>"))]
    tables = [k for k, block in enumerate(blocks) if block.startswith(("| %", "| pair", "| method"))]
    assert len(tables) == 27
    for k in tables:
        question, _, answer = blocks[k - 1].removeprefix("**").partition("?** ")
        assert question and answer.endswith("."), blocks[k - 1]


def test_answers_follow_from_the_numbers() -> None:
    sizes = {8: (0.70, 0.75, 0.751), 16: (0.80, 0.85, 0.60), 112: (0.99, 0.95, 0.98)}
    scores = [
        score(method, value, resolution=size, setting="same resolution")
        for size, values in sizes.items()
        for method, value in zip(("SFace", "student", "other"), values, strict=True)
    ]
    lone = score("student", 0.99, resolution=12)  # one of three methods says nothing about which is best
    assert best([*scores, lone]) == (
        "Best: other at 8 px (75.1 %), student at 16 px (85.0 %) and SFace at 112 px (99.0 %). "
        "Within two standard errors of the best: student (8 px) and other (112 px)."
    )
    flipped = [score("student, flips averaged", 0.861), score("SFace, flips averaged", 0.796)]
    assert change(flipped, scores) == (
        "+1.1 points for student at 16 px and -0.4 points for SFace at 16 px. "
        "Two standard errors of such a difference are at most 3.5 points."
    )
    blurred = [score("m", 0.9), score("m", 0.8, blur=2.0), score("m", 0.7, blur=4.0)]
    assert loss(blurred, "blur") == "At blur 4: -20.0 points for m, to 70.0 %."
    rows = {"base": {"a": 0.9, "b": 0.8}, "x": {"a": 0.5, "b": 0.4}, "y": {"a": 0.45, "b": 0.6}}
    found = {row: {name: Metric("", value, 3) for name, value in values.items()} for row, values in rows.items()}
    assert ablated(found, ["base"]) == (
        "Best of the rows trained here: x, in 1 of 2 columns (50.0 %); y, in 1 of 2 columns (60.0 %). "
        "Best of the baselines: base, in 2 of 2 columns (80.0 to 90.0 %)."
    )
    one, two = (
        QualityRow("f", 16, name, Quality(p, 0.1, 0.8, s, 0.5, 0, 9, (0,)))
        for name, p, s in (("bicubic", 20, 0), ("1 step", 21, 0))
    )
    assert super_resolved([one, two]) == "At 16 px 1 step by PSNR and bicubic or 1 step by SSIM and identity."


def test_cost_is_told_against_the_first_method() -> None:
    assert cheaper({"SFace": 500, "student": 50}, {"SFace": 100, "student": 650}) == (
        "student: 10 % of its multiply-adds, 6.5 times its images/s."
    )


def test_no_folder_of_the_machine_is_shown(tmp_path: Path) -> None:
    command = "gdrd evaluate --data /home/me/faces/celeba --out=/tmp/x/y results/r"
    write_json(tmp_path / "lfw.json", collect(SCORES, command))
    write_page(tmp_path, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert "`gdrd evaluate --data celeba --out=y results/r`" in text and "/home" not in text


def test_recognisers_shown_as_they_are_stand_above_the_trained_rows(tmp_path: Path) -> None:
    trained = [replace(item, method="trained", seed=seed) for seed in (0, 1) for item in SCORES]
    write_json(tmp_path / "ablation.json", collect(trained, "gdrd ablate"))
    write_json(tmp_path / "ablation-more.json", collect([replace(s, method="as it is") for s in SCORES], "gdrd ablate"))
    write_page(tmp_path, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert -1 < text.index("| as it is |") < text.index("| trained |")


def test_one_command_s_file_can_fill_several_sections(tmp_path: Path) -> None:
    found = [*camera_scores(), *discard_values("m", 0.4, 0.3), replace(SCORES[0], setting=SETTING)]
    write_json(tmp_path / "cameras-lfw.json", collect(found, "gdrd evaluate"))
    write_json(tmp_path / "cameras-others.json", collect(camera_scores(), "gdrd others"))
    missing = write_page(tmp_path, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    for name in ("cameras", "photographs", "discard"):
        assert f"{name}.json" not in missing and f"## {SECTIONS[f'{name}.json'][0]}" in text
    assert text.count("`gdrd evaluate`") == 3 and text.count("`gdrd others`") == 1
    write_json(tmp_path / "cameras-lfw.json", collect(camera_scores(), "gdrd evaluate"))
    assert {"photographs.json", "discard.json"} <= set(write_page(tmp_path, tmp_path / "page.md"))


def test_missing_files_are_named_and_damaged_ones_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GdrdError, match="holds no results"):
        write_page(tmp_path, tmp_path / "page.md")
    fill(tmp_path)
    (tmp_path / "lfw5.json").unlink()
    assert main(["results", str(tmp_path), "--out", str(tmp_path / "page.md")]) == 0
    assert "lfw5.json" in capsys.readouterr().out
    (tmp_path / "robustness.json").write_text('{"format": 1')
    assert main(["results", str(tmp_path), "--out", str(tmp_path / "page.md")]) == 2
    assert "damaged" in capsys.readouterr().err

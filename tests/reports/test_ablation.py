"""The section on the converged ablation: its sentence, differences and figures follow from the numbers."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.scores import PAPER, converged_scores, score

from gdrd_lab.evaluation.results import collect, write_json
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.plots import paired_differences
from gdrd_lab.reports.ablation import converged, runs_of, strongest
from gdrd_lab.reports.page import write_page

CONTROL = "the same losses without L_gen"
OUTCOMES = {
    "helps": (
        converged_scores(0.05),
        f"Yes: against {CONTROL} it helps (frozen at 8 and 16 px: +5.0 points); "
        "against L_kd alone it helps (frozen at 8 and 16 px: +7.0 points).",
    ),
    "hurts": (
        converged_scores(-0.05),
        f"No: against {CONTROL} it hurts (frozen at 8 and 16 px: -5.0 points); "
        "against L_kd alone it hurts (frozen at 8 and 16 px: -3.0 points).",
    ),
    "is not told apart": (
        converged_scores(0.0, noise=0.1),
        f"Not measurably: against {CONTROL} no difference can be told (frozen at 8 and 16 px: ",
    ),
    "differs by resolution": (
        converged_scores(-0.05, at_8=0.04),
        f"In part: against {CONTROL} it helps (frozen at 8 px: +4.0 points) and it hurts "
        "(frozen at 16 px: -5.0 points); against L_kd alone it helps",
    ),
    "differs by teacher": (
        converged_scores(0.05, earlier=-0.03),
        f"In part: against {CONTROL} it helps (frozen at 8 and 16 px: +5.0 points) and it hurts "
        "(frozen, earlier generative teacher at 8 and 16 px: -3.0 points); against L_kd alone it helps",
    ),
    "has one seed": (
        [one for one in converged_scores(0.05) if one.seed == 0],
        "This cannot be told: it takes a row with L_gen and one that it is compared with, two seeds of each.",
    ),
}


@pytest.mark.parametrize(("scores", "sentence"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_the_sentence_says_whether_the_generative_teacher_helps(
    scores: list[Score], sentence: str, tmp_path: Path
) -> None:
    text = converged(scores, tmp_path / "page.md")[1]
    assert text.startswith(f"**Does the generative teacher help, when, and by how much?** {sentence}")
    assert f"| {PAPER} |" in text


def test_the_table_has_spreads_and_paired_differences(tmp_path: Path) -> None:
    scores = converged_scores(0.05)
    about, text, *pictures = converged(scores, tmp_path / "page.md")
    head, _, *rows = text.split("\n\n")[1].splitlines()
    gains = [f"{size} px, gain over {name}" for name in (CONTROL, "L_kd alone") for size in (8, 16)]
    assert head.endswith(f"| {' | '.join(gains)} |")
    change = paired_differences(runs_of(scores, 16, r"accuracy, fold \d+"), "L_kd only")[PAPER]
    (row,) = (row for row in rows if row.startswith(f"| {PAPER} |"))
    assert row.split(" | ")[6].removesuffix(" |") == f"{100 * change[0]:.1f} ± {100 * change[1]:.1f}"
    assert row.split(" | ")[1].startswith("77.0 ± ")  # the scores along the training are not in it
    assert "128,000 faces" in about
    assert ["ablation-8" in pictures[0], "ablation-16" in pictures[1]] == [True, True]
    assert f"{PAPER}: 0.67 at 64000, 0.77 at 128000" in pictures[1] and "L_kd only" not in pictures[1]


def test_the_interval_covers_seeds_and_folds() -> None:
    """Differences 0, 2, 4 of the seeds and -1, 1 of the folds, which add: by hand with Welch and Satterthwaite."""
    base = {seed: [0.0, 0.0] for seed in range(3)}
    runs = {"base": base, "row": {seed: [2.0 * seed - 1, 2.0 * seed + 1] for seed in range(3)}}
    mean, reach = paired_differences(runs, "base")["row"]
    seeds, folds = 4 / 3, 2 / 2
    freedom = (seeds + folds) ** 2 / (seeds**2 / 2 + folds**2 / 1)
    assert freedom == pytest.approx(2.882353) and mean == 2
    assert reach == pytest.approx(3.2573 * (seeds + folds) ** 0.5, rel=1e-3)
    assert paired_differences({"base": base, "row": base | {0: [0.0, 0.0]}}, "base")["row"] == (0.0, 0.0)


def test_the_short_ablation_is_an_appendix_and_the_converged_one_stands_before(tmp_path: Path) -> None:
    write_json(tmp_path / "ablation.json", collect([score("L_kd only", 0.6)], "gdrd ablate"))
    write_json(tmp_path / "flips.json", collect([score("SFace", 0.6)], "gdrd evaluate"))
    missing = write_page(tmp_path, tmp_path / "page.md")
    titles = [line for line in (tmp_path / "page.md").read_text().splitlines() if line.startswith("## ")]
    assert titles[-1].startswith("## Appendix: the short ablation") and "converged-ablation.json" in missing
    write_json(tmp_path / "converged-ablation.json", collect(converged_scores(0.05), "gdrd ablate"))
    write_page(tmp_path, tmp_path / "page.md")
    titles = [line for line in (tmp_path / "page.md").read_text().splitlines() if line.startswith("## ")]
    assert titles[-2].startswith("## Ablation") and titles[-1].startswith("## Appendix")


def test_what_l_gen_adds_to_the_best_recipe_is_told_through_each_camera(tmp_path: Path) -> None:
    scores = [score("student", 0.9, resolution=16)]
    for seed, fold, camera in itertools.product(range(3), range(1, 4), ("clean", "surveillance")):
        for row, gain in (("the recipe best", 0.0), ("L_gen added to the recipe best", -0.01 * (camera == "clean"))):
            value = 0.9 + gain + 0.001 * fold
            found = [score(row, value, f"accuracy, fold {fold}", camera=camera)]
            found += [score(row, value, camera=camera)] * (fold == 1)
            scores += [replace(one, seed=seed, samples=640) for one in found]
    about, text = strongest(scores, tmp_path / "page.md")
    assert "640 faces" in about
    assert text.startswith(
        "**Does L_gen add to the strongest recipe?** No: against the recipe alone it hurts (L_gen added to the recipe "
        "best at 16 px: -1.0 points); against the recipe alone, surveillance camera no difference can be told"
    )
    assert "| same resolution, 16 px | same resolution, surveillance camera, 16 px |" in text


def test_a_file_without_samples_still_opens(tmp_path: Path) -> None:
    import json

    from gdrd_lab.evaluation.results import read_json

    file = write_json(tmp_path / "r.json", collect([replace(score("m", 0.5), samples=64)], "gdrd ablate"))
    assert read_json(file)[0].samples == 64
    document = json.loads(file.read_text())
    del document["scores"][0]["samples"]
    file.write_text(json.dumps(document))
    assert read_json(file)[0].samples == 0

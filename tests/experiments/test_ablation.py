"""The ablation: rows of one budget, every row trained and scored, nothing done twice, the table's arithmetic."""

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gdrd_lab.cli import main
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.datasets.pairs import folds_that_fit, random_pairs
from gdrd_lab.datasets.split import split_identities, split_record
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import MetricConfig, Setting, resolutions, sweep
from gdrd_lab.experiments.ablation import AblationConfig, Row, ablate, rows, with_teacher
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.student.model import Student
from gdrd_lab.reports.markdown import columns, last_scores, nested
from gdrd_lab.training import recipes
from gdrd_lab.training.stages.diffusion import build_pipeline

CONFIGS = [AblationConfig.smoke(), AblationConfig.cpu(), AblationConfig.converged(), AblationConfig.paper()]


def choose(config: AblationConfig, *texts: str) -> list[Row]:
    return rows(replace(config, only=texts))


@pytest.mark.parametrize("config", CONFIGS, ids=["smoke", "cpu", "converged", "paper"])
def test_every_row_has_the_same_steps_and_its_own_name(config: AblationConfig) -> None:
    listed = rows(config)
    assert len({row.name for row in listed}) == len(listed)
    for row in listed:
        recipe = row.recipe(config, seed=1)
        first = recipe.backbone.loop.steps if row.backbone else 0
        assert first + recipe.head.loop.steps == config.loop.steps and recipe.seed == 1
        assert recipe.head.loop.batch_size == recipe.backbone.loop.batch_size == config.loop.batch_size


def test_the_converged_ablation_has_the_rows_that_decide() -> None:
    config = AblationConfig.converged()
    assert [row.name for row in rows(config)] == [
        "class labels only (L_cls)",
        "L_kd only",
        "L_rcd only",
        "L_kd + L_rcd + L_cls, no L_gen",
        "L_gen, frozen, then L_kd + L_rcd + L_cls (the paper)",
        "random frozen backbone, then the same",
        "L_gen, not frozen, then the same",
    ]
    assert config.loop.steps >= 2000 and len(config.seeds) == 3
    with pytest.raises(GdrdError, match="contains 'no such row'") as caught:
        choose(config, "L_kd only", "no such row")
    assert "class labels only (L_cls)" in str(caught.value) and "L_gen, not frozen, then the same" in str(caught.value)


def test_rows_train_what_their_names_say() -> None:
    by_name = {row.name: row for row in rows(AblationConfig.smoke())}
    weights = (
        "weight_cls",
        "weight_kd",
        "weight_rkd",
        "weight_crd",
        "weight_crd_memory",
        "weight_rcd",
        "weight_assistant",
    )

    def used(name: str) -> set[str]:
        return {weight for weight in weights if getattr(by_name[name].head, weight)}

    assert used("class labels only (L_cls)") == {"weight_cls"}
    assert used("RKD only") == {"weight_rkd"}
    assert used("L_rcd only") == {"weight_rcd"}
    assert used("CRD only (against the whole training set)") == {"weight_crd_memory"}
    assert used("L_kd + an assistant's embedding") == {"weight_kd", "weight_assistant"}
    paper = by_name["L_gen, frozen, then L_kd + L_rcd + L_cls (the paper)"]
    assert used(paper.name) == {"weight_cls", "weight_kd", "weight_rcd"}
    assert paper.head.freeze_backbone and paper.backbone is not None
    random = by_name["random frozen backbone, then the same"]
    assert random.backbone is None and random.head == paper.head
    assert not by_name["L_gen, not frozen, then the same"].head.freeze_backbone
    assert by_name["... features of the sharp image"].backbone == replace(paper.backbone, hr=True)


class FlatTeacher:
    """Embeds a face as some of its pixels, so that the test needs no network."""

    name, embedding_size = "flat", 128

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.interpolate(faces, (8, 8), mode="area")
        return torch.nn.functional.normalize(small.flatten(1)[:, :128] - 0.5, dim=1)


def test_all_rows_run_once_and_the_second_call_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    faces = drawn(0)
    config = replace(AblationConfig.smoke(), seeds=(0, 1))
    config = replace(config, loop=replace(config.loop, steps=2, batch_size=8))
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "generative")
    run = (config, faces, tmp_path / "generative", FlatTeacher(), tmp_path / "out")
    Student(recipes.smoke().student).save(tmp_path / "assistant")
    with pytest.raises(GdrdError, match="no assistant"):
        ablate(*run, chosen=choose(config, "assistant"), progress=False)
    scores = ablate(*run, assistant=tmp_path / "assistant", baselines=[FlatTeacher()], progress=False)
    names = {row.name for row in rows(config)} | {"flat"}
    assert {score.method for score in scores} == names
    table = columns([score for score in scores if score.setting == "same resolution"], "accuracy")
    assert {cell.n for name, cells in table.items() if name != "flat" for cell in cells.values()} == {2}

    monkeypatch.setattr("gdrd_lab.training.pipeline.train_head", None)  # a second training would fail
    again = ablate(*run, assistant=tmp_path / "assistant", baselines=[FlatTeacher()], progress=False)
    assert [(s.method, s.metric, str(s.value)) for s in again] == [(s.method, s.metric, str(s.value)) for s in scores]
    # Another generative teacher is another ablation, but for the rows that have none; a copy of it is the same one.
    shutil.copytree(tmp_path / "generative", tmp_path / "copy")
    moved = (config, faces, tmp_path / "copy", FlatTeacher(), tmp_path / "out")
    same = [row for row in rows(config) if row.backbone]
    assert {score.method for score in ablate(*moved, chosen=same, progress=False)} == {row.name for row in same}
    torch.manual_seed(1)
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "other")
    Student(recipes.smoke().student).save(tmp_path / "another")
    kept = [row for row in rows(config) if not row.backbone and not row.head.weight_assistant]
    elsewhere = (config, faces, tmp_path / "other", FlatTeacher(), tmp_path / "out")
    assert {score.method for score in ablate(*elsewhere, chosen=kept, progress=False)} == {row.name for row in kept}
    for row in [*choose(config, "an assistant"), *[row for row in rows(config) if row.backbone][:1]]:
        with pytest.raises(TypeError):
            ablate(*elsewhere, assistant=tmp_path / "another", chosen=[row], progress=False)


def drawn(seed: int, size: int = 32) -> ArrayFaces:
    """Thirty people with three noisy faces each."""
    random = np.random.default_rng(seed)
    identities = np.repeat(np.arange(30), 3)
    means = random.integers(0, 255, (30, size, size, 3))
    pixels = np.clip(means[identities] + random.normal(0, 20, (90, size, size, 3)), 0, 255).astype(np.uint8)
    return ArrayFaces(pixels, identities, name="drawn")


def test_other_faces_of_the_same_name_and_number_have_their_own_scores(tmp_path: Path) -> None:
    config = AblationConfig.smoke()
    config = replace(config, seeds=(0,), loop=replace(config.loop, steps=1, batch_size=4))
    chosen = choose(config, "L_kd only")

    def scores(faces: ArrayFaces, out: str, label: str = "") -> list[tuple[str, str, str]]:
        renamed = [replace(row, name=row.name + label) for row in chosen]
        run = (config, faces, tmp_path / "none", FlatTeacher(), tmp_path / out)
        found = ablate(*run, baselines=[FlatTeacher()], chosen=renamed, progress=False)
        return [(score.method, score.metric, str(score.value)) for score in found]

    first, second = scores(drawn(0), "out"), scores(drawn(1), "out")
    assert first != second == scores(drawn(1), "alone")
    assert scores(drawn(0), "out") == first
    trained = set((tmp_path / "out").glob("seed-0/head-*"))
    assert len(trained) == 2
    assert {method for method, *_ in scores(drawn(0), "out", ", again")} == {"flat", "L_kd only, again"}
    assert set((tmp_path / "out").glob("seed-0/head-*")) == trained  # another name trains nothing


def test_people_whom_the_teacher_held_out_judge(tmp_path: Path) -> None:
    config = AblationConfig.smoke()
    config = replace(config, seeds=(0,), loop=replace(config.loop, steps=3, batch_size=4))
    parts = split_identities(drawn(0), 0.3, seed=5)
    record, usual = split_record(*parts, 0.3, 5), split_record(*split_identities(drawn(0), config.hold_out), 0.3)
    assert record["held_out"] != usual["held_out"]
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "generative")
    (tmp_path / "generative" / "facts.json").write_text(json.dumps({"split": record}))
    for text in ("the paper", "L_kd only"):  # so rows that were trained in separate calls can be compared
        run = (config, drawn(0), tmp_path / "generative", FlatTeacher(), tmp_path / text)
        ablate(*run, chosen=choose(config, text), progress=False)
        (student,) = (tmp_path / text).glob("seed-0/head-*/student")
        assert Student.load(student).metadata["split"]["held_out"] == record["held_out"]
    # A teacher of rows that another call trains counts as well.
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "plain")
    run = (config, drawn(0), tmp_path / "plain", FlatTeacher(), tmp_path / "others")
    ablate(*run, chosen=choose(config, "L_kd only"), others=[tmp_path / "generative"], progress=False)
    (student,) = (tmp_path / "others").glob("seed-0/head-*/student")
    assert Student.load(student).metadata["split"]["held_out"] == record["held_out"]


def test_the_strongest_student_is_continued_with_and_without_l_gen(tmp_path: Path) -> None:
    whole, small = AblationConfig.best(), recipes.smoke()
    alone, added = rows(whole)
    assert whole.start is not None and added.head == replace(alone.head, weight_gen=1.0)
    assert alone.head == replace(recipes.best().head, loop=alone.head.loop) and whole.loop.steps >= 250
    for row in (alone, added):
        assert row.recipe(whole, 0).head.loop.steps == whole.loop.steps  # no stage 1
    build_pipeline(small.generative).save_pretrained(tmp_path / "generative")
    start = Student(small.student).eval()
    faces = drawn(0, 64)
    parts = split_identities(faces, 0.3, seed=5)
    start.metadata = {"split": split_record(*parts, 0.3, 5)}
    start.save(tmp_path / "start")
    loop = replace(whole.loop, steps=2, batch_size=4, compile=False)
    config = replace(whole, student=small.student, loop=loop, seeds=(0,), start=tmp_path / "start")
    run = (config, faces, tmp_path / "generative", FlatTeacher(), tmp_path / "out")
    scores = ablate(*run, assistant=tmp_path / "start", baselines=[start], progress=False)
    assert {(s.resolution, s.degradation["camera"]) for s in scores} == {
        (size, camera) for size in (8, 16) for camera in ("clean", "surveillance")
    }
    assert {s.samples for s in scores if s.method == added.name} == {8}
    trained = [Student.load(folder) for folder in (tmp_path / "out").glob("seed-0/head-*/student")]
    weights = [start.state_dict(), *(student.state_dict() for student in trained)]
    name = next(name for name, _ in start.backbone.named_parameters(prefix="backbone"))
    assert len(weights) == 3 and len({one[name].flatten()[0].item() for one in weights}) == 3
    for student in trained:
        assert student.metadata["split"]["held_out"] == start.metadata["split"]["held_out"]
    # Another start is another result; the generative teacher matters to the row that has L_gen.
    Student(small.student).save(tmp_path / "other")
    ablate(replace(config, start=tmp_path / "other"), *run[1:], assistant=tmp_path / "start", progress=False)
    assert len(list((tmp_path / "out").glob("seed-0/head-*"))) == 4


def test_another_teacher_doubles_the_rows_that_have_one() -> None:
    chosen = choose(AblationConfig.smoke(), "L_kd only", "the paper")
    kd, paper, other = with_teacher(chosen, "earlier", "folder")
    assert [kd, paper] == chosen and other == replace(paper, name=other.name, generative=Path("folder"))
    assert other.name == f"{paper.name}, earlier generative teacher"
    assert with_teacher(chosen, "", "folder")[-1].name == f"{paper.name}, other generative teacher"


def test_table_gives_mean_and_standard_deviation(tmp_path: Path) -> None:
    from gdrd_lab.evaluation.sweep import Score

    values = [0.5, 0.6, 0.85]
    scores = [
        Score("row", "d", "same resolution", 16, {}, "accuracy", value, 0.01, 100, seed, "c", 0.1)
        for seed, value in enumerate(values)
    ]
    cell = columns(scores, "accuracy")["row"]["same resolution, 16 px"]
    assert cell.value == pytest.approx(statistics.mean(values))
    assert cell.spread == pytest.approx(statistics.stdev(values))
    assert columns(scores, "accuracy") == {"row": {"same resolution, 16 px": cell}}
    assert nested({"row": {"a": cell}}).endswith("| row | 65.0 ± 18.0 |\n")
    assert "± " not in nested(columns(scores[:1], "accuracy"))
    along = [replace(score, samples=64, value=0.0) for score in scores]
    done = [replace(score, samples=128) for score in scores]
    assert columns([*done, *along], "accuracy") == columns(scores, "accuracy")


def test_scores_along_the_training_are_of_its_averaged_weights_and_change_nothing(tmp_path: Path) -> None:
    config = AblationConfig.smoke()
    config = replace(config, seeds=(0,), curve=(0.25, 0.5, 1.0))
    config = replace(config, loop=replace(config.loop, steps=6, batch_size=4, checkpoint_every=1, keep=9))
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "generative")
    run = (drawn(0), tmp_path / "generative", FlatTeacher())
    for text, steps, before in (("L_kd only", 6, 0), ("L_gen, not frozen", 4, 2)):
        chosen, out = choose(config, text), tmp_path / text
        scores = ablate(config, *run, out / "curve", chosen=chosen, progress=False)
        last = ablate(replace(config, curve=()), *run, out / "plain", chosen=chosen, progress=False)
        seen = [4 * (before + step) for step in (round(steps / 4), steps // 2, steps)]
        assert sorted({score.samples for score in scores}) == seen and {score.samples for score in last} == {24}
        assert [(s.metric, s.setting, str(s.value)) for s in last_scores(scores)] == [
            (s.metric, s.setting, str(s.value)) for s in last
        ]
        curve, plain = (next((out / name).glob("seed-0/head-*")) for name in ("curve", "plain"))
        trained, same = (load_file(folder / "student" / "student.safetensors") for folder in (curve, plain))
        assert trained and all(torch.equal(trained[name], same[name]) for name in trained)
        # An earlier point is the average that the checkpoint of the same step has.
        folder = curve / "checkpoints" / "head"
        averages = sorted(path.name for path in folder.glob("average-*"))
        assert averages == [f"average-{step:07d}" for step in (round(steps / 4), steps // 2)]
        for name in averages:
            early, whole = (
                load_file(folder / part / "average.safetensors") for part in (name, name.replace("average", "step"))
            )
            assert early.keys() == whole.keys() and all(torch.equal(early[key], whole[key]) for key in early)
        # Its score is that of a student with these weights.
        student = Student.load(curve / "student")
        student.load_state_dict(student.state_dict() | {k: v for k, v in early.items() if k in trained})
        held_out = split_identities(drawn(0), config.hold_out)[1]
        metrics = MetricConfig(random_pairs(held_out.labels, folds_that_fit(held_out.labels)), (), bootstrap=0)
        wanted = sweep([student], held_out, resolutions(config.resolutions), metrics, QUIET, settings=[Setting.SAME])
        found = [score for score in scores if score.samples == seen[1]]
        assert [(s.metric, s.resolution, s.value) for s in found] == [(s.metric, s.resolution, s.value) for s in wanted]


def test_lfw_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "--config", "smoke", "--data", "lfw", "--out", str(tmp_path)]) == 2
    assert "testing only" in capsys.readouterr().err


def test_the_tables_of_an_ablation_with_cameras_fit_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = read_json(data_folder() / "results" / "best-ablation.json").scores
    monkeypatch.setattr("gdrd_lab.experiments.ablation.ablate", lambda *given, **named: shipped)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["ablate", "--config", "best", "--out", str(tmp_path), "--quiet", "--baselines"]) == 0
    said = capsys.readouterr().out
    titles = [line for line in said.splitlines() if ", same resolution" in line]
    assert len(titles) == 4 and sum("surveillance camera" in title for title in titles) == 2
    assert said.count("L_gen added to the recipe best") == 4 and "53.7 ± 2.0" in said


def test_the_command_ends_with_a_table_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    words = ["ablate", "--config", "smoke", "--out", str(tmp_path), "--quiet", "--baselines"]
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "generative")
    chosen = ["--rows", "RKD", "the paper", "--seeds", "0"]
    assert main([*words, *chosen, "--other-generative", f"earlier={tmp_path / 'generative'}"]) == 0
    paper = "L_gen, frozen, then L_kd + L_rcd + L_cls (the paper)"
    scores = read_json(tmp_path / "ablation.json").scores
    assert {score.method for score in scores} == {"RKD only", paper, f"{paper}, earlier generative teacher"}
    accuracy = {
        name: [s.value for s in scores if s.method == name and s.metric.startswith("accuracy") and s.resolution == 16]
        for name in (paper, f"{paper}, earlier generative teacher")
    }
    first, second = accuracy.values()
    assert len(first) == len(second) and first != second  # an untrained teacher teaches something else
    assert {score.samples for score in scores if score.method == "RKD only"} == {2 * 16, 3 * 16}
    assert {score.samples for score in scores if score.method == paper} == {2 * 16, 3 * 16}
    capsys.readouterr()
    assert main([*words, "--rows", "RKD", "no such row"]) == 2
    assert "The rows are: class labels only (L_cls); L_kd only;" in capsys.readouterr().err
    assert main([*words, "--init-from", str(tmp_path)]) == 2
    assert "starts from random weights" in capsys.readouterr().err
    words += ["sface", "student"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    for row in [*rows(AblationConfig.smoke()), *("SFace", "student")]:
        assert getattr(row, "name", row) in shown
    scores = read_json(tmp_path / "ablation.json").scores
    assert {score.seed for score in scores} == {0, 1} and (tmp_path / "ablation.csv").exists()

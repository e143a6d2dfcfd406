"""What the lessons say: which student, who judges, and statements that follow from shipped files or functions."""

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gdrd_lab import course, plots
from gdrd_lab.course.gpu_cost import Gpu, stage_costs
from gdrd_lab.plots import alt_text, charts
from gdrd_lab.plots.figures import face_strip
from gdrd_lab.training import recipes

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
BUILD = runpy.run_path(str(FOLDER / "source" / "build.py"))
SOURCES = BUILD["sources"]()
EACH = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


@EACH
def test_each_lesson_says_which_student_it_shows(source: Path) -> None:
    opening = source.read_text().split("# **Paper.**")[0]
    said = re.sub(r"\s*\n# ", " ", opening.split("# **Student.** ")[1])
    assert "`student" in said and ("`best`" in said or "`student-paper`" in said)


def test_the_students_were_made_as_the_lessons_say() -> None:
    best, cpu = recipes.best(), recipes.cpu()
    assert best.init_from_teacher and best.head.weight_kd and best.head.weight_assistant
    assert not (best.head.weight_rcd or best.head.weight_cls)
    assert not cpu.init_from_teacher and cpu.head.freeze_backbone
    assert cpu.head.weight_rcd and cpu.head.weight_kd and cpu.head.weight_cls
    runs = {name: [run["command"] for run in part["runs"]] for name, part in models().items()}
    assert "--assistant" in runs["student"][0] and "train backbone" not in " ".join(runs["student"])
    assert "train backbone" in runs["student-paper"][0] and "train head" in runs["student-paper"][1]


def models() -> dict:
    found = json.loads((ROOT / "data" / "MODELS.json").read_text())
    return {name: part for name, part in found.items() if isinstance(part, dict)}


def test_the_drawing_opens_lesson_0_and_names_the_losses_of_the_recipes() -> None:
    first = next(cell for cell in BUILD["cells"](SOURCES[0].stem) if cell["cell_type"] == "code")
    assert "course.method_figure()" in first["source"]
    figure = course.method_figure()
    told = alt_text(figure)
    for arrow in (
        "SFace to head by L_rcd + L_kd + L_cls",
        "SFace to assistant by L_kd + CRD",
        "SFace to student by L_kd;",
    ):
        assert arrow in told
    inside(figure)


def inside(figure: Figure) -> None:
    """Everything that is drawn lies within the figure."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= -1e-6 and box.x1 <= width + 1e-6 and box.y1 <= height + 1e-6


LONG = "The mean score of two different people, as the teacher of this lesson gives it at several resolutions"


def test_titles_texts_and_headings_are_not_cut() -> None:
    face = np.zeros((8, 8, 3))
    names = {"L_gen, frozen, then L_kd + L_rcd + L_cls (the paper), teacher trained on": 0.5, "two": -0.2}
    errors = dict.fromkeys(names, 0.4)
    for figure in (
        face_strip({"step 1": [face]}, title="The small model: input, its estimates, truth"),
        face_strip({"first": [face] * 2}, ["a genuine pair, wrong", "impostor"], title=LONG),
        charts.guesses(LONG, names, names, unit="u", moved=False),
        charts.bars(names, y_label=LONG, errors=errors, title=LONG, reference=("none", 0)),
        charts.bars({"a": 0.001234, "b": 0.001}, y_label="y", errors={"a": 0.07, "b": 0.0}),
        charts.lines([0, 1], {"a": [0, 1]}, x_label="x", y_label="y", title=LONG),
    ):
        inside(figure)


def test_whiskers_of_bars_lie_within_their_axes() -> None:
    (axes,) = charts.bars({"a": 0.1, "b": -0.1}, y_label="y", errors={"a": 0.5, "b": 0.5}).axes
    low, high = axes.get_xlim()
    assert low < -0.6 and high > 0.6


def test_values_of_bars_have_as_many_decimals_as_their_errors() -> None:
    values = {"small": 0.00738, "large": -31.4159, "zero": -0.0004, "exact": 0.123456}
    figure = charts.bars(values, y_label="y", errors={"small": 0.0234, "large": 12.3, "zero": 0.95})
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.007 ± 0.023", "-31 ± 12", "0.00 ± 0.95", "0.123"]


def test_paired_differences_by_hand() -> None:
    runs = {"one": {0: 0.5, 1: 0.7, 2: 0.6}, "base": {0: 0.4, 1: 0.5, 2: 0.6}, "once": {0: 0.9}}
    found = plots.paired_differences(runs, "base")
    assert set(found) == {"one"}
    mean, reach = found["one"]
    assert mean == pytest.approx(0.1) and reach == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)
    figure = plots.paired_figure(found, y_label="score", title="Pairs")
    assert "one: 0.1" in alt_text(figure) and "95 % interval" in figure.axes[0].get_xlabel().replace("\n", " ")


def test_the_answer_in_lesson_6_follows_from_the_shipped_ablation() -> None:
    """If new results change one of these, the folded answer of lesson 6 and its questions must be written anew."""
    change = plots.paired_differences(course.ablation_runs(), "L_kd only")
    better = {name for name, (mean, reach) in change.items() if mean > reach}
    paper = "L_gen, frozen, then L_kd + L_rcd + L_cls (the paper)"
    assert paper in change and paper not in better
    assert {"CRD only (in the batch)", "L_kd + an assistant's embedding"} <= better
    first = {name for name in better if name.startswith("...") and "trained on" not in name}
    assert first and not any(name.endswith("trained on") for name in better)
    longer = course.ablation_runs(name="converged-ablation")
    means = {name: np.mean(list(values.values())) for name, values in longer.items()}
    assert max(means, key=lambda name: means[name]) == paper
    gains = plots.paired_differences(longer, "L_kd + L_rcd + L_cls, no L_gen")
    (mean, reach), (before, reach_before) = gains[paper], gains[f"{paper}, earlier generative teacher"]
    assert mean > reach and abs(before) <= reach_before


def test_people_who_judge_are_split_off_before_anything_is_trained() -> None:
    data = course.lesson_faces()
    judges = set(data.labels[data.held_out].tolist())
    assert len(judges) == 15 and not judges & set(data.training.labels.tolist())
    assert set(data.labels.tolist()) == judges | set(data.training.labels.tolist())
    for source in SOURCES:
        for training in re.findall(r"course\.train_(?:backbone|generative)\(recipe, ([\w.]+)", source.read_text()):
            assert training == "data.training", source.stem


def test_the_bill_of_lesson_4_is_that_of_the_cluster_page() -> None:
    page = (FOLDER / "CLUSTER.md").read_text().split("| stage | one A100")[1]
    told = [float(hours) for hours in re.findall(r"^\| [^|]+ \| ([\d.]+) h, ", page, re.M)]
    costs = stage_costs(recipes.paper())
    assert len(told) == 4 and [stage.hours(Gpu()) for stage in costs] == pytest.approx(told, rel=0.05)
    assert "course.Gpu(peak=312e12, utilisation=0.35, price=1.5)" in SOURCES[4].read_text()


def test_statements_that_were_wrong_do_not_come_back() -> None:
    wrong = (
        "scores of different people rise as faces shrink",
        "Only what stands above both was learned",
        "would dominate",
        "an initialisation for stage 2",
        "holds what the *teacher's* features hold",
        "whiskers overlap",
        "Relations can be distilled where",
        "what it shows is true",
        "the embeddings that L_rcd and L_kd shape",
        "The generative teacher is most of the cost",
    )
    for page in [
        *(FOLDER / "source").glob("*.py"),
        *FOLDER.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "README.md",
    ]:
        text = re.sub(r"\s*\n(?:# )?", " ", page.read_text()).lower()
        assert not [statement for statement in wrong if statement.lower() in text], page


def test_the_page_of_conditions_names_sections_of_lessons() -> None:
    links = re.findall(r"\[(\d\d), ([^\]]+)\]\((\S+)\.ipynb\)", (FOLDER / "CLAIM.md").read_text())
    assert len(links) == 5
    for number, section, stem in links:
        assert stem.startswith(number) and f"## {section}\n" in (FOLDER / "source" / f"{stem}.py").read_text(), section


def test_a_build_keeps_what_a_reader_wrote(tmp_path: Path) -> None:
    source = tmp_path / "source" / SOURCES[0].name
    source.parent.mkdir()
    source.write_text(SOURCES[0].read_text())
    assert BUILD["write"](source) == []
    made = tmp_path / f"{source.stem}.ipynb"
    assert made.read_text() == BUILD["build"](source)
    notebook = json.loads(made.read_text())
    notebook["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    made.write_text(json.dumps(notebook))
    source.write_text(source.read_text() + "\n# %% [markdown]\n# More.\n")
    assert BUILD["write"](source) == [] and "More." in made.read_text()  # outputs are made again by a run
    answered = made.read_text().replace("raise NotImplementedError", "return 1", 1)
    made.write_text(answered)
    assert BUILD["write"](source) == [made] and made.read_text() == answered
    assert BUILD["write"](source, force=True) == [] and "return 1" not in made.read_text()

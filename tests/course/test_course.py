"""The course's own parts: predictions, verdicts, static forms, widgets, the lessons' models and photographs."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pytest
import torch
from PIL import Image

from gdrd_lab import course, plots
from gdrd_lab.course.display import VIEW, shown_width
from gdrd_lab.course.exercises import check, close, need, number, tensor
from gdrd_lab.course.gpu_cost import Gpu, StageCost, stage_costs
from gdrd_lab.course.heads import KdAndRcd, evaluate_head, fit_head
from gdrd_lab.course.models import InterruptedFaces, Interruption, lesson_recipe, run_folder, running_mean
from gdrd_lab.course.photographs import read_photographs, split_people, with_pairs, write_photographs
from gdrd_lab.course.prediction import Prediction
from gdrd_lab.course.widgets import LassoMap, slider
from gdrd_lab.datasets.base import ArrayFaces, ReadOptions
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.folder import align_folder
from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import cosine_distillation_loss
from gdrd_lab.plots import alt_text, charts
from gdrd_lab.training import recipes

RANDOM = np.random.default_rng(0)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, dict]]:
    """What cells display: (data, metadata) of every output."""
    seen: list[tuple[dict, dict]] = []

    def display(data: dict, metadata: dict | None = None, raw: bool = False) -> None:
        assert raw
        seen.append((data, metadata or {}))

    monkeypatch.setattr("IPython.display.display", display)
    return seen


def test_a_prediction_keeps_its_default_until_moved(published: list) -> None:
    asked = Prediction("How many?", {"a": 0.3, "b": 0.6})
    asked.ask()
    assert [VIEW in data for data, _ in published] == [False, True, False]
    assert "a: 0.3" in published[2][0]["text/html"] and "gdrd-live" in asked.widget._dom_classes
    assert not asked.moved and "stated default guess 0.3, measured 0.5" in alt_text(asked.figure({"a": 0.5, "b": 0.6}))
    asked.sliders["a"].value = 0.9
    assert asked.moved and asked.guess == {"a": 0.9, "b": 0.6}
    asked.reveal({"a": 0.5, "b": 0.1})
    data, metadata = published[3]
    assert "your guess 0.9, measured 0.5" in metadata["image/png"]["alt"] and VIEW not in data
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).width == 2 * metadata["image/png"]["width"]


def test_a_prediction_refuses_what_it_cannot_show() -> None:
    with pytest.raises(GdrdError, match="no default guess from 0 to 1 for a"):
        Prediction("?", {"a": 2.0})
    with pytest.raises(GdrdError, match="The result has b where the question asked for a"):
        Prediction("?", {"a": 0.5}).figure({"b": 0.5})


def test_check_turns_everything_into_words() -> None:
    @check("Add one", "Right.")
    def add_one(attempt: Callable[..., Any], random: np.random.Generator) -> None:  # type: ignore[no-untyped-def]
        need(close(number(attempt(1)), 2), "One and one is two.")

    def stub(x: Any) -> Any:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def broken(x: Any) -> Any:  # type: ignore[no-untyped-def]
        return x + "1"

    verdicts = [add_one(f) for f in (stub, broken, lambda x: x, lambda x: "2", lambda x: None, lambda x: x + 1)]
    assert [v.passed for v in verdicts] == [False] * 5 + [True]
    for verdict, words in zip(verdicts, ("stub", "TypeError", "One and one", "str", "nothing", "Right"), strict=True):
        assert words in verdict.message, verdict
    assert str(verdicts[2]) == "Not yet: Add one. One and one is two."


def test_tensor_names_the_shape_it_wants() -> None:
    with pytest.raises(Exception, match=r"shape \(2,\); asked for: shape \(3,\)"):
        tensor(np.zeros(2), (3,))
    assert tensor(np.float64(2.0), ()).item() == 2.0


def test_slider_draws_each_value_once_and_follows_its_handle() -> None:
    drawn: list[int] = []

    def draw(value: Any) -> Any:  # type: ignore[no-untyped-def]
        drawn.append(value)
        return charts.lines([0, 1], {"a": [0, value]}, x_label="x", y_label="y", title=f"value {value}")

    box = slider("value", (3, 5, 7), draw, start=1)
    handle, picture, said = box.children[0].children[0], box.children[1], box.children[2]
    first = picture.value
    assert drawn == [5] and "value 5" in said.value
    handle.index = 2
    assert picture.value != first and "value 7" in said.value
    handle.index = 1
    assert drawn == [5, 7] and picture.value == first
    with pytest.raises(GdrdError, match="no values"):
        slider("nothing", (), draw)


def lasso_map() -> LassoMap:
    pictures = [np.full((8, 8, 3), 10 * k, np.uint8) for k in range(6)]
    embeddings = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [-1, 0], [-0.9, 0.1]])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    # On the map the pairs are torn apart: neighbours must come from the embeddings.
    points = np.array([[0, 0], [5, 5], [0, 1], [5, 6], [0, 2], [5, 7]], float)
    return LassoMap(points, pictures, np.array([0, 0, 1, 1, 2, 2]), embeddings, neighbours=1)


def test_a_lasso_shows_the_selected_and_their_neighbours_in_the_original_space() -> None:
    made = lasso_map()
    box = made.widget()
    figure, picture, said = box.children
    before = picture.value
    assert figure.get_state()["_widget_data"][0]["mode"] == "markers"  # the browser gets the points at once
    figure.data[0]._dispatch_on_selection(_points(figure, [1, 4]), None)
    assert made.selected == [1, 4] and picture.value != before
    assert "2 selected; 100% of the neighbours shown are the same person" in said.value
    figure.data[0]._dispatch_on_selection(_points(figure, []), None)
    assert made.selected == [1, 4]  # an empty lasso changes nothing


def _points(figure: Any, indices: Any) -> Any:  # type: ignore[no-untyped-def]
    from plotly.callbacks import Points

    return Points(point_inds=indices, xs=[], ys=[], trace_name="faces", trace_index=0)


def test_a_map_shows_two_static_forms_and_refuses_parts_that_differ(published: list) -> None:
    lasso_map().show()
    assert [VIEW in data for data, _ in published] == [False, True, False] * 2
    assert ["image/png" in data for data, _ in published] == [False, False, True] * 2
    with pytest.raises(GdrdError, match="differ in length"):
        LassoMap(np.zeros((2, 2)), [], np.zeros(2), np.zeros((2, 2)))
    with pytest.raises(GdrdError, match="No face is selected"):
        lasso_map().gallery([])


@pytest.mark.parametrize(
    "figure",
    [
        charts.lines([0, 1, 2], {"a": [1, 2, 3], "b": [3, 2, 1]}, x_label="x", y_label="y", title="Lines"),
        charts.bars({"one": 0.5, "two": -0.2}, y_label="value", errors={"one": 0.1, "two": 0.1}, reference=("zero", 0)),
        charts.guesses("Q?", {"a": 1.0}, {"a": 2.0}, unit="u", moved=False),
        charts.matrices({"m": np.eye(3), "n": np.zeros((3, 3))}, title="Matrices"),
    ],
)
def test_figures_say_what_they_show(figure: Any) -> None:  # type: ignore[no-untyped-def]
    assert len(alt_text(figure)) > 20 and shown_width(figure) > 100
    figure.draw_without_rendering()


def test_lines_and_their_positions_must_agree() -> None:
    with pytest.raises(GdrdError, match="a has 3 values at 2 positions"):
        charts.lines([0, 1], {"a": [1, 2, 3]}, x_label="x", y_label="y")


def test_running_mean_by_hand() -> None:
    assert running_mean(np.array([1.0, 3.0, 5.0, 7.0]), 2).tolist() == [1.0, 2.0, 4.0, 6.0]


def test_another_recipe_or_face_set_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path))
    one, two = (ArrayFaces(np.zeros((n, 8, 8, 3), np.uint8)) for n in (1, 2))
    found = {run_folder("x", lesson_recipe(generative_steps=s), f) for s in (1, 2) for f in (one, two)}
    assert len(found) == 4 and all(tmp_path in folder.parents for folder in found)


def test_a_run_is_found_by_the_content_of_its_faces_and_of_its_teacher(tmp_path: Path) -> None:
    recipe, pixels = lesson_recipe(), np.zeros((2, 8, 8, 3), np.uint8)
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "weights").write_bytes(b"one")
    first = run_folder("x", recipe, ArrayFaces(pixels), teacher)
    assert first == run_folder("x", recipe, ArrayFaces(pixels.copy()), teacher)
    changed = pixels.copy()
    changed[1, 0, 0, 0] = 1
    assert first != run_folder("x", recipe, ArrayFaces(changed), teacher)
    (teacher / "weights").write_bytes(b"two")
    assert first != run_folder("x", recipe, ArrayFaces(pixels), teacher)


def test_a_head_learns_its_targets_and_the_loss_module_learns_too() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 4, 2, 2, generator=generator)
    targets = torch.nn.functional.normalize(features.flatten(1) @ torch.randn(16, 128, generator=generator), dim=1)
    labels = torch.arange(40) // 2
    torch.manual_seed(0)
    head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 128))
    before = evaluate_head(head, features, targets, labels.numpy())["cosine to teacher"]
    loss = KdAndRcd(128)
    start = [p.detach().clone() for p in loss.parameters()]
    history = fit_head(head, features, targets, labels, loss, steps=60, learning_rate=1e-2)
    after = evaluate_head(head, features, targets, labels.numpy())["cosine to teacher"]
    assert history[-1] < history[0] and after > before + 0.5
    assert any(not torch.equal(a, b) for a, b in zip(start, loss.parameters(), strict=True))
    plain = fit_head(head, features, targets, labels, lambda s, t, y: cosine_distillation_loss(s, t), steps=2)
    assert len(plain) == 2 and not head.training


def test_the_cost_by_hand_and_counted_networks() -> None:
    stage = StageCost("s", trained=10**9, frozen=2 * 10**9, faces=3600)
    assert stage.operations == 3600 * 2 * 5e9
    assert stage.hours(Gpu(peak=1e13, utilisation=0.5)) == pytest.approx(3600 * 1e10 / 5e12 / 3600)
    generative, backbone, head, relations = stage_costs(recipes.smoke())
    assert generative.faces == 12 * 16 and backbone.frozen < generative.trained and head.trained < backbone.trained
    # 16 faces against 16 and a queue of 32: relations by a 128 x 128 matrix, and products of 16 with each.
    assert relations.trained == relations.frozen == (16 + 32) * (128 * 128 + 16 * 128)
    assert relations.hours(Gpu(full_peak=1e12, full_utilisation=1.0)) == pytest.approx(relations.operations / 3.6e15)


def test_faces_are_interrupted_after_so_many_reads() -> None:
    faces = ArrayFaces(np.zeros((4, 8, 8, 3), np.uint8))
    interrupted = InterruptedFaces(faces, 3)
    assert dataset_fingerprint(interrupted) == dataset_fingerprint(faces)  # which reads nothing
    assert [interrupted[k].shape for k in range(3)] == [(8, 8, 3)] * 3 and len(interrupted) == 4
    with pytest.raises(Interruption):
        interrupted[3]


def test_example_photographs_are_found_by_the_detector(tmp_path: Path) -> None:
    assert write_photographs(tmp_path / "photographs", people=2, per_person=2) == 4
    done, left_out = align_folder(tmp_path / "photographs", tmp_path / "aligned", ReadOptions("always", progress=False))
    assert done == 4 and not left_out
    assert {p.parent.name for p in (tmp_path / "aligned").rglob("*.png")} == {"person A", "person B"}


def folder_of(tmp_path: Path, people: int, suffix: str = ".jpg") -> Path:
    folder = tmp_path / "own"
    write_photographs(folder, people=people, per_person=2)
    for file in sorted(folder.rglob("*.jpg")):
        Image.open(file).save(file.with_suffix(suffix))
        if suffix != ".jpg":
            file.unlink()
    return folder


def test_a_photograph_without_a_face_is_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = folder_of(tmp_path, 4, ".webp")
    Image.new("RGB", (200, 200), "navy").save(folder / "person A" / "wall.webp")
    own = read_photographs(folder, tmp_path / "work")
    assert len(own.files) == len(own.faces) == 8 and not own.examples
    assert all(
        file.with_suffix("").as_posix().endswith(key) for file, key in zip(own.files, own.faces.keys, strict=True)
    )
    assert capsys.readouterr().out == "Left out: person A/wall. No face was found in the image.\n"
    learn, held_out = split_people(own, tmp_path / "work")
    assert [len(np.unique(part.labels)) for part in (learn, held_out)] == [2, 2] and not capsys.readouterr().out


@pytest.mark.parametrize(("people", "scored"), [(1, False), (2, True), (3, True)])
def test_few_people_are_scored_where_they_can_be_and_the_examples_replace_them_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture, people: int, scored: bool
) -> None:
    own = read_photographs(folder_of(tmp_path, people), tmp_path / "work")
    assert (list(with_pairs(own, tmp_path / "work").keys) == list(own.faces.keys)) == scored
    assert (
        f"needs 2 people with two photographs each, in one folder per person; {people} were" in capsys.readouterr().out
    ) != scored
    learn, held_out = split_people(own, tmp_path / "work")
    assert (
        f"needs 4 people with two photographs each, in one folder per person; {people} were" in capsys.readouterr().out
    )
    assert len(np.unique(np.concatenate([learn.labels, held_out.labels]))) == 24
    assert not set(learn.labels) & set(held_out.labels)


def test_photographs_of_nobody_in_particular_do_not_count_as_one_person(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = folder_of(tmp_path, 2)
    for place, file in enumerate(sorted(folder.rglob("*.jpg"))):
        file.rename(folder / f"{place}.jpg")
    own = read_photographs(folder, tmp_path / "work")
    assert len(own.faces) == 4 and len(np.unique(with_pairs(own, tmp_path / "work").labels)) == 24
    assert "; 0 were found" in capsys.readouterr().out


def test_where_no_face_is_found_the_examples_take_over(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "own").mkdir()
    Image.new("RGB", (200, 200), "navy").save(tmp_path / "own" / "wall.png")
    own = read_photographs(tmp_path / "own", tmp_path / "work")
    assert own.examples and len(own.faces) == 72
    assert "No photograph in " in capsys.readouterr().out
    with pytest.raises(GdrdError, match="does not exist"):
        read_photographs(tmp_path / "nowhere", tmp_path / "work")


def test_set_up_makes_a_lesson_repeatable() -> None:
    course.set_up(5)
    first = torch.rand(3)
    course.set_up(5)
    assert torch.equal(first, torch.rand(3))


@pytest.mark.parametrize("module", [course, plots])
def test_every_name_of_the_course_and_of_the_plots_resolves(module: Any) -> None:  # type: ignore[no-untyped-def]
    assert module.__all__ and all(getattr(module, name) is not None for name in module.__all__)


def test_lesson_7_runs_on_two_people_in_webp_files_and_a_photograph_without_a_face(
    tmp_path: Path, capsys: pytest.CaptureFixture, published: list
) -> None:
    folder = folder_of(tmp_path, 2, ".webp")
    Image.new("RGB", (200, 200), "navy").save(folder / "person A" / "wall.webp")
    cells = jupytext.read(
        Path(__file__).resolve().parents[2] / "notebooks" / "source" / "07_bring_your_own_faces.py"
    ).cells
    end = next(number for number, cell in enumerate(cells) if "## Export" in cell.source)
    code = "\n".join(cell.source for cell in cells[:end] if cell.cell_type == "code")
    assert code.count("FOLDER = None") == 1
    code = code.replace("FOLDER = None", f"FOLDER = {str(folder)!r}").replace("course.source(similarity)", "")
    exec(code, names := {"__name__": "lesson"})
    said = capsys.readouterr().out
    assert "Left out: person A/wall." in said and "needs 4 people" in said and "needs 2 people" not in said
    assert len(names["faces"]) == 4 and len(published) >= 4
    assert any(names["work"].iterdir())
    names["temporary"].cleanup()
    assert not names["work"].exists()

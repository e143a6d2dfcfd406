"""The course's own parts: predictions, verdicts, static forms, widgets, lessons' models, the book's formulas."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gdrd_lab.course import plots
from gdrd_lab.course.book import executed, formulas
from gdrd_lab.course.exercises import check, close, need, number, tensor
from gdrd_lab.course.gpu_cost import Machine, StageCost, costs
from gdrd_lab.course.heads import KdAndRcd, fit_head, judge_head
from gdrd_lab.course.interruption import PowerCut, Unplugged
from gdrd_lab.course.models import lesson_recipe, run_folder, smooth
from gdrd_lab.course.photographs import write_photographs
from gdrd_lab.course.predict import Prediction
from gdrd_lab.course.show import VIEW, shown_width
from gdrd_lab.course.widgets import LassoMap, slider
from gdrd_lab.datasets.base import ArrayFaces, ReadOptions
from gdrd_lab.datasets.folder import align_folder
from gdrd_lab.errors import GdrdError
from gdrd_lab.losses import cosine_distillation_loss
from gdrd_lab.plots.figures import alt_text
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
    assert VIEW in published[0][0] and "a: 0.3" in published[0][0]["text/html"]
    assert not asked.moved and "stated default guess 0.3, measured 0.5" in alt_text(asked.figure({"a": 0.5, "b": 0.6}))
    asked.sliders["a"].value = 0.9
    assert asked.moved and asked.guess == {"a": 0.9, "b": 0.6}
    asked.reveal({"a": 0.5, "b": 0.1})
    data, metadata = published[1]
    assert "your guess 0.9, measured 0.5" in metadata["image/png"]["alt"] and VIEW not in data
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).width == 2 * metadata["image/png"]["width"]


def test_a_prediction_refuses_what_it_cannot_show() -> None:
    with pytest.raises(GdrdError, match="no default guess from 0 to 1 for a"):
        Prediction("?", {"a": 2.0})
    with pytest.raises(GdrdError, match="The result has b where the question asked for a"):
        Prediction("?", {"a": 0.5}).figure({"b": 0.5})


def test_check_turns_everything_into_words() -> None:
    @check("Add one", "Right.")
    def add_one(attempt):  # type: ignore[no-untyped-def]
        need(close(number(attempt(1)), 2), "One and one is two.")

    def stub(x):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def broken(x):  # type: ignore[no-untyped-def]
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

    def draw(value):  # type: ignore[no-untyped-def]
        drawn.append(value)
        return plots.lines([0, 1], {"a": [0, value]}, x_label="x", y_label="y", title=f"value {value}")

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


def _points(figure, indices):  # type: ignore[no-untyped-def]
    from plotly.callbacks import Points

    return Points(point_inds=indices, xs=[], ys=[], trace_name="faces", trace_index=0)


def test_a_map_shows_two_static_forms_and_refuses_parts_that_differ(published: list) -> None:
    lasso_map().show()
    assert len(published) == 2 and all("image/png" in data and VIEW in data for data, _ in published)
    with pytest.raises(GdrdError, match="differ in length"):
        LassoMap(np.zeros((2, 2)), [], np.zeros(2), np.zeros((2, 2)))
    with pytest.raises(GdrdError, match="No face is selected"):
        lasso_map().gallery([])


@pytest.mark.parametrize(
    "figure",
    [
        plots.lines([0, 1, 2], {"a": [1, 2, 3], "b": [3, 2, 1]}, x_label="x", y_label="y", title="Lines"),
        plots.bars({"one": 0.5, "two": -0.2}, y_label="value", errors={"one": 0.1, "two": 0.1}, reference=("zero", 0)),
        plots.guesses("Q?", {"a": 1.0}, {"a": 2.0}, unit="u", moved=False),
        plots.matrices({"m": np.eye(3), "n": np.zeros((3, 3))}, title="Matrices"),
    ],
)
def test_figures_say_what_they_show(figure) -> None:  # type: ignore[no-untyped-def]
    assert len(alt_text(figure)) > 20 and shown_width(figure) > 100
    figure.draw_without_rendering()


def test_lines_and_their_positions_must_agree() -> None:
    with pytest.raises(GdrdError, match="a has 3 values at 2 positions"):
        plots.lines([0, 1], {"a": [1, 2, 3]}, x_label="x", y_label="y")


def test_running_mean_by_hand() -> None:
    assert smooth(np.array([1.0, 3.0, 5.0, 7.0]), 2).tolist() == [1.0, 2.0, 4.0, 6.0]


def test_another_recipe_or_face_set_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path))
    one, two = (ArrayFaces(np.zeros((n, 8, 8, 3), np.uint8)) for n in (1, 2))
    found = {run_folder(lesson_recipe(generative_steps=s), f, "x") for s in (1, 2) for f in (one, two)}
    assert len(found) == 4 and all(tmp_path in folder.parents for folder in found)


def test_a_head_learns_its_targets_and_the_loss_module_learns_too() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 4, 2, 2, generator=generator)
    targets = torch.nn.functional.normalize(features.flatten(1) @ torch.randn(16, 128, generator=generator), dim=1)
    labels = torch.arange(40) // 2
    torch.manual_seed(0)
    head = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 128))
    before = judge_head(head, features, targets, labels.numpy())["cosine to teacher"]
    loss = KdAndRcd(128)
    start = [p.detach().clone() for p in loss.parameters()]
    history = fit_head(head, features, targets, labels, loss, steps=60, learning_rate=1e-2)
    after = judge_head(head, features, targets, labels.numpy())["cosine to teacher"]
    assert history[-1] < history[0] and after > before + 0.5
    assert any(not torch.equal(a, b) for a, b in zip(start, loss.parameters(), strict=True))
    plain = fit_head(head, features, targets, labels, lambda s, t, y: cosine_distillation_loss(s, t), steps=2)
    assert len(plain) == 2 and not head.training


def test_the_bill_by_hand_and_counted_networks() -> None:
    stage = StageCost("s", trained=10**9, frozen=2 * 10**9, faces=3600)
    assert stage.operations == 3600 * 2 * 5e9
    assert stage.hours(Machine(peak=1e13, utilisation=0.5)) == pytest.approx(3600 * 1e10 / 5e12 / 3600)
    generative, backbone, head = costs(recipes.smoke())
    assert (generative.faces, backbone.frozen) == (12 * 16, generative.trained) and head.trained < backbone.trained


def test_the_plug_is_pulled_after_so_many_faces() -> None:
    faces = ArrayFaces(np.zeros((4, 8, 8, 3), np.uint8))
    cut = Unplugged(faces, 3)
    assert [cut[k].shape for k in range(3)] == [(8, 8, 3)] * 3 and len(cut) == 4
    with pytest.raises(PowerCut):
        cut[3]


def test_stand_in_photographs_are_found_by_the_detector(tmp_path: Path) -> None:
    assert write_photographs(tmp_path / "photographs", people=2, per_person=2) == 4
    done, left_out = align_folder(tmp_path / "photographs", tmp_path / "aligned", ReadOptions("always", progress=False))
    assert done == 4 and not left_out
    assert {p.parent.name for p in (tmp_path / "aligned").rglob("*.png")} == {"person A", "person B"}


def test_formulas_become_mathml_but_code_keeps_its_dollars() -> None:
    text = "Let $x_t$ be\n\n$$a = \\frac{1}{2}$$\n\nand `$HOME` or\n```bash\necho $PATH $X\n```\n"
    made = formulas(text)
    assert (
        made.count("<math") == 2
        and 'display="block"' in made
        and "$" not in made.replace("$HOME", "").replace("echo $PATH $X", "")
    )


def test_every_formula_of_the_course_can_be_shown() -> None:
    import runpy

    build = runpy.run_path(str(Path(__file__).resolve().parents[2] / "notebooks" / "build.py"))
    for source in build["sources"]():
        for cell in build["cells"](source.stem):
            if cell["cell_type"] == "markdown":
                made = formulas(cell["source"])
                assert "$$" not in made, source
                assert "merror" not in made
                # What the converter does not know it passes on with its backslash.
                assert not re.search(r"<m[iont]+[^>]*>\\", made), source


def test_a_check_that_does_not_pass_stops_the_book(tmp_path: Path) -> None:
    import nbformat

    def notebook(code: str, tags: list[str]) -> Path:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code, metadata={"tags": tags})])
        nbformat.write(book, tmp_path / "n.ipynb")
        return tmp_path / "n.ipynb"

    with pytest.raises(GdrdError, match="does not pass: 'Not yet"):
        executed(notebook("'Not yet: x'", ["check"]), tmp_path / "kept.ipynb")
    with pytest.raises(GdrdError, match="stopped"):
        executed(notebook("1 / 0", []), tmp_path / "kept.ipynb")
    first, seconds = executed(notebook("'fine'", []), tmp_path / "kept.ipynb")
    assert executed(tmp_path / "n.ipynb", tmp_path / "kept.ipynb")[1] == pytest.approx(seconds, abs=0.1)
    assert first.cells[0].outputs[0].data["text/plain"] == "'fine'"

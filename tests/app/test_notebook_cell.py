"""The code of "open as notebook cell" gives the numbers the page shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gdrd_lab.app.gallery import Face, calibrations, example, examples, synthetic_gallery
from gdrd_lab.app.notebook_cell import cell
from gdrd_lab.app.session import Photograph, Session
from gdrd_lab.app.state import View
from gdrd_lab.app.tabs import across as across_tab
from gdrd_lab.app.tabs import cam as cam_tab
from gdrd_lab.app.tabs import compare as compare_tab
from gdrd_lab.app.tabs import generate as generate_tab
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.app.uploads import add_upload
from gdrd_lab.app.verdict import known_pairs

EFFECTS: dict[str, Any] = {"blur": 0.5, "noise": 0.05, "jpeg": 60, "illumination": 0.3, "occlusion": 0.1}
BUSY = View(resolution=20, first=5, second=33, seed=4, camera="webcam", **EFFECTS)
PAIR = example(5), example(33)


def run(view: View, session: Session | None = None) -> Any:
    """Run a cell as a notebook does and return its numbers; what it ends in is a figure, or the numbers themselves."""
    scope: dict[str, Any] = {}
    body, last = cell(view, session.photographs if session else None).rstrip("\n").rsplit("\n", 1)
    exec(compile(body, "cell", "exec"), scope)
    shown = eval(last, scope)
    assert isinstance(shown, Figure) or (view.tab == "compare" and shown is scope["result"])
    return scope["result"]


def changed(**values: Any) -> View:
    from dataclasses import replace

    return replace(BUSY, **values)


def test_compare() -> None:
    result = run(BUSY)
    scores = compare_tab.compared(BUSY, *PAIR).scores
    for name, known in calibrations().items():
        assert result[name] == pytest.approx((scores[name][0], known.threshold(20)), abs=1e-5)


def test_compare_with_a_third_method_at_another_rate() -> None:
    view = changed(third="assistant", rate="1 in 10")
    scores, result = compare_tab.compared(view, *PAIR).scores, run(view)
    limits = {name: known.threshold(20, 0.1) for name, known in calibrations().items()}
    for name, (score,) in scores.items():
        assert result[name] == (pytest.approx(score, abs=1e-5), pytest.approx(limits[name]) if name in limits else None)
    assert set(result) == {"SFace", "student", "assistant"}
    assert "gl.load_model('mine=PATH')" in cell(changed(third="mine"))


@pytest.mark.parametrize("slow", [False, True])
def test_across(slow: bool) -> None:
    view = changed(tab="across", slow=slow)
    result, shown = run(view), across_tab.compared(view, *PAIR).scores
    assert set(result) == set(shown)
    for name, values in result.items():
        assert values == pytest.approx(shown[name], abs=1e-4)


def test_generate() -> None:
    view = changed(tab="generate", whose="second", steps=3, noise_seed=2)
    *_, last = generate_tab.generated(view, *PAIR)
    assert run(view) == pytest.approx(last.agreement.tolist(), abs=1e-4)


@pytest.mark.parametrize("target", ["itself", "the other face"])
def test_cam(target: str) -> None:
    view = changed(tab="cam", target=target)
    result = run(view)
    for look in cam_tab.network_maps(view, *PAIR):
        assert result[look.name] == pytest.approx([look.deletion.area, look.insertion.area], abs=1e-3)


@pytest.mark.parametrize("method", ["PCA", "UMAP"])
def test_map(method: str) -> None:
    view = changed(tab="map", method=method, chosen=8, map_seed=1, resolution=12)
    result, gallery = run(view), synthetic_gallery()
    for name, (points, trusted, near) in result.items():
        shown = map_tab.map_points(view, gallery, name)
        assert np.allclose(points, shown.points, atol=1e-4)
        assert f"{trusted:.3f}" in map_tab.quality_html(view, gallery, {name: shown})
        html = map_tab.neighbours_html(view, gallery)
        assert all(gallery.faces.keys[k] in html for k in near)


def test_the_cell_for_own_photographs_says_where_to_name_them() -> None:
    assert 'gl.load_dataset("photographs"' in cell(changed(tab="map"), own_gallery=True)


def test_the_cell_of_uploads_takes_the_faces_that_were_picked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Image.new("RGB", (700, 320), "grey")
    for k, side in ((0, 200), (3, 280)):
        wide.paste(Image.fromarray(examples()[k]).resize((side, side)), (20 + 340 * (k > 0), 20))
    wide.save(tmp_path / "first.jpg")
    Image.fromarray(examples()[4]).save(tmp_path / "second.png")
    monkeypatch.chdir(tmp_path)
    session = Session()
    add_upload(session, 0, str(tmp_path / "first.jpg"))
    for picked in (2, 1):  # the largest face, then the other
        session.pick(0, picked)
        result = run(BUSY, session)
        scores = compare_tab.compared(BUSY, session.faces[0], PAIR[1]).scores
        assert {name: value for name, (value, _) in result.items()} == pytest.approx(
            {name: value for name, (value,) in scores.items()}, abs=1e-5
        )
        for name, known in known_pairs(BUSY, session.faces[0], PAIR[1]).items():
            assert result[name][1] == pytest.approx(known.threshold(20), abs=1e-5)
    assert "second = faces[33]" in cell(BUSY, session.photographs)  # one upload needs one file
    aligned = Photograph("", np.zeros((0, 4)), (Face(examples()[4], "taken as aligned"),))
    session.put(1, aligned)
    scores = compare_tab.compared(BUSY, session.faces[0], aligned.face).scores
    assert run(BUSY, session)["student"][0] == pytest.approx(scores["student"][0], abs=1e-5)

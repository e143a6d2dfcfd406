"""What each tab shows: plain functions, checked against the package's own numbers."""

import copy
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from gdrd_lab.app import callbacks
from gdrd_lab.app.examples import CASES, clearest, examples_html
from gdrd_lab.app.gallery import Face, Gallery, calibrations, example, examples, recognisers, synthetic_gallery
from gdrd_lab.app.methods import add_own_methods, methods, own_methods, third, third_names
from gdrd_lab.app.session import Photograph, Session
from gdrd_lab.app.state import RATES, View
from gdrd_lab.app.tabs import across as across_tab
from gdrd_lab.app.tabs import cam as cam_tab
from gdrd_lab.app.tabs import compare as compare_tab
from gdrd_lab.app.tabs import download as download_tab
from gdrd_lab.app.tabs import generate as generate_tab
from gdrd_lab.app.tabs import map as map_tab
from gdrd_lab.app.tabs.compare import score_rows
from gdrd_lab.app.verdict import claim, hints, known_pairs, outside, truth
from gdrd_lab.datasets.base import ArrayFaces, to_tensor
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS
from gdrd_lab.evaluation.compare import compare, reduced
from gdrd_lab.evaluation.real_people import real_people
from gdrd_lab.plots import alt_text
from gdrd_lab.transforms.degradation import Degradation

FIRST, SECOND = example(0), example(1)


def test_compare_gives_the_packages_numbers() -> None:
    view = View(resolution=12)
    scores = compare(FIRST.image, SECOND.image, recognisers(), [12]).scores
    said, one, two, html, curve, received, *charts = compare_tab.show(view, FIRST, SECOND)
    for name, (value,) in scores.items():
        assert f"{value:.3f}" in html and name in html and name in said
    assert all('alt="at 12 x 12 pixels"' in face for face in (one, two)) and received.count("<img") == 6
    lines = {line["name"]: line["y"] for line in json.loads(curve)["data"]}
    sweep = compare(FIRST.image, SECOND.image, recognisers(), RESOLUTIONS).scores
    assert lines["student, this pair"] == pytest.approx(list(sweep["student"]), abs=1e-5)
    assert lines["SFace: threshold"] == pytest.approx(list(calibrations()["SFace"].thresholds()))
    for chart, (value,) in zip(charts, scores.values(), strict=True):
        content = json.loads(chart)
        assert f"{value:.2f}" in content["description"] and content["data"][-1]["x"] == pytest.approx([value] * 2)
    ranges = [json.loads(chart)["layout"]["xaxis"]["range"] for chart in charts]
    assert ranges[0] == ranges[1]  # the histograms share an axis


def test_rows_say_score_threshold_and_shares() -> None:
    view = View(resolution=16)
    comparison = compare_tab.compared(view, FIRST, SECOND)
    known = calibrations()["SFace"]
    row = score_rows(comparison, view, calibrations())[0]
    score, threshold = comparison.scores["SFace"][0], known.threshold(16)
    impostors, genuine = known.shares(16, score)
    reached = "reached" if score >= threshold else "not reached"
    assert row[2:] == [f"{threshold:.3f}, {reached}", f"{impostors:.1%}", f"{1 - genuine:.1%}", "-"]
    assert score_rows(comparison, view, {})[0][2] == "no calibration"


def test_a_claim_is_what_the_threshold_and_the_known_pairs_say() -> None:
    known = calibrations()["student"]
    for resolution in RESOLUTIONS:
        scores, genuine = known.pairs(resolution)
        limit, lowest, view = known.threshold(resolution), scores[genuine].min(), View(resolution=resolution)
        assert claim(known, view, limit)[0] == "likely the same person"
        share = np.mean(scores[~genuine] >= limit)
        assert f"1 in {round(1 / share)} pairs of strangers scores as high" in claim(known, view, limit)[1]
        assert claim(known, view, 1.0) == (
            "likely the same person", " (none of the known pairs of strangers scores as high)"
        )  # fmt: skip
        assert claim(known, view, min(limit, lowest) - 0.01)[0] == "likely two people"
        if lowest < limit - 0.01:  # true at the low resolutions
            assert claim(known, view, limit - 1e-4) == ("cannot tell", "")
        else:
            assert resolution >= 24


@pytest.mark.parametrize("rate", RATES)
def test_the_chosen_false_match_rate_is_the_one_that_everything_uses(rate: str) -> None:
    view = View(resolution=16, rate=rate)
    known, scores = calibrations()["SFace"], compare_tab.compared(view, FIRST, SECOND).scores
    limit = known.threshold(16, RATES[rate])
    assert limit == known.thresholds(RATES[rate])[known.resolutions.index(16)]
    said, _, _, html, curve, _, histogram, _ = compare_tab.show(view, FIRST, SECOND)
    assert f"{limit:.3f}, " in html and f"{rate} pairs of strangers" in html
    assert ("SFace: <b>likely the same" in said.replace("</b> ", "")) == (scores["SFace"][0] >= limit)
    lines = {line["name"]: line["y"] for line in json.loads(curve)["data"]}
    assert lines["SFace: threshold"] == pytest.approx(list(known.thresholds(RATES[rate])))
    assert f"threshold {limit:.2f}" in [line["name"] for line in json.loads(histogram)["data"]]
    assert any("uncertain" in line for line in hints(view, FIRST, SECOND)) == (rate == "1 in 1,000")
    photograph = Face(FIRST.image.copy(), "your photograph")  # read against 127,921 pairs of strangers
    assert not any("uncertain" in line for line in hints(view, photograph, SECOND))


def test_a_third_method_is_read_against_its_calibration_or_has_none() -> None:
    view, photograph = View(resolution=16, third="assistant"), Face(FIRST.image.copy(), "your photograph")
    (model,) = third("assistant")
    assert [one.name for one in methods(view)] == ["SFace", "student", "assistant"]
    real = real_people(model)
    assert real is not None and known_pairs(view, photograph, SECOND)["assistant"].thresholds() == real.thresholds()
    drawn = known_pairs(view, FIRST, SECOND)["assistant"]
    expected = compare(FIRST.image, SECOND.image, [model], [16]).scores["assistant"]
    said, _, _, html, curve, *_ = compare_tab.show(view, FIRST, SECOND)
    assert f"{expected[0]:.3f}" in html and f"{drawn.threshold(16):.3f}, " in html and "the method assistant:" in said
    names = [line["name"] for line in json.loads(curve)["data"]]
    assert "assistant, this pair" in names and "assistant: threshold" in names
    paper = replace(view, third="paper-student")
    assert "the method paper-student: <b>no calibration</b>" in compare_tab.show(paper, photograph, SECOND)[0]


def test_an_own_checkpoint_is_offered_by_its_name_only() -> None:
    from gdrd_lab.models.registry import shipped_student

    with pytest.raises(GdrdError, match=r"cannot have the name 'student'. Give another one"):
        add_own_methods([str(shipped_student())])
    try:
        add_own_methods([f"mine={shipped_student()}"])
        assert third_names()[-1] == "mine"
        scores = compare_tab.compared(View(third="mine"), FIRST, SECOND).scores
        assert scores["mine"] == pytest.approx(scores["student"], abs=1e-6)
        opened = callbacks.open_view(Session(), 1.0, '{"third": "mine"}')
        assert opened[0].third == "mine"
    finally:
        own_methods().clear()
        third.cache_clear()
    with pytest.raises(GdrdError, match=r"This app has no method 'mine'. Choose none, assistant"):
        callbacks.open_view(Session(), 1.0, '{"third": "mine"}')


def test_the_verdict_names_both_methods_and_the_truth_where_it_is_known() -> None:
    view = View(resolution=16, first=0, second=1)
    said = re.sub("<[^>]+>", "", compare_tab.show(view, FIRST, SECOND)[0])
    claims = {
        name: "".join(claim(calibrations()[name], view, score))
        for name, (score,) in compare_tab.compared(view, FIRST, SECOND).scores.items()
    }
    assert said == (
        f"Same person? At 16 px, the teacher SFace: {claims['SFace']}; the student: {claims['student']}. "
        "In truth, this is one synthetic person."
    )
    assert "these are two synthetic people" in compare_tab.show(view, FIRST, example(3))[0]
    upload = Face(FIRST.image.copy(), "your photograph")
    assert "In truth" not in compare_tab.show(view, upload, SECOND)[0]


def test_what_is_said_of_the_examples_is_true() -> None:
    known = calibrations()
    html = examples_html()
    assert html.count("data-pair") == len(CASES) == 6
    for case in CASES:
        (first, second), margin = clearest(case, list(known.values()))
        assert margin > 0.02, case
        assert f'data-pair="{first} {second} {case.resolution}"' in html
        view = View(first=first, second=second, resolution=case.resolution)
        pair = example(first), example(second)
        assert ("one synthetic person" in truth(*pair)) == case.genuine
        for (name, (score,)), right in zip(
            compare_tab.compared(view, *pair).scores.items(), (case.teacher, case.student), strict=True
        ):
            assert ((score >= known[name].threshold(case.resolution)) == case.genuine) == right, case


def test_they_part_at_the_highest_resolution_of_a_disagreement() -> None:
    found = set()
    for first, second in ((0, 1), (42, 43), (3, 4), (16, 25), (29, 47)):
        pair = example(first), example(second)
        sweep = compare(*(face.image for face in pair), recognisers(), RESOLUTIONS).scores
        apart = [
            size
            for k, size in enumerate(RESOLUTIONS)
            if len({scores[k] >= calibrations()[name].threshold(size) for name, scores in sweep.items()}) == 2
        ]
        assert compare_tab.parting(View(resolution=16), *pair) == max(apart, default=None)
        found.add(max(apart, default=None))
    assert None in found and len(found) > 2


def test_outside_the_calibrated_range_is_said_where_it_is_so() -> None:
    upload = Face(FIRST.image.copy(), "your photograph", width=40)
    assert outside(View(), FIRST, SECOND) == []
    assert outside(View(), upload, SECOND) == outside(View(camera="webcam"), upload, SECOND) == []
    assert len(outside(View(noise=0.1), upload, SECOND)) == 1
    assert any("40 pixels wide" in line for line in outside(View(resolution=64), upload, SECOND))
    assert len(outside(View(blur=1), FIRST, SECOND)) == len(outside(View(camera="webcam"), FIRST, SECOND)) == 1
    assert "interpolated" in hints(View(resolution=14), FIRST, SECOND)[0]
    assert "same picture" in hints(View(), FIRST, FIRST)[0]
    assert "Outside the calibrated range" in compare_tab.show(View(noise=0.1), FIRST, SECOND)[3]


def test_a_photograph_is_read_against_real_people_and_its_camera() -> None:
    upload = Face(FIRST.image.copy(), "your photograph")
    for camera in ("clean", "webcam", "surveillance"):
        view = View(resolution=16, camera=camera)  # type: ignore[arg-type]
        known, student = known_pairs(view, upload, SECOND), real_people(recognisers()[1], camera)
        (score,) = compare_tab.compared(view, upload, SECOND).scores["student"]
        assert student is not None and known["student"].threshold(16) == student.threshold(16)
        value, low, high = student.likelihood_ratio(16, score)
        shown = compare_tab.show(view, upload, SECOND)
        assert f"{value:.2g} ({low:.2g} to {high:.2g})" in shown[3] and "real people of CelebA" in shown[3]
        assert "student: pairs of real people at 16 px" in shown[7]
    assert known_pairs(View(), FIRST, SECOND) == calibrations()


def test_a_camera_takes_both_faces() -> None:
    view = View(resolution=16, camera="webcam")
    expected = compare(FIRST.image, SECOND.image, recognisers(), [16], Degradation(16, camera="webcam")).scores
    assert compare_tab.compared(view, FIRST, SECOND).scores["student"] == pytest.approx(expected["student"], abs=1e-5)
    assert compare_tab.show(view, FIRST, SECOND)[1] != compare_tab.show(View(resolution=16), FIRST, SECOND)[1]


def test_curve_has_every_method_and_resolution() -> None:
    view = View(tab="across", resolution=20, slow=True)
    _, chart, strip = across_tab.show(view, FIRST, SECOND)
    lines = {line["name"]: line for line in json.loads(chart)["data"]}
    expected = compare(FIRST.image, SECOND.image, recognisers(), sorted({*RESOLUTIONS, 20})).scores
    assert lines["SFace, this pair"]["y"] == pytest.approx(list(expected["SFace"]), abs=1e-5)
    assert any("super-resolved" in name for name in lines)
    assert strip.count("<img") == 2 * len(RESOLUTIONS) and strip.count("marked") == 2
    assert "SFace" in alt_text(across_tab.curves_figure(view, FIRST, SECOND))
    assert "112 px" in alt_text(across_tab.strip_figure(view, FIRST, SECOND))


def test_steps_end_at_what_the_pipeline_returns() -> None:
    pipeline, lr = generate_tab.generative(), torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    seen = list(pipeline.denoise(lr, 3, [5, 6]))
    assert len(seen) == 3
    assert torch.allclose(seen[-1], pipeline(lr, 3, [5, 6]), atol=1e-5)
    assert not torch.allclose(seen[0], seen[-1], atol=1e-3)
    with pytest.raises(GdrdError, match="seeds"):
        list(pipeline.denoise(lr, 3, [5]))
    steps = pipeline.denoise(lr, 20)
    next(steps)
    steps.close()  # whoever looks elsewhere stops the work


def test_four_seeds_come_step_by_step_with_their_agreement() -> None:
    view = View(tab="generate", steps=2, noise_seed=7)
    found = list(generate_tab.generated(view, FIRST, SECOND))
    assert [item.step for item in found] == [1, 2] and found[-1].faces.shape == (4, 3, 64, 64)
    reference_model = recognisers()[0]
    with torch.inference_mode():
        hr, made = reference_model.embed(to_tensor([FIRST.image])), reference_model.embed(found[-1].faces)
    assert found[-1].agreement == pytest.approx((made @ hr[0]).numpy(), abs=1e-4)
    (one, _), (two, curtain) = generate_tab.show(view, FIRST, SECOND)
    assert "Step 1 of 2" in one and "Step 2 of 2" in two and "seed 10: identity agreement" in two
    assert 'type="range"' in curtain and "does not recover" in two
    assert "Outside the trained range" in generate_tab.before(replace(view, resolution=48), FIRST, SECOND)[0]
    with pytest.raises(GdrdError, match="32 px or below"):
        next(generate_tab.generated(replace(view, resolution=64), FIRST, SECOND))
    assert "Super-resolution in 2 steps" in alt_text(generate_tab.figure(view, FIRST, SECOND))


@pytest.mark.parametrize("target", ["itself", "the other face"])
def test_maps_have_a_random_baseline_and_scores(target: str) -> None:
    view = View(tab="cam", resolution=24, target=target)  # type: ignore[arg-type]
    found = cam_tab.network_maps(view, FIRST, SECOND)
    assert [look.name for look in found] == ["SFace", "SFace, random weights", "student", "student, random weights"]
    assert all(list(look.maps) == [8, 16, 24, 32, 112] for look in found)
    assert found[0].deletion.area < found[1].deletion.area  # the trained map explains SFace better
    maps, scores, *charts = cam_tab.show(view, FIRST, SECOND)
    assert maps.count("<img") == 20 and f"{found[0].deletion.area:.3f}" in scores
    assert [json.loads(chart)["layout"]["title"]["text"] for chart in charts] == [
        f"{kind} at 24 px{'' if target == 'itself' else ', score against the other face'}" for kind in cam_tab.CHANGES
    ]
    lr, other = (
        reduced(face.image, view.degradation, seed) for face, seed in zip((FIRST, SECOND), view.seeds, strict=True)
    )
    for look, model in ((found[0], recognisers()[0]), (found[2], recognisers()[1])):
        with torch.inference_mode():
            pair, own = (float(model.embed(lr)[0] @ model.embed(goal)[0]) for goal in (other, lr))
        expected = own if target == "itself" else pair  # what the whole face scores against what is explained
        assert [look.deletion.scores[0], look.insertion.scores[-1]] == pytest.approx([expected] * 2, abs=1e-4)
    own = cam_tab.network_maps(replace(view, target="itself"), FIRST, SECOND)[0].maps[24]
    assert torch.equal(own, found[0].maps[24]) == (target == "itself")


def test_the_other_of_two_equal_faces_has_the_noise_of_its_own_seed() -> None:
    view = View(tab="cam", resolution=16, noise=0.3, whose="second", target="the other face")
    shown = cam_tab.network_maps(view, FIRST, FIRST)[2].deletion.scores[0]
    lr, other = (reduced(FIRST.image, view.degradation, seed) for seed in (view.seeds[1], view.seeds[0]))
    with torch.inference_mode():
        model = recognisers()[1]
        assert shown == pytest.approx(float(model.embed(lr)[0] @ model.embed(other)[0]), abs=1e-4)
    assert shown < 0.99


def test_map_shows_every_face_neighbours_of_the_original_space_and_trust() -> None:
    view, gallery = View(tab="map", chosen=3, selected=(3, 4, 40)), synthetic_gallery()
    headline, teacher, student, quality, near, marks = map_tab.show(view, gallery)
    plot = json.loads(teacher)["data"]
    assert plot[0]["customdata"] == list(range(60)) and plot[0]["selectedpoints"] == [3, 4, 40]
    assert len(plot[1]["x"]) == len(RESOLUTIONS)
    known = gallery.known["SFace"]
    order = np.argsort(-(known.embeddings[-1] @ known.embeddings[3][3]))
    first = next(int(k) for k in order if k != 3)
    assert gallery.faces.keys[first] in near.split("student")[0]
    assert "3 selected" in marks and "Wrong at 16 px" in headline
    assert "trustworthiness" in quality and student != teacher


def test_map_colours_by_error_and_by_resolution() -> None:
    gallery = synthetic_gallery()
    errors = gallery.errors("SFace", 16)
    known = gallery.known["SFace"]
    scores = known.embeddings[3] @ known.embeddings[-1].T
    np.fill_diagonal(scores, -1)
    expected = gallery.faces.labels[scores.argmax(1)] != gallery.faces.labels
    assert np.array_equal(errors == 1, expected) and 0 < expected.sum() < 60
    assert np.array_equal(map_tab.map_points(View(colour="error"), gallery, "SFace").values, errors)
    several = map_tab.map_points(View(colour="resolution"), gallery, "SFace")
    assert len(several.points) == 240 and set(several.values) == {8, 16, 32, 112}
    assert "240 points" in alt_text(map_tab.figure(View(colour="resolution"), gallery, 1))


def test_faces_of_unknown_identity_have_no_error() -> None:
    whole = synthetic_gallery()
    known = {
        name: replace(item, embeddings=item.embeddings[:, :6], labels=np.full(6, -1))
        for name, item in whole.known.items()
    }
    gallery = Gallery(ArrayFaces(whole.faces.images[:6]), known)
    assert gallery.errors("SFace", 16).tolist() == [-1] * 6
    assert "Errors cannot be counted" in map_tab.show(View(tab="map", colour="error", chosen=50), gallery)[0]


def test_csv_holds_the_selection() -> None:
    view, gallery = View(tab="map", selected=(2, 9)), synthetic_gallery()
    head, *rows = [line.split(",") for line in map_tab.selection_csv(view, gallery).splitlines()]
    assert [row[0] for row in rows] == ["2", "9"]
    x = float(rows[1][head.index("SFace x")])
    assert x == pytest.approx(gallery.map("SFace", "PCA", 0)[3, 9, 0], rel=1e-4)
    assert len(map_tab.selection_csv(View(), gallery).splitlines()) == 61


@pytest.mark.parametrize("name", list(download_tab.FIGURES))
def test_every_figure_is_to_be_had_as_png_and_svg(name: str) -> None:
    html = download_tab.figure_links(View(steps=1), FIRST, SECOND, synthetic_gallery(), name)
    assert "data:image/png;base64,iVBOR" in html and "data:image/svg+xml;base64," in html
    assert re.search(r'alt="[^"]{20,}"', html)


def test_refresh_redraws_the_open_tab_only() -> None:
    out = callbacks.refresh(Session(), 1.0, {"tab": "across"})
    assert len(out) == sum(callbacks.OUTPUTS.values()) + 1
    drawn = [k for k, item in enumerate(out[:-1]) if isinstance(item, str)]
    assert drawn == [8, 9, 10]


def test_an_upload_stands_in_for_the_example_of_its_user_alone() -> None:
    mine = Session()
    mine.put(0, Photograph("", np.zeros((0, 4)), (Face(SECOND.image.copy(), "your photograph"),)))
    assert "real people" in callbacks.tab_content(View(), mine)[3]
    assert "real people" not in callbacks.tab_content(View(), Session())[3]
    assert "The app kept no copy" in callbacks.code(View(), mine, "compare")


def test_api_gives_scores_and_thresholds() -> None:
    found = callbacks.compare_examples(0, 1, 16)
    assert set(found) == {"SFace", "student"}
    assert found["SFace"]["score"] == pytest.approx(
        compare(FIRST.image, SECOND.image, recognisers(), [16]).scores["SFace"][0], abs=1e-5
    )
    with pytest.raises(GdrdError, match="first cannot be"):
        callbacks.compare_examples(first=99)


def test_a_network_that_is_not_finite_gives_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = copy.deepcopy(recognisers()[1])
    next(broken.parameters()).data[:] = float("nan")
    monkeypatch.setattr(compare_tab, "methods", lambda view: (recognisers()[0], broken))
    monkeypatch.setattr(broken, "name", "my student")
    with pytest.raises(GdrdError, match=r"my student.* not finite"):
        compare_tab.compared(View(), FIRST, SECOND)


def test_shared_faces_keep_nothing_of_an_upload() -> None:
    upload = Face(examples()[30].copy(), "your photograph")
    view = View(tab="cam", resolution=26, target="the other face")
    before = set(FIRST.results)
    held = cam_tab.network_maps(view, FIRST, upload)[0].maps[26]
    assert set(FIRST.results) == before and upload.results == {}
    other = cam_tab.network_maps(view, FIRST, Face(examples()[45].copy(), "another upload"))[0].maps[26]
    assert not torch.allclose(held, other)

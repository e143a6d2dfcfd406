"""The page's state: JSON, links, and refusal of what does not fit."""

import json
from dataclasses import asdict
from urllib.parse import parse_qs, urlsplit

import pytest

from gdrd_lab.app.state import View, from_text
from gdrd_lab.errors import GdrdError

BUSY = View(
    tab="map", resolution=24, first=7, second=59, blur=1.5, noise=0.1, jpeg=40, illumination=-0.5, occlusion=0.2,
    camera="webcam", seed=3, rate="1 in 10", third="assistant", slow=True,
    whose="second", steps=9, noise_seed=11, target="the other face",
    method="UMAP", colour="error", map_seed=2, chosen=5, selected=(1, 4, 30),
)  # fmt: skip


def test_every_value_goes_through_json_and_link() -> None:
    fresh = asdict(View())
    assert all(value != fresh[name] for name, value in asdict(BUSY).items()), "BUSY leaves a value as it was"
    assert from_text(BUSY.to_json()) == BUSY
    query = parse_qs(urlsplit("http://localhost/" + BUSY.to_query()).query)["view"][0]
    assert from_text(query) == BUSY
    assert from_text(f"http://127.0.0.1:7860/{BUSY.to_query()}") == BUSY
    assert View().to_query() == "" and from_text(None) == View() and from_text("  ") == View()


@pytest.mark.parametrize(
    "text",
    [
        "no json", "[1, 2]", '{"resolution": 5}', '{"resolution": "16"}', '{"resolution": null}', '{"first": 60}',
        '{"rate": "1 in 3"}', '{"rate": 0.1}', '{"third": 3}', '{"third": ""}', json.dumps({"third": "x" * 41}),
        '{"tab": "secret"}', '{"tab": ["map"]}', '{"selected": 3}', '{"selected": ["a"]}', '{"selected": [-1]}',
        '{"blur": 1e99}', '{"noise": NaN}', '{"__class__": 1}', '{"slow": 1}', '{"seed": true}', "[" * 5000, "null",
        '{"resolution": 16.5}', '{"steps": 4.7}', '{"resolution": Infinity}', '{"seed": NaN}', '{"selected": [1.5]}',
        '{"selected": [NaN]}', '{"blur": -1}', '{"noise": "0.1"}', '{"tab": 1}', '{"slow": null}', '{"blur": []}',
        json.dumps({"selected": list(range(2000))}), '{"method": "TSNE"}', "http://localhost/?theme=dark",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(GdrdError) as answer:
        from_text(text)
    assert str(answer.value).endswith(".") and len(str(answer.value)) < 200


def test_degradation_is_the_controls() -> None:
    assert (
        BUSY.degradation.describe()
        == "24 px, webcam camera, blur 1.5, noise 0.1, jpeg 40, illumination -0.5, occlusion 0.2"
    )
    assert View().degradation.jpeg is None and not View().degraded and BUSY.degraded


def test_views_saved_before_the_tabs_were_renamed_still_open() -> None:
    assert from_text('{"tab": "attention", "whose": "second"}') == View(tab="cam", whose="second")
    assert from_text('{"gdrd-view": 1, "tab": "take"}') == View(tab="download")


def test_whole_numbers_are_whole_however_they_are_written() -> None:
    view = from_text('{"resolution": 24.0, "blur": 1}')
    assert type(view.resolution) is int and type(view.blur) is float and view == View(resolution=24, blur=1.0)

import csv
import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from gdrd_lab import __version__
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.results import Scores, collect, notes, read_json, write_csv, write_json
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.evaluation.tables import show, table
from gdrd_lab.transforms.degradation import Degradation


def score(**changes: object) -> Score:
    severity = asdict(changes.pop("how", Degradation(resolution=16, noise=0.1)))  # type: ignore[call-overload]
    base = Score("SFace", "LFW", "same resolution", 16, severity, "accuracy", 0.9288, 0.0041, 6000, 3, "abc+", 1.25)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def result() -> Scores:
    native = score(how=Degradation(resolution=None), resolution=112, value=0.994, method='a "quoted", one')
    missing = score(metric="TAR@FAR=0.0001", value=math.nan, spread=math.nan, n=3000)
    return collect([score(), native, missing], command="gdrd evaluate --data lfw")


def same(a: Scores, b: Scores) -> bool:
    return repr(asdict(a)) == repr(asdict(b))  # NaN differs from itself, its repr does not


def test_json_and_csv_hold_what_was_written(result: Scores, tmp_path: Path) -> None:
    assert same(read_json(write_json(tmp_path / "new" / "r.json", result)), result)
    rows = list(csv.DictReader(write_csv(tmp_path / "r.csv", result).read_text().splitlines(), strict=True))
    for row, one in zip(rows, result, strict=True):
        expected = asdict(one) | {f"degradation_{name}": value for name, value in one.degradation.items()}
        expected |= {"version": result.version, "date": result.date, "command": result.command}
        del expected["degradation"]
        texts = {name: "" if value is None or value != value else str(value) for name, value in expected.items()}
        assert row == texts
    assert (result.version, result.command) == (__version__, "gdrd evaluate --data lfw")
    assert result.date.endswith("+00:00")


def test_files_are_plain_and_complete(result: Scores, tmp_path: Path) -> None:
    text = write_json(tmp_path / "r.json", result).read_text()
    assert "NaN" not in text
    document = json.loads(text)
    assert document["scores"][2]["value"] is None and document["scores"][0]["seed"] == 3
    assert "3,000 impostor pairs" in document["notes"][0] and "10,000" in document["notes"][0]
    rows = list(csv.DictReader(write_csv(tmp_path / "r.csv", result).read_text().splitlines()))
    assert rows[0]["degradation_noise"] == "0.1" and rows[1]["degradation_resolution"] == "" and rows[2]["value"] == ""
    assert {"data", "seed", "commit", "version", "date", "command"} <= set(rows[0])


def test_an_earlier_file_survives_a_failed_write(
    result: Scores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json(tmp_path / "r.json", result)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GdrdError, match=r"r\.json could not be written \(No space left on device\)"):
        write_json(path, collect([], command=""))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["r.json"]


def test_a_place_that_is_no_folder(result: Scores, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GdrdError, match="could not be written"):
        write_csv(tmp_path / "file" / "r.csv", result)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(format=99),
        lambda d: d.pop("command"),
        lambda d: d.update(extra=1),
        lambda d: d["scores"][0].pop("seed"),
        lambda d: d["scores"][0].update(extra=1),
        lambda d: d["scores"][0].update(n="6000"),
        lambda d: d["scores"][0].update(seed=None),
        lambda d: d["scores"][0].update(n=True),
        lambda d: d["scores"][0].update(degradation=[]),
        lambda d: d["scores"][0]["degradation"].update(resolution=9000),
        lambda d: d["scores"][0]["degradation"].update(blur="a lot"),
        lambda d: d.update(scores={}),
        lambda d: d.update(notes="none"),
    ],
)
def test_the_schema_is_strict(spoil: object, result: Scores, tmp_path: Path) -> None:
    path = write_json(tmp_path / "r.json", result)
    document = json.loads(path.read_text())
    spoil(document)  # type: ignore[operator]
    path.write_text(json.dumps(document))
    with pytest.raises(GdrdError, match=r"r\.json is no result file or is damaged") as raised:
        read_json(path)
    assert "\n" not in str(raised.value)


def test_files_cut_short_or_missing(result: Scores, tmp_path: Path) -> None:
    path = write_json(tmp_path / "r", result)
    content = path.read_bytes()
    for cut in (content[: len(content) // 2], b"", b"\xff\xfe\x00", b"a,b\n1,2\n"):
        path.write_bytes(cut)
        with pytest.raises(GdrdError, match="damaged"):
            read_json(path)
    with pytest.raises(GdrdError, match="cannot be read"):
        read_json(tmp_path / "nothing")


def printed(scores: list[Score], width: int = 80) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    show(scores, notes=notes(scores), console=console)
    console.file.close()
    return console.export_text()


def test_the_table_has_methods_as_rows_and_resolutions_as_columns_in_80_characters() -> None:
    sizes = {8: 0.7558, 16: 0.9288, 32: 0.9885, 112: 0.994}
    scores = [
        score(method=method, how=Degradation(resolution=r), resolution=r, value=v)
        for method in ("SFace", "SFace on super-resolved")
        for r, v in sizes.items()
    ]
    text = printed(scores)
    assert max(map(len, text.splitlines())) <= 80
    assert "LFW, same resolution: accuracy, %" in text
    head, row = (next(line for line in text.splitlines() if word in line) for word in ("method", "SFace  "))
    assert head.split() == ["method", "8", "px", "16", "px", "32", "px", "112", "px"]
    assert row.split()[1:] == ["75.58", "±", "0.41", "92.88", "±", "0.41", "98.85", "±", "0.41", "99.40", "±", "0.41"]


def test_many_degradations_become_rows_and_keep_their_names() -> None:
    hows = [Degradation(resolution=16, **{k: v}) for k in ("occlusion", "illumination", "noise") for v in (0.1, 0.4)]
    text = printed([score(how=how, value=0.1 * i) for i, how in enumerate(hows)])
    rows = {how.describe(): i for i, how in enumerate(hows)}
    for name, i in rows.items():
        assert [line.split()[-3:] for line in text.splitlines() if f"{name} " in line] == [
            [f"{10 * i:.2f}", "±", "0.41"]
        ]


def test_missing_values_are_said_and_settings_are_apart(result: Scores) -> None:
    other = score(setting=str(Setting.GALLERY), value=0.5, spread=math.nan)
    text = printed([*result.scores, other], width=120)
    assert "n/a" in text and "cannot be measured with 3,000 impostor pairs" in text
    assert "sharp gallery" in text and "50.00\n" in text.replace(" ", "").replace("│", "")
    assert "16 px, noise 0.1" in text and "112 px" in text
    assert len(notes([*result.scores, *result.scores])) == 1
    assert table([]).row_count == 0


def test_files_of_earlier_versions_open_under_todays_names(result: Scores, tmp_path: Path) -> None:
    path = write_json(tmp_path / "r.json", result)
    document = json.loads(path.read_text())
    document["scores"][0]["data"] = "embedded (held out)"
    del document["scores"][0]["degradation"]["occlusion"]  # a field that a later version added
    path.write_text(json.dumps(document))
    assert read_json(path)[0] == replace(result[0], data="synthetic (held out)")


def test_scores_print_as_a_table_and_become_a_data_frame(result: Scores) -> None:
    text, page = repr(result), result._repr_html_()
    assert "92.88 ± 0.41" in text and "TAR@FAR=0.0001" in text and "impostor pairs" in text
    assert "<td>92.88 ± 0.41</td>" in page and "a &quot;quoted&quot;, one" in page and "<td>n/a</td>" in page
    frame = result.to_frame()
    assert len(result) == len(frame) == 3 and [score.n for score in result] == frame.n.tolist()
    assert frame.value.isna().tolist() == [False, False, True] and frame.degradation_noise[0] == 0.1


@pytest.mark.parametrize("name", ["run-0.1", "run-0.1.json", "run-0.1.csv"])
def test_a_dot_in_a_name_is_kept(name: str, result: Scores, tmp_path: Path) -> None:
    result.save(tmp_path / "run-0.2")
    assert result.save(tmp_path / name) == tmp_path / "run-0.1.json"
    assert sorted(os.listdir(tmp_path)) == ["run-0.1.csv", "run-0.1.json", "run-0.2.csv", "run-0.2.json"]

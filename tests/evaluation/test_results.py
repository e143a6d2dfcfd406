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
from gdrd_lab.evaluation.results import Report, notes, read_csv, read_json, report, show, table, write_csv, write_json
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.transforms.degradation import Degradation


def score(**changes: object) -> Score:
    severity = asdict(changes.pop("how", Degradation(resolution=16, noise=0.1)))  # type: ignore[call-overload]
    base = Score("SFace", "LFW", "same resolution", 16, severity, "accuracy", 0.9288, 0.0041, 6000, 3, "abc+", 1.25)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def result() -> Report:
    native = score(how=Degradation(resolution=None), resolution=112, value=0.994, method='a "quoted", one')
    missing = score(metric="TAR@FAR=0.0001", value=math.nan, spread=math.nan, n=3000)
    return report([score(), native, missing], command="gdrd evaluate --data lfw")


def same(a: Report, b: Report) -> bool:
    return repr(a) == repr(b)  # NaN differs from itself, its repr does not


def test_json_and_csv_read_back_what_was_written(result: Report, tmp_path: Path) -> None:
    assert same(read_json(write_json(tmp_path / "new" / "r.json", result)), result)
    assert same(read_csv(write_csv(tmp_path / "r.csv", result)), result)
    assert (result.version, result.command) == (__version__, "gdrd evaluate --data lfw")
    assert result.date.endswith("+00:00")


def test_files_are_plain_and_complete(result: Report, tmp_path: Path) -> None:
    text = write_json(tmp_path / "r.json", result).read_text()
    assert "NaN" not in text
    document = json.loads(text)
    assert document["scores"][2]["value"] is None and document["scores"][0]["seed"] == 3
    assert "3,000 impostor pairs" in document["notes"][0] and "10,000" in document["notes"][0]
    rows = list(csv.DictReader(write_csv(tmp_path / "r.csv", result).read_text().splitlines()))
    assert rows[0]["degradation_noise"] == "0.1" and rows[1]["degradation_resolution"] == "" and rows[2]["value"] == ""
    assert {"data", "seed", "commit", "version", "date", "command"} <= set(rows[0])


def test_an_earlier_file_survives_a_failed_write(
    result: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json(tmp_path / "r.json", result)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GdrdError, match=r"r\.json could not be written \(No space left on device\)"):
        write_json(path, report([], command=""))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["r.json"]


def test_a_place_that_is_no_folder(result: Report, tmp_path: Path) -> None:
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
def test_the_schema_is_strict(spoil: object, result: Report, tmp_path: Path) -> None:
    path = write_json(tmp_path / "r.json", result)
    document = json.loads(path.read_text())
    spoil(document)  # type: ignore[operator]
    path.write_text(json.dumps(document))
    with pytest.raises(GdrdError, match=r"r\.json is no result file or is damaged") as raised:
        read_json(path)
    assert "\n" not in str(raised.value)


def test_files_cut_short_or_missing(result: Report, tmp_path: Path) -> None:
    for write, read in ((write_json, read_json), (write_csv, read_csv)):
        path = write(tmp_path / "r", result)
        content = path.read_bytes()
        for cut in (content[: len(content) // 2], b"", b"\xff\xfe\x00", b"a,b\n1,2\n"):
            path.write_bytes(cut)
            with pytest.raises(GdrdError, match="damaged"):
                read(path)
        with pytest.raises(GdrdError, match="cannot be read"):
            read(tmp_path / "nothing")


def printed(scores: list[Score], width: int = 80) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    show(scores, console=console)
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


def test_missing_values_are_said_and_settings_are_apart(result: Report) -> None:
    other = score(setting=str(Setting.GALLERY), value=0.5, spread=math.nan)
    text = printed([*result.scores, other], width=120)
    assert "n/a" in text and "cannot be measured with 3,000 impostor pairs" in text
    assert "sharp gallery" in text and "50.00\n" in text.replace(" ", "").replace("│", "")
    assert "16 px, noise 0.1" in text and "112 px" in text
    assert len(notes([*result.scores, *result.scores])) == 1
    assert table([]).row_count == 0

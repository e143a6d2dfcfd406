"""The probe of identity against its closed form, its readers, and `gdrd probe` from command to figure."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import gdrd_lab as gl
from gdrd_lab.analysis import identity_probe as probe
from gdrd_lab.cli import main
from gdrd_lab.datasets.base import subset
from gdrd_lab.datasets.split import split_identities, split_record
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.diffusion.features import generative_features
from gdrd_lab.models.diffusion.pipeline import load_generative
from gdrd_lab.models.registry import load_model, shipped_generative
from gdrd_lab.plots import alt_text
from gdrd_lab.plots.maps import heat_map
from gdrd_lab.reports.identity import answer, identity_probe
from gdrd_lab.training import recipes
from gdrd_lab.training.stages.diffusion import build_pipeline
from gdrd_lab.transforms.resize import downscale


def test_auc_follows_from_the_closed_form_of_the_ridge() -> None:
    random = np.random.default_rng(0)
    x, y, labels = random.normal(size=(40, 6)), random.normal(size=(40, 3)), np.arange(40) // 2
    y[:, :2] += x[:, :2]
    fitted = np.arange(40) < 30
    mean, deviation = x[:30].mean(0), x[:30].std(0)
    z = (x - mean) / deviation
    weight = np.linalg.solve(z[:30].T @ z[:30] / 30 + 0.5 * np.eye(6), z[:30].T @ (y[:30] - y[:30].mean(0)) / 30)
    predicted = z[30:] @ weight + y[:30].mean(0)
    predicted /= np.linalg.norm(predicted, axis=1, keepdims=True)
    scores = {True: [], False: []}
    for i in range(10):
        for j in range(i):
            scores[labels[30 + i] == labels[30 + j]].append(predicted[i] @ predicted[j])
    beaten = np.mean([g > s for g in scores[True] for s in scores[False]])
    assert probe.identity_auc(x, y, fitted, labels, penalty=0.5) == pytest.approx(beaten)


def test_readers_give_the_features_of_every_block() -> None:
    pipeline, sface = load_generative(shipped_generative()), load_model("sface")
    lr = downscale(torch.rand(2, 3, 112, 112), 16)
    found = probe.diffusion_reader(pipeline, 999)(lr)
    whole = generative_features(pipeline, lr, timestep=999, block="mid_block")
    assert list(found) == ["down_blocks.0", "down_blocks.1", "down_blocks.2", "mid_block"]
    cells = whole.unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5)) if whole.shape[-1] == 16 else whole
    assert np.allclose(found["mid_block"], cells.flatten(1).numpy(), atol=1e-5)
    blocks = probe.recogniser_reader(sface, ["blocks.3", "blocks.10"])(lr)  # type: ignore[arg-type]
    assert [value.shape for value in blocks.values()] == [(2, 256 * 16), (2, 512 * 16)]
    assert probe.pixels(lr)["pixels"].shape == (2, 3 * 16 * 16)


def test_an_untrained_teacher_has_its_own_seed_and_changes_no_other() -> None:
    pipeline = load_generative(shipped_generative())
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (probe.untrained(pipeline, seed).unet.state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    weights = [net["conv_in.weight"] for net in (first, again, other, pipeline.unet.state_dict())]
    assert torch.equal(weights[0], weights[1])
    assert not any(torch.equal(weights[0], weight) for weight in weights[2:])


def test_a_probe_without_two_people_is_refused() -> None:
    faces = synthetic_faces(3, 2)
    with pytest.raises(GdrdError, match="two people to judge"):
        probe.probe_identity({}, faces, subset(faces, [0, 1]), load_model("sface"))


def test_command_writes_what_the_page_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "probe.json"
    arguments = f"--data synthetic --faces 40 --validation-split 0.5 --timesteps 999 --quiet --out {out}".split()
    assert main(["probe", *arguments]) == 0
    rows = probe.read_probe(out)
    assert {row.network for row in rows} == {"pixels", "SFace", "untrained", "generative teacher"}
    assert probe.best_block(rows, "SFace").auc > probe.best_block(rows, "pixels").auc > 0.5
    best = probe.best_block(rows, "generative teacher")
    assert f"most from {best.block} at timestep 999 (AUC {best.auc:.3f})" in capsys.readouterr().out
    text = identity_probe([out], tmp_path / "RESULTS.md")
    assert (tmp_path / "figures" / "probe-16.png").stat().st_size > 5000
    assert answer(rows) in text and f"SFace {probe.best_block(rows, 'SFace').auc:.3f}" in answer(rows)


def test_people_whom_the_teacher_held_out_judge(tmp_path: Path) -> None:
    faces = gl.load_dataset("synthetic")
    record = split_record(*split_identities(faces, 0.1, seed=3), 0.1, 3)
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "teacher")
    (tmp_path / "teacher" / "facts.json").write_text(json.dumps({"split": record}))
    arguments = (
        f"--faces 20 --timesteps 999 --quiet --generative ours={tmp_path / 'teacher'} --out {tmp_path / 'p.json'}"
    )
    assert main(["probe", *arguments.split()]) == 0
    rows = probe.read_probe(tmp_path / "p.json")
    assert {row.people for row in rows} == {record["held_out_people"]} and "ours" in {row.network for row in rows}


def test_heat_map_names_its_highest_cell() -> None:
    figure = heat_map({"a": {"0": 0.5, "999": 0.7}, "b": {"0": 0.9}}, x_label="timestep", scale="AUC")
    assert alt_text(figure) == "AUC. Highest: b at 0, 0.900."
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written == ["0.500", "0.700", "0.900"]

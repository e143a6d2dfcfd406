"""Two processes over gloo do what one does with the same global batch; a killed training loses nothing that counts."""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import workers

from gdrd_lab.errors import GdrdError
from gdrd_lab.training.checkpoint import differences
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import StepBatches, step_noise
from gdrd_lab.training.trainer import own_rows
from gdrd_lab.transforms.augmentation import AugmentConfig


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "final.pt", weights_only=True)


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1, ndmin=2)[:, 2:]


def rows(folder: Path) -> int:
    path = folder / "losses.csv"
    return max(0, path.read_text().count("\n") - 1) if path.exists() else 0


@workers.LINUX
@pytest.mark.parametrize("anchors", [None, 5, 1])
def test_relational_loss_and_gradients_of_two_processes_are_those_of_one(tmp_path: Path, anchors: int | None) -> None:
    for count in (1, 2):
        (tmp_path / str(count)).mkdir()
    workers.relational_gradients(tmp_path / "1", anchors)
    workers.start_several(2, workers.relational_gradients, tmp_path / "2", anchors)
    one, two = (torch.load(tmp_path / count / "gradients.pt", weights_only=True) for count in "12")
    assert len(one) == len(two) == 2 + 5 + 2
    for ours, theirs in zip(one, two, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert one[2].abs().max() > 1e-3  # there is a gradient to compare


@workers.LINUX
def test_training_in_two_processes_is_training_in_one(tmp_path: Path) -> None:
    workers.start_several(1, workers.train, tmp_path / "one")
    workers.start_several(2, workers.train, tmp_path / "two")
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert one.shape == two.shape == (6, 3)
    np.testing.assert_allclose(two, one, rtol=2e-3)
    np.testing.assert_allclose(two[0], one[0], rtol=2e-5)  # before rounding has gone through an optimiser
    statistics = [name for name in weights(tmp_path / "one") if "running_" in name]
    assert statistics
    for name in statistics:
        ours, theirs = (weights(tmp_path / part)[name] for part in ("one", "two"))
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)


@workers.LINUX
def test_killed_at_random_moments_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    workers.start_several(1, workers.train, whole, 50)
    moments = random.Random(0)
    for kill in range(4):
        process = workers.start(workers.train, killed, 50, True)
        if kill != 1:  # that one before its first step
            enough = rows(killed) + moments.randint(1, 9)
            while process.is_alive() and rows(killed) < enough:
                time.sleep(0.005)
            time.sleep(moments.random() * 0.05)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        checkpoints = sorted(int(path.name[5:]) for path in killed.glob("step-*"))
        assert rows(killed) - max(checkpoints, default=0) <= 6  # the interval of 5, and the step that saves
    process = workers.start(workers.train, killed, 50)
    process.join(60)
    assert process.exitcode == 0
    ours, theirs = weights(whole), weights(killed)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    np.testing.assert_array_equal(losses(whole), losses(killed))
    assert not list(killed.glob(".step-*"))


@workers.LINUX
def test_sigterm_writes_a_checkpoint_and_ends(tmp_path: Path) -> None:
    process = workers.start(workers.train_until_told, tmp_path, 2000)
    workers.wait_for(lambda: rows(tmp_path) > 0)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(30)
    assert process.exitcode == 143
    (found,) = tmp_path.glob("step-*")
    assert int(found.name[5:]) == len(losses(tmp_path))
    assert "a checkpoint is written" in (tmp_path / "message").read_text()


def test_a_checkpoint_every_so_many_minutes(tmp_path: Path) -> None:
    often = {"checkpoint_every": 10**6, "keep": 10**6}
    workers.train(tmp_path / "clock", 30, True, checkpoint_minutes=0.001, **often)
    workers.train(tmp_path / "steps", 30, True, checkpoint_minutes=0.0, **often)
    assert len(list((tmp_path / "clock").glob("step-*"))) >= 3  # 30 steps of 10 ms or more, every 60 ms
    assert [path.name for path in (tmp_path / "steps").glob("step-*")] == ["step-0000030"]


def test_the_parts_of_a_batch_are_its_rows() -> None:
    data = StepBatches(workers.noise_faces(), 8, (8, 16), AugmentConfig(), seed=3, steps=4)
    whole = data[2]
    config = LoopConfig(4, 8, 1e-3, accumulate=2)
    shares = []
    for process in range(2):
        rows = own_rows(config, 2, process)
        own = data.part(2, rows)
        for name in ("hr", "lr", "labels", "indices", "rows"):
            torch.testing.assert_close(getattr(own, name), getattr(whole, name)[rows], rtol=0, atol=1e-6)
        shares += [own.part(slice(0, 2)), own.part(slice(2, 4))]
    assert sorted(torch.cat([part.rows for part in shares]).tolist()) == list(range(8))
    labelled = (whole.labels >= 0).float()
    assert 0 < labelled.mean() < 1
    values = torch.rand(8)
    mean = sum(
        part.labelled_share * float((values[part.rows] * labelled[part.rows]).sum() / labelled[part.rows].sum())
        for part in shares
        if labelled[part.rows].any()
    )
    assert mean / 4 == pytest.approx(float((values * labelled).sum() / labelled.sum()), rel=1e-5)


def test_noise_of_a_row_does_not_depend_on_the_others() -> None:
    numbers, noise = step_noise(1, 5, range(6), (2, 3))
    some, part = step_noise(1, 5, [4, 1], (2, 3))
    assert torch.equal(noise[[4, 1]], part) and torch.equal(numbers[[4, 1]], some)
    assert len(set(numbers.tolist())) == 6 and not torch.equal(noise, step_noise(1, 6, range(6), (2, 3))[1])


def test_rows_of_every_process_make_up_the_batch() -> None:
    rows = [own_rows(LoopConfig(1, 24, 1e-3, accumulate=2), 3, process).tolist() for process in range(3)]
    assert rows[1] == [4, 5, 6, 7, 16, 17, 18, 19] and sorted(row for part in rows for row in part) == list(range(24))
    with pytest.raises(GdrdError, match="batch of 24 cannot be split into 10 parts"):
        own_rows(LoopConfig(1, 24, 1e-3, accumulate=2), 5, 0)


def test_only_what_changes_the_result_makes_another_configuration() -> None:
    ours = {"config": {"loop": {"steps": 5, "workers": 8, "new": 1}, "sides": (8, 16)}, "seed": 0}
    found = {"config": {"loop": {"steps": 5, "workers": 0}, "sides": [8, 16]}, "seed": 0, "step": 3}
    assert differences(ours, found) == []
    assert differences({**ours, "seed": 1}, found) == ["seed"]
    found["config"]["loop"]["steps"] = 6  # type: ignore[index]
    found["config"]["sides"] = [8]  # type: ignore[index]
    assert differences(ours, found) == ["config.loop.steps", "config.sides"]

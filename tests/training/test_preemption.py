"""Stopping by the clock and by SIGTERM."""

import os
import signal
import time
from pathlib import Path

import pytest

from gdrd_lab.cli import main
from gdrd_lab.training.checkpoint import checkpoints
from gdrd_lab.training.preemption import Preempted, catch_sigterm, stop_after


def work(seconds: float) -> str:
    """Work as the training loop does: check after every step whether to stop."""
    with catch_sigterm() as stopping:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
            if stopping():
                raise Preempted("head stopped after step 3 of 9")
    return "done"


def test_the_clock_ends_the_work_as_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    began = time.monotonic()
    with stop_after(0.3 / 60):
        work(30)
    assert time.monotonic() - began < 10
    assert capsys.readouterr().out == "head stopped after step 3 of 9; run the same command again to continue.\n"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("minutes", [0, 10])
def test_work_that_ends_in_time_is_not_disturbed(minutes: float) -> None:
    with stop_after(minutes):
        result = work(0.05)
    assert result == "done"


def test_a_signal_from_outside_keeps_its_status() -> None:
    with pytest.raises(Preempted) as stop, stop_after(10):
        os.kill(os.getpid(), signal.SIGTERM)
        work(30)
    assert stop.value.code == 143


def test_the_command_stops_by_the_clock_and_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "generative", "--config", "smoke", "--out", str(tmp_path), "--quiet"]
    steps = ["--set", "generative.loop.steps=100000"]
    assert main([*argv, *steps, "--minutes", "0.1"]) == 0
    assert "stopped after step" in capsys.readouterr().out and not (tmp_path / "generative").exists()
    (first,) = checkpoints(tmp_path / "checkpoints" / "generative")[-1:]
    assert main([*argv, *steps, "--minutes", "0.1"]) == 0
    (second,) = checkpoints(tmp_path / "checkpoints" / "generative")[-1:]
    assert int(second.name.split("-")[1]) > int(first.name.split("-")[1]) > 0

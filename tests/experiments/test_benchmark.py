"""The performance suite: right values, whole results; no test of speed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gdrd_lab.cli import main
from gdrd_lab.experiments.benchmark.measure import Row, peak_megabytes, rows, side_by_side
from gdrd_lab.experiments.benchmark.training import naive_loss, prepare
from gdrd_lab.losses.relational import RelationalContrastiveLoss


@pytest.mark.parametrize("queue", [0, 9])
def test_the_naive_form_has_the_same_value_and_gradient(queue: int) -> None:
    torch.manual_seed(0)
    loss = RelationalContrastiveLoss(6, hidden_size=5, relation_size=4, queue_size=queue).eval()
    if loss.queue is not None:
        loss.queue.push(torch.randn(7, 6), torch.randn(7, 6))
    teacher = torch.randn(5, 6)
    found = []
    for compute in (loss, lambda s, t: naive_loss(loss, s, t)):
        student = torch.randn(5, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        loss.zero_grad()
        value = compute(student, teacher)
        value.backward()
        found.append([value.detach(), student.grad, *(p.grad.clone() for p in loss.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1]) == 6
    for ours, naive in zip(*found, strict=True):
        torch.testing.assert_close(ours, naive, rtol=1e-4, atol=1e-6)


def test_ratios_are_of_the_same_rounds() -> None:
    seconds = {"a": [1.0, 2.0, 4.0], "b": [2.0, 6.0, 8.0]}
    first, second = rows("s", seconds, "images/s", lambda s: 8 / s)
    assert first == Row("s", "a", 4.0, "images/s", 2.0, 8.0, 1.0, 3)
    assert second == Row("s", "b", 8 / 6, "images/s", 1.0, 4.0, 0.5, 3)


def test_cases_take_turns() -> None:
    order: list[str] = []
    seconds = side_by_side({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and [len(own) for own in seconds.values()] == [2, 2]


def hold(megabytes: int) -> Callable[[], None]:
    """Prepare a call that holds so much twice, frees it, and then holds it once."""

    def call() -> None:
        first, second = (torch.ones(megabytes * 250_000) for _ in range(2))
        del first, second
        torch.ones(megabytes * 250_000)

    torch.ones(3 * megabytes * 250_000)  # what was held before the call does not count
    return call


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell its peak memory")
def test_memory_of_a_call() -> None:
    for megabytes in (40, 80):
        assert peak_megabytes(hold, megabytes) == pytest.approx(2 * megabytes, rel=0.02)
    small, large = (peak_megabytes(prepare, 48, queue, 64, True) for queue in (0, 48))
    # 48 x 48 x 48 x 64 floats are 28 MB, and several such tensors live at once; with the queue there are twice as many.
    assert small > 56 and 1.5 < large / small < 2.5


def test_every_suite_runs_and_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--smoke", "--out", str(tmp_path / "b.json")]) == 0
    content = json.loads((tmp_path / "b.json").read_text())
    suites = {row["suite"] for row in content["rows"]}
    assert len(suites) == 8 and content["machine"]["cores"] >= 1
    assert all(row["value"] > 0 and row["low"] <= row["value"] <= row["high"] for row in content["rows"])
    assert "ratio to the first" in capsys.readouterr().out
    assert main(["benchmark", "speed", "--out", str(tmp_path / "c.json")]) == 2
    assert "no suite 'speed'" in capsys.readouterr().err

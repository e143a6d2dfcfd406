"""Allocator settings: they take effect where asked for, and only there."""

import subprocess
import sys

import pytest

LINUX = sys.platform.startswith("linux")

# Page faults of a large allocation, the median of five: a handful where blocks are reused, thousands elsewhere.
FAULTS = """
import resource
import torch
torch.set_num_threads(1)
for _ in range(10):
    torch.ones(2**24).sum()
counts = []
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24).sum()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sorted(counts)[2])
"""


def printed_by(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("allocator", "expected"), [(None, LINUX), ("system", False)])
def test_allocator_settings_take_effect_unless_the_environment_forbids(
    allocator: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GDRD_ALLOCATOR", raising=False)
    if allocator:
        monkeypatch.setenv("GDRD_ALLOCATOR", allocator)
    assert printed_by("from gdrd_lab.machine import keep_freed_memory; print(keep_freed_memory())") == str(expected)


@pytest.mark.skipif(not LINUX, reason="glibc's settings")
def test_memory_stays_only_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GDRD_ALLOCATOR", raising=False)
    imported = int(printed_by("import gdrd_lab" + FAULTS))
    asked = "from gdrd_lab.machine import keep_freed_memory, release_freed_memory; keep_freed_memory()"
    kept = int(printed_by(asked + FAULTS))
    released = int(printed_by(f"{asked}; release_freed_memory()" + FAULTS))
    assert kept * 20 < imported and kept * 20 < released


def test_the_command_line_asks_for_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from gdrd_lab import cli

    calls: list[None] = []
    monkeypatch.setattr(cli, "keep_freed_memory", lambda: calls.append(None))
    assert cli.main(["train", "all", "--config", "no such recipe", "--quiet"]) == 2
    assert calls == [None]

"""Machine facts."""

import subprocess
import sys

from gdrd_lab.io.paths import cache_folder
from gdrd_lab.io.provenance import commit


def test_allocator_settings_take_effect_on_glibc() -> None:
    code = "from gdrd_lab.machine import keep_freed_memory; print(keep_freed_memory())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert out == str(sys.platform.startswith("linux"))


def test_allocator_stops_returning_memory_to_the_kernel() -> None:
    """Page faults of repeated large allocations: a handful where blocks are reused, thousands where they are not."""
    code = """
import os, resource
import {package}
import torch
torch.set_num_threads(1)
for _ in range(10):
    torch.ones(2**24).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(2**24).sum()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = [
        int(
            subprocess.run(
                [sys.executable, "-c", code.format(package=name)], capture_output=True, text=True, check=True
            ).stdout
        )
        for name in ("gdrd_lab", "json")
    ]
    assert faults[0] * 20 < faults[1]


def test_commit_is_a_hash_or_nothing() -> None:
    found = commit().rstrip("+")
    assert found == "" or (len(found) == 12 and int(found, 16) >= 0)


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path

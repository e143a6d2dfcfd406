"""Measuring side by side: cases take turns, so that whatever else the machine does meets them all alike."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from gdrd_lab.machine import release_freed_memory

Clock = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """One number of a suite.

    Args:
        suite: which suite.
        case: what was measured.
        value: the median of the repeats.
        unit: of the value, such as "images/s", "ms" or "MB".
        low: smallest of the repeats.
        high: largest of the repeats.
        ratio: of this case's value to the first case's, from the same rounds; 1 for the first, 0 where there is none.
        repeats: how often it was measured; 1 for what does not vary.
    """

    suite: str
    case: str
    value: float
    unit: str
    low: float
    high: float
    ratio: float = 0.0
    repeats: int = 1


def fixed(suite: str, case: str, value: float, unit: str, ratio: float = 0.0) -> Row:
    """Return a row for a number that does not vary."""
    return Row(suite, case, value, unit, value, value, ratio)


def side_by_side(
    cases: Mapping[str, Callable[[], Any]], repeats: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each case in each of ``repeats`` rounds; one round before them warms up.

    Args:
        clock: time.process_time counts this process's seconds on the processors (over all its threads), for a machine
            that others use too; time.perf_counter counts those on the wall.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, case in cases.items():
            began = clock()
            case()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(clock() - began)
    return seconds


def rows(
    suite: str, seconds: Mapping[str, list[float]], unit: str, convert: Callable[[float], float] = lambda s: 1000 * s
) -> list[Row]:
    """Turn the seconds of each round into rows; a ratio is the median over the rounds of that round's ratio."""
    first = next(iter(seconds.values()))
    out = []
    for name, own in seconds.items():
        values = [convert(value) for value in own]
        ratio = median(convert(a) / convert(b) for a, b in zip(own, first, strict=True))
        out.append(Row(suite, name, median(values), unit, min(values), max(values), ratio, len(values)))
    return out


def peak_megabytes(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the memory a call takes at its highest above what was there before it, in MB (of 10^6 bytes).

    ``function(*arguments)`` prepares and returns the call. On Linux both run in a fresh process, since this one keeps
    the memory it once had; so they must be picklable. NaN on systems that do not tell.
    """
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gdrd_lab.training.pipeline", "gdrd_lab.experiments.benchmark.measure"])
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_peak, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        return float(mine.recv())
    except EOFError:
        return float("inf")  # killed: there was not enough
    finally:
        process.join()


def _peak(pipe: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    release_freed_memory()  # a block kept from before would not count
    prepared = function(*arguments)
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew
    before = _status("VmRSS")
    prepared()
    pipe.send(max(0, _status("VmHWM") - before) / 1000)


def _status(name: str) -> int:
    """A memory figure of this process in units of 1000 bytes."""
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith(name))
    return int(line.split()[1]) * 1024 // 1000

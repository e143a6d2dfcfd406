"""Measuring side by side: cases take turns, so that whatever else the machine does meets them all alike."""

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
    """One number of a suite."""

    suite: str
    case: str  # what was measured
    value: float  # the median of the repeats
    unit: str  # such as "images/s", "ms" or "MB"
    low: float  # smallest of the repeats
    high: float  # largest of the repeats
    ratio: float = 0.0  # of this case's value to the first case's, from the same rounds; 0 where there is none
    repeats: int = 1  # 1 for what does not vary


def fixed(suite: str, case: str, value: float, unit: str, ratio: float = 0.0) -> Row:
    """Return a row for a number that does not vary."""
    return Row(suite, case, value, unit, value, value, ratio)


def side_by_side(
    cases: Mapping[str, Callable[[], Any]], repeats: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each case in each of ``repeats`` rounds; one round before them warms up.

    With time.process_time as ``clock`` they are this process's seconds on the processors, for a machine that is shared.
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


def memory_rows(suite: str, cases: Mapping[str, tuple[Any, ...]]) -> list[Row]:
    """Return the ``peak_megabytes`` of each case's function and arguments, with the ratio to the first case's."""
    peaks = {name: peak_megabytes(*call) for name, call in cases.items()}
    first = next(iter(peaks.values()))
    return [fixed(suite, name, peak, "MB", peak / first if first else 0) for name, peak in peaks.items()]


def peak_megabytes(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the memory a call takes at its highest above what was there before it, in MB (of 10^6 bytes).

    ``function(*arguments)`` prepares and returns the call. On Linux both run in a fresh process, since this one keeps
    the memory it once had; so they must be picklable. NaN on systems that do not tell.
    """
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gdrd_lab.experiments.benchmark.suite"])
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
    """Return a memory figure of this process in units of 1000 bytes."""
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith(name))
    return int(line.split()[1]) * 1024 // 1000

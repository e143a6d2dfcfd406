"""The whole performance suite at two sizes, as JSON and a table."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from rich.console import Console
from rich.table import Table

from gdrd_lab.errors import GdrdError
from gdrd_lab.experiments.benchmark import inference, training
from gdrd_lab.experiments.benchmark.measure import Row
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.io.paths import commit

SUITES = ("networks", "relational", "training", "data", "sampler", "alignment", "targets", "growth")


@dataclass(frozen=True)
class BenchmarkConfig:
    """How much is measured."""

    repeats: int = 5  # rounds of everything that is timed
    cpu_time: bool = False  # seconds on the processors, not on the wall (which reading by several processes stays on)
    batches: tuple[int, ...] = (1, 64)  # of the networks
    shapes: tuple[tuple[int, int, int], ...] = (  # (batch, queue, embedding size) of L_rcd
        *((batch, 0, 128) for batch in (16, 32, 64, 128)),
        *((32, queue, 128) for queue in (512, 2048, 8192)),
        *((32, 512, size) for size in (256, 512)),
    )
    training: tuple[int, int] = (64, 12)  # (batch size, steps) of the loops
    data: tuple[int, int] = (1000, 64)  # (faces, batch size) of reading
    workers: tuple[int, ...] = (0, 1, 2)  # processes that read
    sampler: tuple[int, int] = (16, 8)  # (faces, steps)
    images: int = 128  # of alignment, embedding and the teachers' features
    growth: tuple[int, ...] = (1_000, 5_000, 10_000, 50_000)  # gallery sizes

    @classmethod
    def smoke(cls) -> Self:
        """Return the smallest size that runs everything; its numbers mean nothing."""
        return cls(1, False, (2,), ((6, 4, 8),), (8, 3), (20, 8), (0,), (2, 2), 5, (50, 100))


def run_suites(
    config: BenchmarkConfig, suites: Sequence[str] = SUITES, say: Callable[[str], Any] = lambda _: None
) -> list[Row]:
    """Run some suites one after the other."""
    unknown = sorted(set(suites) - set(SUITES))
    if unknown:
        raise GdrdError(f"There is no suite {unknown[0]!r}", f"Choose among {', '.join(SUITES)}")
    repeats, clock = config.repeats, time.process_time if config.cpu_time else time.perf_counter
    runs: dict[str, Callable[[], list[Row]]] = {
        "networks": lambda: inference.network_rows(config.batches, repeats, clock),
        "relational": lambda: training.relational_rows(config.shapes, repeats, clock),
        "training": lambda: training.training_rows(*config.training, repeats, clock),
        "data": lambda: inference.data_rows(*config.data, config.workers, repeats),
        "sampler": lambda: inference.sampler_rows(*config.sampler, repeats, clock),
        "alignment": lambda: inference.alignment_rows(config.images, repeats, clock),
        "targets": lambda: training.target_rows(config.images, repeats, clock),
        "growth": lambda: inference.growth_rows(config.growth, min(3, repeats), clock),
    }
    out: list[Row] = []
    for name in SUITES:
        if name in suites:
            say(name)
            out += runs[name]()
    return out


def write(path: Path, rows: Sequence[Row], config: BenchmarkConfig) -> Path:
    """Write rows, sizes and the machine as JSON."""
    machine = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "commit": commit(),
    }
    content = {"machine": machine, "config": asdict(config), "rows": [asdict(row) for row in rows]}
    return write_atomically(path, json.dumps(content, indent=1).encode())


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    table = Table("suite", "case", "median", "unit", "lowest to highest", "ratio to the first")
    before = ""
    for row in rows:
        spread = f"{row.low:.4g} to {row.high:.4g}" if row.repeats > 1 else ""
        ratio = f"{row.ratio:.3g}" if row.ratio else ""
        table.add_row("" if row.suite == before else row.suite, row.case, f"{row.value:.4g}", row.unit, spread, ratio)
        before = row.suite
    Console(width=140).print(table)

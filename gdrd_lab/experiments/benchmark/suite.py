"""The whole performance suite at two sizes, as JSON and a table."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.experiments.benchmark import faces
from gdrd_lab.experiments.benchmark.measure import Row
from gdrd_lab.experiments.benchmark.networks import network_rows
from gdrd_lab.experiments.benchmark.relational import relational_rows
from gdrd_lab.experiments.benchmark.targets import target_rows
from gdrd_lab.experiments.benchmark.training import training_rows
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.io.paths import commit

SUITES = ("networks", "relational", "training", "data", "sampler", "alignment", "targets", "growth")


@dataclass(frozen=True)
class BenchmarkConfig:
    """How much is measured.

    Args:
        repeats: rounds of everything that is timed.
        cpu_time: count seconds on the processors, not on the wall (reading by several processes always on the wall).
        batches: batch sizes of the networks.
        shapes: (batch, queue, embedding size) of L_rcd.
        training: (batch size, steps) of the loops.
        data: (faces, batch size) of reading.
        workers: processes that read.
        sampler: (faces, steps).
        images: of alignment, embedding and the teachers' features.
        growth: gallery sizes.
    """

    repeats: int = 5
    cpu_time: bool = False
    batches: tuple[int, ...] = (1, 64)
    shapes: tuple[tuple[int, int, int], ...] = (
        (16, 0, 128),
        (32, 0, 128),
        (64, 0, 128),
        (128, 0, 128),
        (32, 512, 128),
        (32, 2048, 128),
        (32, 8192, 128),
        (32, 512, 256),
        (32, 512, 512),
    )
    training: tuple[int, int] = (64, 12)
    data: tuple[int, int] = (1000, 64)
    workers: tuple[int, ...] = (0, 1, 2)
    sampler: tuple[int, int] = (16, 8)
    images: int = 128
    growth: tuple[int, ...] = (1_000, 5_000, 10_000, 50_000)

    @classmethod
    def smoke(cls) -> BenchmarkConfig:
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
        "networks": lambda: network_rows(config.batches, repeats, clock),
        "relational": lambda: relational_rows(config.shapes, repeats, clock),
        "training": lambda: training_rows(*config.training, repeats, clock),
        "data": lambda: faces.data_rows(*config.data, config.workers, repeats),
        "sampler": lambda: faces.sampler_rows(*config.sampler, repeats, clock),
        "alignment": lambda: faces.alignment_rows(config.images, repeats, clock),
        "targets": lambda: target_rows(config.images, repeats, clock),
        "growth": lambda: faces.growth_rows(config.growth, min(3, repeats), clock),
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
        "cores": faces.cores(),
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
    from rich.console import Console
    from rich.table import Table

    table = Table("suite", "case", "median", "unit", "lowest to highest", "ratio to the first")
    before = ""
    for row in rows:
        spread = f"{row.low:.4g} to {row.high:.4g}" if row.repeats > 1 else ""
        ratio = f"{row.ratio:.3g}" if row.ratio else ""
        table.add_row("" if row.suite == before else row.suite, row.case, f"{row.value:.4g}", row.unit, spread, ratio)
        before = row.suite
    Console(width=140).print(table)

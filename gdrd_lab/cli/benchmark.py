"""`gdrd benchmark`: what things cost on this machine, side by side."""

import argparse
from pathlib import Path

from gdrd_lab.cli._options import command


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(commands, "benchmark", run, "measure speed and memory side by side, as a table and JSON")
    suites = "networks, relational, training, data, sampler, alignment, targets, growth; all if none is named"
    parser.add_argument("suites", nargs="*", help=suites)
    parser.add_argument("--smoke", action="store_true", help="the smallest size, to see that everything runs")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--cpu-time", action="store_true", help="measure processor time: for a busy machine")
    parser.add_argument("--threads", type=int, help="threads of torch and onnxruntime; torch's choice if not given")
    parser.add_argument("--out", type=Path, default=Path("results/benchmark.json"), help="JSON file to write")


def run(arguments: argparse.Namespace) -> None:
    """Student against teacher, L_rcd against its naive form, our training step against a plain loop,
    reading, sampling, aligning, embedding, and growth with the gallery. Cases take turns in every round;
    the table gives the median and the spread.
    """
    import torch
    from tqdm.auto import tqdm

    from gdrd_lab.experiments.benchmark import suite

    config = suite.BenchmarkConfig(arguments.repeats, arguments.cpu_time)
    if arguments.smoke:
        config = suite.BenchmarkConfig.smoke()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    rows = suite.run_suites(config, arguments.suites or suite.SUITES, lambda name: tqdm.write(f"measuring {name} ..."))
    written = suite.write(arguments.out, rows, config)
    suite.show(rows)
    print(f"Results: {written}")

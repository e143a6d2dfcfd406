"""`gdrd benchmarks`: the published metrics of a benchmark, from its official files."""

from __future__ import annotations

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import add_methods, add_output, command, print_table

BENCHMARKS = ("tinyface", "scface", "survface", "ijbb", "ijbc", "bin")


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "benchmarks",
        run,
        "score on TinyFace, SCface, QMUL-SurvFace, IJB-B, IJB-C or a verification .bin",
        "Compute a benchmark's published metrics from its official files. For testing only.",
    )
    parser.add_argument("benchmark", choices=BENCHMARKS, help="the benchmark")
    parser.add_argument("path", type=Path, help="its folder, or the .bin file")
    add_methods(parser, "sface", "student")
    parser.add_argument("--flip", action="store_true", help="average the embeddings of a face and its mirror image")
    add_output(parser, "results/benchmarks.json")


def run(arguments: argparse.Namespace) -> None:
    """Score, write and print."""
    import json
    from collections.abc import Callable
    from dataclasses import asdict
    from functools import partial

    from gdrd_lab.evaluation import benchmarks as protocols
    from gdrd_lab.io.atomic import write_atomically
    from gdrd_lab.io.paths import commit
    from gdrd_lab.models.recogniser import Recogniser

    score: dict[str, Callable[[Path, Recogniser, gl.EmbedOptions], list[protocols.Metric]]] = {
        "tinyface": protocols.score_tinyface,
        "scface": protocols.score_scface,
        "survface": protocols.score_survface,
        "ijbb": partial(protocols.score_ijb, name="ijbb"),
        "ijbc": protocols.score_ijb,
        "bin": protocols.score_bin,
    }
    options = gl.EmbedOptions(arguments.flip, progress=not arguments.quiet)
    found: dict[str, list[protocols.Metric]] = {}
    for recogniser in gl.load_models(arguments.methods):
        found[recogniser.name] = score[arguments.benchmark](arguments.path, recogniser, options)
    content = {
        "benchmark": arguments.benchmark,
        "flip": arguments.flip,
        "commit": commit(),
        "scores": {name: [asdict(metric) for metric in metrics] for name, metrics in found.items()},
    }
    written = write_atomically(arguments.out, json.dumps(content, indent=1).encode())
    rows = (
        [row[0].name, f"{row[0].n:,}", *(f"{100 * metric.value:.2f}" for metric in row)]
        for row in zip(*found.values(), strict=True)
    )
    print_table(arguments.benchmark, ["metric", "n", *found], rows)
    print(f"Results: {written}")

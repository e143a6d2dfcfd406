"""`gdrd official`: the published measures of a benchmark, from its official files."""

from __future__ import annotations

import argparse
from pathlib import Path

BENCHMARKS = ("tinyface", "scface", "survface", "ijbb", "ijbc", "bin")


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "official",
        help="score on TinyFace, SCface, QMUL-SurvFace, IJB-B, IJB-C or a verification .bin",
        description="Compute a benchmark's published measures from its official files. For testing only.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("benchmark", choices=BENCHMARKS, help="which")
    command.add_argument("path", type=Path, help="its folder, or the .bin file")
    command.add_argument(
        "--methods",
        nargs="+",
        default=["sface", "student"],
        metavar="METHOD",
        help="sface, student, dlib, a student's folder or .onnx file",
    )
    command.add_argument("--flip", action="store_true", help="average each embedding with its mirror image's")
    command.add_argument("--out", type=Path, default=Path("results/official.json"), help="JSON file to write")
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Score, write and print."""
    import json
    from collections.abc import Callable
    from dataclasses import asdict
    from functools import partial

    from rich.console import Console
    from rich.table import Table

    from gdrd_lab.datasets.embed import embed_all
    from gdrd_lab.evaluation import benchmarks as official
    from gdrd_lab.io.atomic import write_atomically
    from gdrd_lab.io.provenance import commit
    from gdrd_lab.models.registry import load_model

    score: dict[str, Callable[[Path, official.Embed], list[official.Metric]]] = {
        "tinyface": official.score_tinyface,
        "scface": official.score_scface,
        "survface": official.score_survface,
        "ijbb": partial(official.score_ijb, name="ijbb"),
        "ijbc": official.score_ijb,
        "bin": official.score_bin,
    }
    options = {"flip": arguments.flip, "progress": not arguments.quiet}
    found: dict[str, list[official.Metric]] = {}
    for method in arguments.methods:
        recogniser = load_model(method)
        found[recogniser.name] = score[arguments.benchmark](arguments.path, partial(embed_all, recogniser, **options))
    content = {
        "benchmark": arguments.benchmark,
        "flip": arguments.flip,
        "commit": commit(),
        "scores": {name: [asdict(measure) for measure in measures] for name, measures in found.items()},
    }
    written = write_atomically(arguments.out, json.dumps(content, indent=1).encode())
    table = Table("measure", "n", *found, title=arguments.benchmark)
    for rows in zip(*found.values(), strict=True):
        table.add_row(rows[0].name, f"{rows[0].n:,}", *(f"{100 * row.value:.2f}" for row in rows))
    Console().print(table)
    print(f"Results: {written}")

"""`gdrd benchmarks`: the published metrics of a benchmark, from its official files."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import add_methods, add_output, command, print_table

BENCHMARKS = ("tinyface", "scface", "survface", "ijbb", "ijbc", "yaleb", "utkface", "bin")


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    text = "score on a published benchmark, from its official files"
    parser = command(commands, "benchmarks", run, text)
    parser.add_argument("benchmark", choices=BENCHMARKS, help="the benchmark")
    parser.add_argument("path", type=Path, help="its folder, or the .bin file")
    add_methods(parser, "sface", "student")
    parser.add_argument("--flip", action="store_true", help="average the embeddings of a face and its mirror image")
    add_output(parser, "results/benchmarks.json")


def run(arguments: argparse.Namespace) -> None:
    """Compute a benchmark's published metrics from its official files. For testing only."""
    import json
    from dataclasses import asdict
    from functools import partial

    from gdrd_lab.evaluation import benchmarks as protocols
    from gdrd_lab.evaluation.results import provenance
    from gdrd_lab.io.atomic import write_atomically
    from gdrd_lab.io.paths import commit

    name, options = arguments.benchmark, gl.EmbedOptions(arguments.flip, progress=not arguments.quiet)
    ijb = partial(protocols.score_ijb, name=name)
    score = ijb if name in ("ijbb", "ijbc") else getattr(protocols, f"score_{name}")
    found = {model.name: score(arguments.path, model, options) for model in gl.load_models(arguments.methods)}
    scores = {method: [asdict(metric) for metric in metrics] for method, metrics in found.items()}
    content = {"benchmark": name, "flip": arguments.flip, "commit": commit(), **provenance(), "scores": scores}
    written = write_atomically(arguments.out, json.dumps(content, indent=1).encode())
    lines = zip(*found.values(), strict=True)
    rows = ([line[0].name, f"{line[0].n:,}", *(f"{100 * metric.value:.2f}" for metric in line)] for line in lines)
    print_table(name, ["metric", "n", *found], rows)
    print(f"Results: {written}")

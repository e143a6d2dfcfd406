"""`gdrd quality`: how true the generative teacher's faces are, against a plain enlargement."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "quality",
        help="PSNR, SSIM and identity of super-resolved faces",
        description="Compare super-resolved faces with the sharp ones over several seeds: pixels (PSNR), structure "
        "(SSIM) and identity (cosine of the recogniser's embeddings), beside bicubic enlargement.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("--data", default="embedded", help="embedded, lfw, or a path to faces")
    command.add_argument("--generative", help="generative teacher: folder or hub id; the shipped one if not given")
    command.add_argument("--resolutions", type=int, nargs="+", default=[8, 16], metavar="PX", help="sides of the input")
    command.add_argument("--steps", type=int, nargs="+", default=[1, 4, 20], help="denoising steps to compare")
    command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the generation")
    command.add_argument("--faces", type=int, default=64, help="faces to judge, drawn from the set")
    command.add_argument(
        "--hold-out", type=float, default=0.0, metavar="SHARE", help="judge only what `gdrd train` held out"
    )
    command.add_argument("--judge", default="sface", help="recogniser that judges identity: sface or dlib")
    command.add_argument("--out", type=Path, default=Path("results/quality.json"), help="JSON file to write")
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Judge, write and print."""
    from rich.console import Console
    from rich.table import Table

    from gdrd_lab.datasets.base import random_subset, split_identities
    from gdrd_lab.datasets.registry import load_dataset
    from gdrd_lab.evaluation.metrics.image_quality import compare_steps
    from gdrd_lab.evaluation.results import write_rows
    from gdrd_lab.models.diffusion.pipeline import load_generative
    from gdrd_lab.models.registry import load_model, shipped_generative

    faces = load_dataset(arguments.data, progress=not arguments.quiet)
    if arguments.hold_out:
        _, faces = split_identities(faces, arguments.hold_out)
    rows = compare_steps(
        load_generative(arguments.generative or shipped_generative()),
        random_subset(faces, arguments.faces),
        load_model(arguments.reference_model),
        resolutions=arguments.resolutions,
        steps=arguments.steps,
        seeds=arguments.seeds,
        progress=not arguments.quiet,
    )
    written = write_rows(arguments.out, rows)
    table = Table("input", "method", "PSNR, dB", "SSIM", "identity", title=f"{faces.name}: mean ± deviation over seeds")
    for row in rows:
        table.add_row(f"{row.resolution} px", row.method, *row.quality.cells())
    Console().print(table)
    print(f"Results: {written}")

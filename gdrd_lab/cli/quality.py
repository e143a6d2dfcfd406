"""`gdrd quality`: how true the generative teacher's faces are, against a plain enlargement."""

import argparse

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = flags.command(commands, "quality", run, "PSNR, SSIM, identity and realism of super-resolved faces")
    flags.add_data(parser)
    flags.add_generative(parser)
    flags.add_resolutions(parser, 8, 16)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 4, 20], help="denoising steps to compare")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the generation")
    parser.add_argument("--faces", type=int, default=64, help="number of faces, a random subset of the data")
    flags.add_validation_split(
        parser, "use only the identities that `gdrd train --validation-split` kept from training"
    )
    parser.add_argument("--reference-model", default="sface", help="recogniser that measures identity: sface or dlib")
    flags.add_output(parser, "results/quality.json")


def run(arguments: argparse.Namespace) -> None:
    """Compare super-resolved faces with the sharp ones over several seeds: pixels (PSNR), structure
    (SSIM), identity (cosine of a recogniser's embeddings) and realism (the kernel distance of the embeddings
    of both sets, KID), with bicubic interpolation as the baseline.
    """
    from gdrd_lab.datasets.base import random_subset
    from gdrd_lab.evaluation.metrics.image_quality import compare_steps
    from gdrd_lab.evaluation.results import write_rows
    from gdrd_lab.models.registry import shipped_generative

    generative, judge = arguments.generative or shipped_generative(), gl.load_model(arguments.reference_model)
    faces = flags.held_out(arguments, flags.open_data(arguments), (), generative)
    options = gl.EmbedOptions(batch_size=32, progress=not arguments.quiet)
    chosen = {name: getattr(arguments, name) for name in ("resolutions", "steps", "seeds")}
    pictures = random_subset(faces, arguments.faces)
    rows = compare_steps(gl.load_generative(generative), pictures, judge, options=options, **chosen)
    written = write_rows(arguments.out, rows)
    cells = ([f"{row.resolution} px", row.method, *row.quality.cells()] for row in rows)
    header = ["input", "method", "PSNR, dB", "SSIM", "identity", "KID"]
    flags.print_table(f"{faces.name}: mean ± deviation over seeds", header, cells)
    print(f"Results: {written}")

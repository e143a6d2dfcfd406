"""`gdrd probe`: what a linear map reads about identity from the generative teacher's features."""

import argparse

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = flags.command(commands, "probe", run, "what features of the generative teacher say about identity")
    flags.add_data(parser)
    text = "generative teachers, as [NAME=] folder or hub id; the shipped one if not given"
    parser.add_argument("--generative", nargs="+", default=[], help=text)
    parser.add_argument("--timesteps", type=int, nargs="+", default=[0, 100, 400, 800, 999], help="of the features")
    parser.add_argument("--resolution", type=int, default=16, help="resolution of the faces")
    parser.add_argument("--faces", type=int, default=4000, help="faces that the map is fitted on, a random subset")
    flags.add_validation_split(parser, "share of the identities that judge, if no teacher's record says who")
    parser.set_defaults(validation_split=0.2)
    flags.add_output(parser, "results/probe.json")


def run(arguments: argparse.Namespace) -> None:
    """Fit a linear map from features of low-resolution faces to SFace's embeddings of the sharp faces and
    compare all faces of other people by what it predicts (AUC): each block and timestep of generative
    teachers, an untrained one, the pixels, and SFace's own blocks.
    """
    from gdrd_lab.analysis import identity_probe as probe
    from gdrd_lab.datasets.base import random_subset
    from gdrd_lab.datasets.split import split_records
    from gdrd_lab.evaluation.results import write_rows
    from gdrd_lab.models.registry import labelled, shipped_generative
    from gdrd_lab.models.sface import load_sface
    from gdrd_lab.training.checkpoint import read_metadata

    named = [labelled(text) for text in arguments.generative or [str(shipped_generative())]]
    records = split_records(*(read_metadata(path) for _, path in named))
    fit, judge = gl.split_identities(flags.open_data(arguments), arguments.validation_split, records=records)
    fit = random_subset(fit, min(arguments.faces, len(fit)))
    teachers = {name or "generative teacher": gl.load_generative(path) for name, path in named}
    sface = load_sface()
    readers = {
        ("pixels", 0): probe.pixels,
        ("SFace", 0): probe.recogniser_reader(sface, [f"blocks.{k}" for k in (1, 3, 5, 8, 10)]),
        ("untrained", 0): probe.diffusion_reader(probe.untrained(next(iter(teachers.values()))), 0),
    }
    readers |= {(n, t): probe.diffusion_reader(net, t) for n, net in teachers.items() for t in arguments.timesteps}
    rows = probe.probe_identity(readers, fit, judge, sface, arguments.resolution, not arguments.quiet)
    written = write_rows(arguments.out, rows)
    title = f"{judge.name} at {arguments.resolution} px: AUC of all pairs of {len(judge)} faces"
    cells = ([row.network, row.block, str(row.timestep), f"{row.auc:.3f}"] for row in rows)
    flags.print_table(title, ["network", "block", "timestep", "AUC"], cells)
    for name in teachers:
        best = probe.best_block(rows, name)
        print(f"{name}: most from {best.block} at timestep {best.timestep} (AUC {best.auc:.3f})")
    print(f"Results: {written}")

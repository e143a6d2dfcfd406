"""`gdrd calibrate`: what scores of real people mean, as counts without a face or a name, for the app."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = flags.command(commands, "calibrate", run)
    flags.add_data(parser)
    flags.add_methods(parser, "sface", "student", "assistant", "dlib")
    text = "use only the identities that `gdrd train --validation-split` kept from training"
    flags.add_validation_split(parser, text)
    parser.add_argument("--out", type=Path, help="JSON file to write; the shipped one if not given")
    flags.add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Count the scores of all pairs of labelled faces, by method, camera and resolution, for the app's thresholds.

    What was measured before is in the cache, so after a change of one model only that model is measured.
    """
    from gdrd_lab.evaluation.real_people import shipped_file, write_real_people

    recognisers = gl.load_models(arguments.methods)
    faces = flags.held_out(arguments, flags.open_data(arguments), recognisers)
    out = arguments.out or shipped_file()
    write_real_people(out, recognisers, faces, progress=not arguments.quiet)
    print(f"Calibration: {out}")

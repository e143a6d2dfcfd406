"""`gdrd calibrate`: what scores of real people mean, as counts without a face or a name, for the app."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags

CAMERAS = ("clean", "webcam", "surveillance")  # those of evaluation.real_people, which would load torch here


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = flags.command(commands, "calibrate", run)
    flags.add_data(parser)
    flags.add_methods(parser, "sface", "student", "assistant", "dlib")
    text = "use only the identities that `gdrd train --validation-split` kept from training"
    flags.add_validation_split(parser, text)
    text = "presets that take the faces"
    parser.add_argument("--cameras", nargs="+", default=list(CAMERAS), choices=CAMERAS, help=text)
    parser.add_argument("--out", type=Path, help="JSON file to write; the shipped one if not given")
    flags.add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Count the scores of all pairs of labelled faces, by method, camera and resolution, for the app's thresholds.

    What was measured before is in the cache, so after a change of one model only that model is measured.
    """
    from gdrd_lab.evaluation import real_people as people
    from gdrd_lab.evaluation.calibration import FAR, RESOLUTIONS

    recognisers = gl.load_models(arguments.methods)
    faces = flags.held_out(arguments, flags.open_data(arguments), recognisers)
    out = arguments.out or people.shipped_file()
    cameras = {camera: people.CAMERAS[camera] for camera in arguments.cameras}
    people.write_real_people(out, recognisers, faces, cameras, not arguments.quiet)
    rows = []
    for recogniser in recognisers:
        known = people.real_people(recogniser, path=out)
        if known is not None and FAR in known.fars():
            shares = (known.shares(r, known.threshold(r))[1] for r in RESOLUTIONS)
            rows.append([recogniser.name, *(f"{share:.1%}" for share in shares)])
    title = f"Genuine pairs above the threshold of a false match rate of {FAR:.0%}, camera clean"
    flags.print_table(title, ["method", *(f"{r} px" for r in RESOLUTIONS)], rows)
    print(f"Calibration: {out}")

"""Flags that several commands share, each described once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gdrd_lab as gl

DATA = "synthetic, lfw, training (the folder in $GDRD_FACES), or a path to faces"
METHODS = "sface, dlib, student, paper-student, assistant, super-resolved, or [NAME=] a student's folder or .onnx file"


def command(commands: Any, name: str, run: Any, help: str, description: str = "") -> argparse.ArgumentParser:
    """Add a command whose help shows the defaults."""
    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=description or help[:1].upper() + help[1:] + ".", formatter_class=formatter
    )
    parser.set_defaults(run=run)
    return parser


def add_data(parser: argparse.ArgumentParser, positional: bool = False, optional: bool = False) -> None:
    """Add the faces to read, and how images become faces."""
    if optional:
        parser.add_argument("data", nargs="?", default="synthetic", help=DATA)
    elif positional:
        parser.add_argument("data", help=DATA)
    else:
        parser.add_argument("--data", default="synthetic", help=DATA)
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how images become faces."""
    reading = parser.add_argument_group("reading images")
    how = reading.add_mutually_exclusive_group()
    how.add_argument(
        "--aligned", dest="align", action="store_const", const="never", default="auto",
        help="take every image as an aligned face",
    )  # fmt: skip
    how.add_argument(
        "--align", dest="align", action="store_const", const="always", default=argparse.SUPPRESS,
        help="detect and align the face of every image",
    )  # fmt: skip
    add_face_selection(reading)
    reading.add_argument("--skip-unreadable", action="store_true", help="leave out images that cannot be used")


def add_face_selection(parser: Any) -> None:
    """Add which face of a photograph with several is taken."""
    parser.add_argument(
        "--face-selection",
        choices=("refuse", "largest", "central"),
        default="refuse",
        help="the face to take from a photograph with several",
    )


def read_options(arguments: argparse.Namespace) -> gl.ReadOptions:
    """Return what ``add_reading`` asked for."""
    return gl.ReadOptions(
        align=arguments.align,
        face_selection=face_selection(arguments),
        skip_unreadable=arguments.skip_unreadable,
        progress=not getattr(arguments, "quiet", False),
    )


def face_selection(arguments: argparse.Namespace) -> Any:
    """Return the choice of ``add_face_selection``: None refuses photographs with several faces."""
    return None if arguments.face_selection == "refuse" else arguments.face_selection


def open_data(arguments: argparse.Namespace, training: bool = False) -> gl.FaceDataset:
    """Open the faces of ``add_data`` and print what was found, unless ``--quiet``."""
    from gdrd_lab.datasets.registry import report

    faces = gl.load_dataset(arguments.data, training=training, options=read_options(arguments))
    if not getattr(arguments, "quiet", False):
        print(report(faces))
    return faces


def add_methods(parser: argparse.ArgumentParser, *default: str, flag: str = "--methods") -> None:
    """Add the recognisers to score."""
    parser.add_argument(
        flag, nargs="*" if flag == "--baselines" else "+", default=list(default), metavar="METHOD", help=METHODS
    )


def add_generative(parser: argparse.ArgumentParser) -> None:
    """Add the generative teacher."""
    parser.add_argument("--generative", help="generative teacher: a folder or hub id; the shipped one if not given")


def add_resolutions(parser: argparse.ArgumentParser, *default: int) -> None:
    """Add the resolutions that faces are reduced to."""
    parser.add_argument(
        "--resolutions", type=int, nargs="+", default=list(default), metavar="PX", help="resolutions of the faces"
    )


def add_validation_split(parser: argparse.ArgumentParser, help: str) -> None:
    """Add the share of the identities that is kept from training."""
    parser.add_argument("--validation-split", type=float, default=0.0, metavar="SHARE", help=help)


def add_output(parser: argparse.ArgumentParser, default: str, help: str = "JSON file to write") -> None:
    """Add the place of the results and the switch for progress bars."""
    parser.add_argument("--out", type=Path, default=Path(default), help=help)
    add_quiet(parser)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the switch for progress bars."""
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def print_table(title: str, header: list[str], rows: Any) -> None:
    """Print rows of strings as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)

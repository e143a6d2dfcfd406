"""Flags that several commands share, each described once."""

from __future__ import annotations  # gl.ReadOptions would load numpy before it is needed

from argparse import SUPPRESS, ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gdrd_lab as gl

DATA = "synthetic, lfw, training (the folder in $GDRD_FACES), or a path to faces"
METHODS = (
    "sface, dlib, student, paper-student, assistant, super-resolved, super-resolved-dlib, "
    "or [NAME=] a student's folder or .onnx file"
)


def command(commands: Any, name: str, run: Callable[[Namespace], None], help: str = "") -> ArgumentParser:
    """Add a command. The docstring of ``run`` describes it and is its short help too, unless ``help`` is given."""
    text = " ".join((run.__doc__ or help).split())
    short = help or text[:1].lower() + text[1:].rstrip(".")
    parser: ArgumentParser = commands.add_parser(
        name, help=short, description=text, formatter_class=ArgumentDefaultsHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


def add_data(parser: ArgumentParser, name: str = "--data", nargs: str | None = None) -> None:
    """Add the faces to read, and how images become faces."""
    parser.add_argument(name, nargs=nargs, default="synthetic", help=DATA)
    add_reading(parser)


def add_reading(parser: ArgumentParser, several: str = "refuse", skip: bool = True) -> None:
    reading = parser.add_argument_group("reading images")
    how = reading.add_mutually_exclusive_group()
    const: dict[str, Any] = {"dest": "align", "action": "store_const"}
    how.add_argument("--aligned", **const, const="never", default="auto", help="take every image as an aligned face")
    text = "detect and align the face of every image"
    how.add_argument("--align", **const, const="always", default=SUPPRESS, help=text)
    add_face_selection(reading, several)
    if skip:
        reading.add_argument("--skip-unreadable", action="store_true", help="leave out images that cannot be used")


def add_face_selection(parser: Any, several: str = "refuse") -> None:
    choices = ("refuse", "largest", "central")
    text = "the face to take from a photograph with several"
    parser.add_argument("--face-selection", choices=choices, default=several, help=text)


def read_options(arguments: Namespace) -> gl.ReadOptions:
    """Return what ``add_reading`` asked for."""
    quiet = getattr(arguments, "quiet", False)
    return gl.ReadOptions(arguments.align, face_selection(arguments), arguments.skip_unreadable, not quiet)


def face_selection(arguments: Namespace) -> Any:
    """Return the choice of ``add_face_selection``: None refuses photographs with several faces."""
    return None if arguments.face_selection == "refuse" else arguments.face_selection


def open_data(arguments: Namespace, training: bool = False) -> gl.FaceDataset:
    """Open the faces of ``add_data`` and print what was found, unless ``--quiet``."""
    return _reported(arguments, gl.load_dataset(arguments.data, training=training, options=read_options(arguments)))


def _reported(arguments: Namespace, faces: gl.FaceDataset) -> gl.FaceDataset:
    from gdrd_lab.datasets.registry import report

    if not getattr(arguments, "quiet", False):
        print(report(faces))
    return faces


def add_methods(parser: ArgumentParser, *default: str, flag: str = "--methods") -> None:
    nargs = "*" if flag == "--baselines" else "+"
    parser.add_argument(flag, nargs=nargs, default=list(default), metavar="METHOD", help=METHODS)


def add_generative(parser: ArgumentParser) -> None:
    parser.add_argument("--generative", help="generative teacher: a folder or hub id; the shipped one if not given")


def add_resolutions(parser: ArgumentParser, *default: int) -> None:
    text = "resolutions of the faces"
    parser.add_argument("--resolutions", type=int, nargs="+", default=list(default), metavar="PX", help=text)


def add_validation_split(parser: ArgumentParser, help: str) -> None:
    parser.add_argument("--validation-split", type=float, default=0.0, metavar="SHARE", help=help)


def held_out(
    arguments: Namespace, faces: gl.FaceDataset, recognisers: Iterable[gl.Recogniser], *generative: Path | str
) -> gl.FaceDataset:
    """Return, and count, the faces that ``add_validation_split`` asked for: of people that no model was trained on."""
    from gdrd_lab.datasets.split import split_records
    from gdrd_lab.training.checkpoint import read_metadata

    if not arguments.validation_split:
        return faces
    known = [getattr(recogniser, "metadata", {}) for recogniser in recognisers] + list(map(read_metadata, generative))
    split = gl.split_identities(faces, arguments.validation_split, records=split_records(*known))
    return _reported(arguments, split[1])


def add_output(parser: ArgumentParser, default: str, help: str = "JSON file to write") -> None:
    parser.add_argument("--out", type=Path, default=Path(default), help=help)
    add_quiet(parser)


def add_quiet(parser: ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def print_table(title: str, header: list[str], rows: Any) -> None:
    """Print rows of strings as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)

"""`gdrd course check`: a reader's progress, and a grading table for a folder of notebooks."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = commands.add_parser("course", help="check the exercises of a notebook or of a class")
    check = flags.command(parser.add_subparsers(metavar="COMMAND", required=True), "check", run)
    check.add_argument("place", type=Path, help="a notebook, or a folder with a folder of notebooks for each reader")
    check.add_argument("--seconds", type=float, default=120.0, help="longest time for one notebook")


def run(arguments: argparse.Namespace) -> None:
    """Run the checks of the exercises in a notebook, or in all notebooks of a folder as a grading table. Only the
    reader's functions are run, but with your rights: check notebooks of people whom you trust.
    """
    from gdrd_lab.course.progress import verdicts_in_time

    place, rows = arguments.place, {}
    if not place.is_dir():
        found = verdicts_in_time(place, arguments.seconds)
        print(*found, f"{sum(v.passed for v in found)} of {len(found)} exercises are right.", sep="\n")
        return
    for file in sorted(place.rglob("*.ipynb")):
        try:
            found = verdicts_in_time(file, arguments.seconds) if ".ipynb_checkpoints" not in file.parts else []
        except gl.GdrdError as error:
            print(f"Left out: {error}")
            continue
        if found:
            not_yet = ", ".join(v.exercise for v in found if not v.passed)
            right = f"{sum(v.passed for v in found)} of {len(found)}"
            rows[file] = [str(file.parent.relative_to(place)), file.stem, right, not_yet]
    if not rows:
        raise gl.GdrdError(f"{place} holds no exercises of the course", "Give notebooks of `gdrd notebooks`")
    flags.print_table("Exercises that are right", ["reader", "lesson", "right", "not yet"], rows.values())

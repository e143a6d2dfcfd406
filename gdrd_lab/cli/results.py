"""`gdrd results`: the results page from the result files."""

import argparse
from pathlib import Path

from gdrd_lab.cli._options import command


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(commands, "results", run, "write the results page from result files")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data/results"), help="folder of JSON files")
    parser.add_argument("--out", type=Path, default=Path("data/RESULTS.md"), help="Markdown file to write")


def run(arguments: argparse.Namespace) -> None:
    """Make a Markdown page with tables and figures from the JSON files that other commands wrote."""
    from gdrd_lab.reports.page import write_page

    missing = write_page(arguments.folder, arguments.out)
    print(f"Page: {arguments.out}")
    if missing:
        print(f"Left out, for want of its file: {', '.join(missing)}")

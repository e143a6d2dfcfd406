"""`gdrd results`: the results page from the result files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "results",
        help="write the results page from result files",
        description="Make a Markdown page with tables and figures from the JSON files that evaluate, ablate, quality, "
        "failures and bench wrote.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("folder", nargs="?", type=Path, default=Path("data/results"), help="folder of JSON files")
    command.add_argument("--out", type=Path, default=Path("data/RESULTS.md"), help="Markdown file to write")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the page."""
    from gdrd_lab.reports.page import write_page

    missing = write_page(arguments.folder, arguments.out)
    print(f"Page: {arguments.out}")
    if missing:
        print(f"Left out, for want of its file: {', '.join(missing)}")

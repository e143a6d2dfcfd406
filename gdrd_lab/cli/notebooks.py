"""`gdrd notebooks`: a copy of the course to work in."""

import argparse
import shlex
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import command


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(commands, "notebooks", run)
    parser.add_argument("folder", type=Path, help="folder to write; it is made if it is missing")
    parser.add_argument("--force", action="store_true", help="replace files that you changed")


def run(arguments: argparse.Namespace) -> None:
    """Copy the notebooks of the course into a folder."""
    from gdrd_lab.io.atomic import write_atomically
    from gdrd_lab.io.paths import PACKAGE, checkout

    source, target = (checkout() or PACKAGE) / "notebooks", arguments.folder
    files = sorted((*source.glob("*.ipynb"), *source.glob("*.md")))
    if not files:
        raise gl.GdrdError(f"The notebooks are not in {source}", "Install the package again")
    kept = []
    for file in files:
        copy, content = target / file.name, file.read_bytes()
        if copy.is_file() and copy.read_bytes() != content and not arguments.force:
            kept.append(file.name)
        else:
            write_atomically(copy, content)
    print(f"The course is in {target}. Open it with: jupyter lab {shlex.quote(str(target))}")
    if kept:
        print(f"Kept {len(kept)} files that you changed: {', '.join(kept)}. --force replaces them.")

"""`gdrd faces`: look at a face set, align photographs, write out the embedded faces."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command and its three actions."""
    command = commands.add_parser("faces", help="describe a face set, align photographs, or write the embedded faces")
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)

    info = actions.add_parser("info", help="count faces and identities")
    info.add_argument(
        "data", nargs="?", default="embedded", help="embedded, lfw, training, or a path (default: embedded)"
    )
    info.set_defaults(run=run_info)

    align = actions.add_parser("align", help="align a folder of photographs to 112 px faces")
    align.add_argument("source", type=Path, help="folder of photographs or of identity folders")
    align.add_argument("out", type=Path, help="folder that receives the aligned faces as PNG")
    align.add_argument(
        "--several",
        choices=("refuse", "largest", "central"),
        default="refuse",
        help="which face to take where there are several",
    )
    align.set_defaults(run=run_align)

    sample = actions.add_parser("sample", help="write faces of the embedded set, which are nobody's photograph")
    sample.add_argument("out", type=Path, help="folder that receives identity folders of PNG files")
    sample.add_argument("--identities", type=int, default=60, help="number of identities (default: 60)")
    sample.add_argument("--per-identity", type=int, default=5, help="faces of each (default: 5)")
    sample.add_argument("--size", type=int, default=64, help="side in pixels (default: 64)")
    sample.add_argument("--seed", type=int, default=0, help="seed (default: 0)")
    sample.set_defaults(run=run_sample)


def run_info(arguments: argparse.Namespace) -> None:
    """Print the facts of a face set."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from gdrd_lab.datasets.registry import load_dataset

    faces = load_dataset(arguments.data)
    labels, counts = np.unique(faces.labels[faces.labels >= 0], return_counts=True)
    table = Table("fact", "value", title=faces.name)
    table.add_row("faces", f"{len(faces):,}")
    table.add_row("side", f"{faces.size} px")
    table.add_row("identities", f"{len(labels):,}")
    table.add_row("identities with two or more faces", f"{int((counts > 1).sum()):,}")
    table.add_row("faces without a known identity", f"{int((faces.labels < 0).sum()):,}")
    Console().print(table)


def run_align(arguments: argparse.Namespace) -> None:
    """Align every photograph below a folder; those that cannot be aligned are named and left out."""
    from gdrd_lab.datasets.folder import align_folder

    face_selection = None if arguments.face_selection == "refuse" else arguments.face_selection
    done, refused = align_folder(arguments.source, arguments.out, face_selection=face_selection)
    for name, reason in refused:
        print(f"left out {name}: {reason}")
    print(f"{done} faces aligned into {arguments.out}, {len(refused)} left out")


def run_sample(arguments: argparse.Namespace) -> None:
    """Write embedded faces as PNG files."""
    from gdrd_lab.datasets.folder import write_faces
    from gdrd_lab.datasets.synthetic import synthetic_faces

    faces = synthetic_faces(arguments.identities, arguments.per_identity, arguments.size, arguments.seed)
    write_faces(faces, arguments.out)
    print(f"{len(faces)} faces of {arguments.identities} identities in {arguments.out}")

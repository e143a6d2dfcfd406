"""`gdrd faces`: look at a face set, align photographs, write synthetic faces."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import add_data, add_face_selection, command, face_selection, open_data, print_table


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command and its actions."""
    group = commands.add_parser("faces", help="describe a data set, align photographs, or write synthetic faces")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)

    add_data(command(actions, "info", run_info), "data", nargs="?")

    align = command(actions, "align", run_align)
    align.add_argument("source", type=Path, help="folder of photographs or of identity folders")
    align.add_argument("out", type=Path, help="folder that receives the aligned faces as PNG")
    add_face_selection(align)

    sample = command(actions, "sample", run_sample)
    sample.add_argument("out", type=Path, help="folder that receives identity folders of PNG files")
    sample.add_argument("--identities", type=int, default=60, help="number of identities")
    sample.add_argument("--per-identity", type=int, default=5, help="faces of each")
    sample.add_argument("--size", type=int, default=64, help="size in pixels")
    sample.add_argument("--seed", type=int, default=0, help="seed")


def run_info(arguments: argparse.Namespace) -> None:
    """Count faces and identities."""
    import numpy as np

    faces = open_data(arguments)
    labels, counts = np.unique(faces.labels[faces.labels >= 0], return_counts=True)
    rows = [
        ["faces", f"{len(faces):,}"],
        ["resolution", f"{faces.size} px"],
        ["identities", f"{len(labels):,}"],
        ["identities with two or more faces", f"{int((counts > 1).sum()):,}"],
        ["faces without a known identity", f"{int((faces.labels < 0).sum()):,}"],
    ]
    print_table(faces.name, ["property", "value"], rows)


def run_align(arguments: argparse.Namespace) -> None:
    """Align a folder of photographs to 112 px faces."""
    from gdrd_lab.datasets.folder import align_folder

    options = gl.ReadOptions(align="always", face_selection=face_selection(arguments))
    done, refused = align_folder(arguments.source, arguments.out, options)
    for name, reason in refused:
        print(f"left out {name}: {reason}")
    print(f"{done} faces aligned into {arguments.out}, {len(refused)} left out")


def run_sample(arguments: argparse.Namespace) -> None:
    """Write synthetic faces, which are nobody's photograph."""
    from gdrd_lab.datasets.folder import write_faces

    faces = gl.synthetic_faces(arguments.identities, arguments.per_identity, arguments.size, arguments.seed)
    write_faces(faces, arguments.out)
    print(f"{len(faces)} faces of {arguments.identities} identities in {arguments.out}")

"""`gdrd faces`: look at a face set, align photographs, write synthetic faces."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags
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

    detection = command(actions, "detection", run_detection)
    detection.add_argument("data", help=f"photographs: {flags.DATA}")
    flags.add_resolutions(detection, 8, 12, 16, 24, 32)
    detection.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth photograph")
    flags.add_output(detection, "results/detection", "path of the results, without .json and .csv")

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


def run_detection(arguments: argparse.Namespace) -> None:
    """Measure which faces are found in reduced photographs, and how far off their landmarks are."""
    from gdrd_lab.datasets.base import subset
    from gdrd_lab.evaluation.photographs import detection_scores
    from gdrd_lab.evaluation.results import collect
    from gdrd_lab.evaluation.tables import show

    options = gl.ReadOptions(align="never", progress=not arguments.quiet)
    faces = gl.load_dataset(arguments.data, options=options)
    chosen = subset(faces, range(0, len(faces), arguments.every))
    scores = collect(detection_scores(chosen, arguments.resolutions, not arguments.quiet))
    show(scores.scores)
    print(f"Results: {scores.save(arguments.out)}")


def run_sample(arguments: argparse.Namespace) -> None:
    """Write synthetic faces, which are nobody's photograph."""
    from gdrd_lab.datasets.folder import write_faces

    faces = gl.synthetic_faces(arguments.identities, arguments.per_identity, arguments.size, arguments.seed)
    write_faces(faces, arguments.out)
    print(f"{len(faces)} faces of {arguments.identities} identities in {arguments.out}")

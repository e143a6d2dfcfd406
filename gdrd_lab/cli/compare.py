"""`gdrd compare`: a list of pairs of photographs in, their scores out."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = flags.command(commands, "compare", run, "score the pairs of photographs that a CSV lists")
    parser.add_argument("pairs", type=Path, help="CSV with two columns of file names")
    text = "folder of the photographs; the folder of the list if not given"
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help=text)
    flags.add_methods(parser, "sface", "student")
    parser.add_argument("--resolution", type=int, default=16, help="resolution of both faces")
    parser.add_argument("--out", type=Path, default=Path("results/pairs.csv"), help="CSV file to write")
    flags.add_reading(parser, several="largest", skip=False)


def run(arguments: argparse.Namespace) -> None:
    """Score the pairs of photographs that a CSV lists and write the scores as CSV."""
    from gdrd_lab.alignment.yunet import Aligner
    from gdrd_lab.evaluation.pair_list import read_pairs, score_pairs, table_csv
    from gdrd_lab.io.atomic import write_atomically
    from gdrd_lab.io.images import read_image

    try:
        pairs = read_pairs(arguments.pairs.read_bytes())
    except OSError as error:
        raise gl.GdrdError(f"{arguments.pairs} cannot be read", "Give a CSV with two columns of file names") from error
    folder = arguments.photographs or arguments.pairs.parent
    recognisers, size = gl.load_models(arguments.methods), arguments.resolution
    aligner, how = Aligner(), (arguments.align, flags.face_selection(arguments))
    header, *rows = score_pairs(pairs, lambda name: aligner.face(read_image(folder / name), *how), recognisers, size)
    write_atomically(arguments.out, table_csv([header, *rows]))
    flags.print_table(f"Scores at {arguments.resolution} px", header, rows)
    print(f"Results: {arguments.out}")

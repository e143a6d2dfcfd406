"""`gdrd embed`: a folder of faces in, a parquet file of embeddings out."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import METHODS, add_data, add_quiet, command, open_data


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(commands, "embed", run)
    add_data(parser, "data")
    parser.add_argument("out", type=Path, help="parquet file to write: key, identity, embedding")
    parser.add_argument("--model", default="student", help=METHODS)
    parser.add_argument("--resolution", type=int, help="reduce the faces to this resolution first, 4 to 112")
    parser.add_argument("--flip", action="store_true", help="average the embeddings of a face and its mirror image")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Embed a folder of faces into a parquet file."""
    from gdrd_lab.datasets.embedding_file import write_embeddings

    recogniser = gl.load_model(arguments.model)
    faces = open_data(arguments)
    degradation = None if arguments.resolution is None else gl.Degradation(arguments.resolution)
    options = gl.EmbedOptions(arguments.flip, progress=not arguments.quiet)
    embeddings = gl.embed_all(recogniser, faces, degradation, options)
    write_embeddings(arguments.out, faces, embeddings, recogniser.name, arguments.resolution)
    print(f"{len(faces)} embeddings of {embeddings.shape[1]} numbers in {arguments.out}")

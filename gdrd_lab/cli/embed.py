"""`gdrd embed`: a folder of faces in, a parquet file of embeddings out."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "embed",
        help="embed a folder of faces into a parquet file",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("data", help="folder of photographs, embedded, lfw, or another path to faces")
    command.add_argument("out", type=Path, help="parquet file to write: key, identity, embedding")
    command.add_argument(
        "--model", default="student", help="student (the shipped one), sface, dlib, a student's folder or .onnx file"
    )
    command.add_argument("--resolution", type=int, help="reduce the faces to this side first, 4 to 112")
    command.add_argument("--flip", action="store_true", help="average with the mirror image")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Embed and write."""
    from gdrd_lab.datasets.embed import embed_all
    from gdrd_lab.datasets.embedding_file import write_embeddings
    from gdrd_lab.datasets.registry import load_dataset
    from gdrd_lab.models.registry import load_model
    from gdrd_lab.transforms.degradation import Degradation

    recogniser = load_model(arguments.model)
    faces = load_dataset(arguments.data)
    degradation = Degradation(arguments.resolution) if arguments.resolution else None
    embeddings = embed_all(recogniser, faces, degradation, flip=arguments.flip)
    write_embeddings(arguments.out, faces, embeddings, recogniser.name, arguments.resolution)
    print(f"{len(faces)} embeddings of {embeddings.shape[1]} numbers in {arguments.out}")

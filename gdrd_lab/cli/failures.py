"""`gdrd failures`: the hardest pairs in words and numbers, and what other recognisers think of the same pairs."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "failures",
        help="the hardest pairs in words and numbers; agreement with other recognisers",
        description="List the pairs a recogniser is most wrong about, without showing a face, and correlate its scores "
        "with those of other recognisers on the sharp faces.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("--data", default="embedded", help="embedded, lfw, or a path to faces")
    command.add_argument("--methods", nargs="+", default=["student", "sface"], help="recognisers to look into")
    command.add_argument(
        "--references", nargs="+", default=["sface"], help="recognisers that see the sharp faces: sface, dlib"
    )
    command.add_argument("--resolution", type=int, default=16, help="side both faces are reduced to")
    command.add_argument("--count", type=int, default=5, help="pairs of each kind")
    command.add_argument("--seed", type=int, default=0, help="seed of the pairs")
    command.add_argument("--out", type=Path, default=Path("results/failures.json"), help="JSON file to write")
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Find, write and print."""
    from rich.console import Console
    from rich.table import Table

    from gdrd_lab.datasets.embed import embed_all
    from gdrd_lab.datasets.registry import load_dataset, open_pairs
    from gdrd_lab.evaluation.failures import describe, failures, image_statistics
    from gdrd_lab.evaluation.results import write_rows
    from gdrd_lab.models.registry import load_model
    from gdrd_lab.transforms.degradation import Degradation

    faces = load_dataset(arguments.data, progress=not arguments.quiet)
    pairs = open_pairs(arguments.data, faces, seed=arguments.seed)
    show = not arguments.quiet
    judges = [load_model(name) for name in arguments.references]
    references = {reference_model.name: embed_all(reference_model, faces, progress=show) for reference_model in judges}
    words = describe(image_statistics(faces), pairs)
    how: dict[str, int] = {"resolution": arguments.resolution, "count": arguments.count}
    found = []
    for name in arguments.methods:
        method = load_model(name)
        embeddings = embed_all(method, faces, Degradation(arguments.resolution), progress=show)
        found.append(failures(method.name, faces.name, pairs, embeddings, references, words, **how))
    written = write_rows(arguments.out, found)
    for item in found:
        title = f"{item.method} at {item.resolution} px on {item.data}: {item.errors} of {item.pairs} pairs wrong"
        table = Table("pair", "kind", "score", "threshold", "sharp", "the faces", title=title, title_justify="left")
        for failure in item.hardest:
            numbers = (f"{value:.2f}" for value in (failure.score, failure.threshold, failure.sharp))
            table.add_row(f"fold {failure.fold}, {failure.pair}", failure.kind, *numbers, failure.words)
        Console().print(table)
        for name, value in item.agreement.items():
            print(f"Rank correlation with {name} on the sharp faces: {value:.3f}")
    print(f"Results: {written}")

"""`gdrd failures`: the hardest pairs in words and numbers, and what other recognisers think of the same pairs."""

import argparse

import gdrd_lab as gl
from gdrd_lab.cli._options import add_data, add_methods, add_output, command, open_data, print_table


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    text = "list the hardest pairs in text and numbers, and the agreement with other recognisers"
    parser = command(commands, "failures", run, text)
    add_data(parser)
    add_methods(parser, "student", "sface")
    text = "recognisers that see the sharp faces: sface, dlib"
    parser.add_argument("--references", nargs="+", default=["sface"], help=text)
    parser.add_argument("--resolution", type=int, default=16, help="resolution of both faces")
    parser.add_argument("--count", type=int, default=5, help="pairs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="seed of the pairs")
    add_output(parser, "results/failures.json")


def run(arguments: argparse.Namespace) -> None:
    """List the pairs on which a recogniser errs most, without showing a face, and correlate its scores
    with those of other recognisers on the sharp faces.
    """
    from gdrd_lab.datasets.registry import open_pairs
    from gdrd_lab.evaluation.evaluate import overlap_notes
    from gdrd_lab.evaluation.failures import describe, failures, image_statistics
    from gdrd_lab.evaluation.results import write_rows

    faces = open_data(arguments)
    pairs = open_pairs(faces, arguments.seed)
    options = gl.EmbedOptions(progress=not arguments.quiet)
    methods, others = gl.load_models(arguments.methods), gl.load_models(arguments.references)
    references = {model.name: gl.embed_all(model, faces, options=options) for model in others}
    words = describe(image_statistics(faces), pairs)
    how: dict[str, int] = {"resolution": arguments.resolution, "count": arguments.count}
    found = []
    for method in methods:
        embeddings = gl.embed_all(method, faces, gl.Degradation(arguments.resolution), options)
        found.append(failures(method.name, faces.name, pairs, embeddings, references, words, **how))
    written = write_rows(arguments.out, found)
    for item in found:
        title = f"{item.method} at {item.resolution} px on {item.data}: {item.errors} of {item.pairs} pairs wrong"
        rows = []
        for failure in item.hardest:
            numbers = (f"{value:.2f}" for value in (failure.score, failure.threshold, failure.sharp))
            rows.append([f"fold {failure.fold}, {failure.pair}", failure.kind, *numbers, failure.words])
        print_table(title, ["pair", "kind", "score", "threshold", "native", "the faces"], rows)
        for name, value in item.agreement.items():
            print(f"Rank correlation with {name} on the native faces: {value:.3f}")
    for note in overlap_notes(methods, faces):
        print(f"Note: {note}")
    print(f"Results: {written}")

"""`gdrd evaluate`: score recognisers on a face set across resolutions and degradations."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli import _options as flags

# Degradations that can be swept besides resolution: type and help of their values.
SWEEPS = {
    "blur": (float, "standard deviation in pixels of a 112 px face"),
    "noise": (float, "standard deviation, 0 to 1"),
    "jpeg": (int, "quality, 1 to 95"),
    "illumination": (float, "strength, -1 to 1"),
    "occlusion": (float, "share of the face, 0 to 0.9"),
}
CAMERAS = ("clean", "webcam", "surveillance", "training")  # presets of transforms.camera
SETTINGS = ("same", "gallery", "teacher")  # the members of evaluation.sweep.Setting, which would load torch here


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = flags.command(
        commands, "evaluate", run, "verification, identification and retrieval scores across resolutions"
    )
    flags.add_data(parser)
    flags.add_resolutions(parser, 8, 16, 32, 112)
    flags.add_methods(parser, "sface", "super-resolved", "student")
    flags.add_validation_split(
        parser, "score only the identities that `gdrd train --validation-split` kept from training"
    )
    parser.add_argument("--unseen", action="store_true", help="leave out the people that a student was trained on")
    parser.add_argument("--at-least", type=int, default=1, metavar="N", help="only identities with N faces or more")
    flags.add_generative(parser)
    parser.add_argument("--steps", type=int, default=1, help="denoising steps of super-resolved")
    text = "both faces degraded; sharp gallery against degraded probe; the same with SFace's gallery (students)"
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), help=text)
    parser.add_argument("--identification", action="store_true", help="also closed-set rank-k")
    parser.add_argument("--retrieval", action="store_true", help="also mean average precision")
    for name, (kind, text) in SWEEPS.items():
        text = f"also sweep {name} at the first resolution: {text}"
        parser.add_argument(f"--{name}", type=kind, nargs="+", default=[], metavar="VALUE", help=text)
    parser.add_argument("--all-pairs", action="store_true", help="also TAR at FARs down to 1e-5 on all pairs")
    parser.add_argument("--open-set", action="store_true", help="also open-set identification")
    text = "also the errors that remain as the pairs of lowest quality are discarded"
    parser.add_argument("--quality", action="store_true", help=text)
    text = "also reduce the whole photograph before its face is found and aligned (LFW, folders of photographs)"
    parser.add_argument("--photographs", action="store_true", help=text)
    text = "cameras that take the faces at every resolution; clean is bicubic reduction"
    parser.add_argument("--camera", nargs="+", default=["clean"], choices=CAMERAS, help=text)
    parser.add_argument("--flip", action="store_true", help="average the embeddings of a face and its mirror image")
    parser.add_argument("--seed", type=int, default=0, help="seed of pairs, degradations and bootstrap")
    parser.add_argument("--figure", type=Path, help="also draw accuracy against resolution as PNG and SVG")
    text = "earlier results in the same figure"
    parser.add_argument("--compare-with", type=Path, nargs="+", default=[], metavar="JSON", help=text)
    flags.add_output(parser, "results/evaluation", "path of the results, without .json and .csv")


def run(arguments: argparse.Namespace) -> None:
    """Score recognisers. LFW uses View 2 (10 folds); other sets use random pairs in 10 folds.

    Writes results as JSON and CSV and prints a table.
    """
    from gdrd_lab.datasets.base import identities_with
    from gdrd_lab.evaluation.results import read_json
    from gdrd_lab.evaluation.sweep import Setting, severities
    from gdrd_lab.evaluation.tables import show
    from gdrd_lab.models.registry import READERS, labelled, shipped_generative
    from gdrd_lab.plots import accuracy_curves, curves, save

    sizes, swept = arguments.resolutions, vars(arguments)
    first, *others = dict.fromkeys(arguments.camera)
    start = gl.Degradation(sizes[0], camera=first)
    further = [one for name in SWEEPS if swept[name] for one in severities(start, name, swept[name])]
    further += [gl.Degradation(size, camera=camera) for camera in others for size in sizes]
    compare_with = [score for path in arguments.compare_with for score in read_json(path)]
    recognisers = gl.load_models(arguments.methods, arguments.generative, arguments.steps)
    resolved = READERS.keys() & {labelled(method)[1] for method in arguments.methods}
    teacher = [arguments.generative or shipped_generative()] if resolved else []
    faces = flags.held_out(arguments, flags.open_data(arguments), recognisers, *teacher)
    if arguments.at_least > 1:
        faces = identities_with(faces, arguments.at_least)
    options = gl.EmbedOptions(arguments.flip, seed=arguments.seed, progress=not arguments.quiet)
    names = ("settings", "unseen", "identification", "retrieval", "all_pairs", "open_set", "quality")
    chosen = {name: getattr(arguments, name) for name in names}
    if arguments.photographs:
        chosen["photographs"] = gl.load_dataset(
            arguments.data, options=gl.ReadOptions(align="never", progress=not arguments.quiet)
        )
    scores = gl.evaluate(recognisers, faces, sizes, degradation=start, further=further, options=options, **chosen)
    written = scores.save(arguments.out)
    if arguments.figure:
        shown = [score for score in [*scores, *compare_with] if score.setting == Setting.SAME]
        save(accuracy_curves(curves(shown), title="Both faces at the same resolution"), arguments.figure)
    show(scores.scores, notes=scores.notes)
    print(f"Results: {written} and .csv")

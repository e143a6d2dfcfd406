"""`gdrd train`: the generative teacher, the student's backbone, its head, or all three in order."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "train",
        help="train the generative teacher, the backbone, the head, or all",
        description="Train in the paper's order: generative teacher, backbone (then frozen), head. "
        "Run the same command again to go on from the last checkpoint.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("stage", choices=("generative", "backbone", "head", "all"), help="what to train")
    command.add_argument(
        "--config",
        default="cpu",
        help="smoke (minutes), cpu, best or assistant (hours), paper (GPU), or a JSON file of a recipe",
    )
    command.add_argument(
        "--data", default="embedded", help="embedded, training (the folder in $GDRD_FACES), or a path to faces"
    )
    command.add_argument(
        "--out", type=Path, default=Path("runs/default"), help="folder of checkpoints, logs and models"
    )
    command.add_argument(
        "--hold-out",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the identities never trained on; unlabelled faces like theirs are left out too",
    )
    command.add_argument("--seed", type=int, help="seed of everything random; the recipe's own if not given")
    command.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="change settings: head.loop.steps=2000"
    )
    command.add_argument("--generative", help="another generative teacher: a folder or hub id (backbone, all)")
    command.add_argument(  # --start alone is taken for torchrun's --start-method
        "--start-from",
        dest="start",
        metavar="FOLDER",
        help="go on from these weights: a folder of a student (head), cut down if the recipe's is smaller, or of a "
        "generative teacher",
    )
    command.add_argument(
        "--assistant",
        type=Path,
        help="a larger student as second teacher, which a warm start is cut from; the shipped one if not given (head)",
    )
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train what was asked for."""
    from gdrd_lab import distributed
    from gdrd_lab.datasets.registry import load_dataset
    from gdrd_lab.errors import GdrdError
    from gdrd_lab.models.registry import shipped_assistant
    from gdrd_lab.models.sface import load_sface
    from gdrd_lab.training import pipeline
    from gdrd_lab.training.recipes import load_recipe, override
    from gdrd_lab.training.teacher_targets import validation_split

    recipe = load_recipe(arguments.config)
    changes = list(arguments.set) + ([] if arguments.seed is None else [f"seed={arguments.seed}"])
    recipe = override(recipe, changes)
    stage, start = arguments.stage, Path(arguments.start) if arguments.start else None
    if start and stage not in ("generative", "head"):
        raise GdrdError(f"--start-from cannot be used with {stage}", "Train generative or head")
    distributed.init_process_group()
    with distributed.main_process_first() as main:  # photographs are aligned once, and all read the result
        faces = load_dataset(arguments.data, training=True, progress=not arguments.quiet)
    show, out = main and not arguments.quiet, arguments.out
    say = print if main else lambda text: None
    if arguments.hold_out:
        every = len(faces)
        faces, held_out = validation_split(faces, arguments.hold_out, load_sface(), show)
        say(f"{len(held_out)} faces held out, and {every - len(held_out) - len(faces)} unlabelled ones like them")
    generative = Path(arguments.generative) if arguments.generative else None
    if stage in ("generative", "all") and generative is None:
        pipeline.train_generative(recipe, faces, out, show, start)
        say(f"Generative teacher: {out / 'generative'}")
    if stage in ("backbone", "all"):
        pipeline.train_backbone(recipe, faces, out, generative, show)
        say(f"Backbone: {out / 'backbone'}")
    if stage in ("head", "all"):
        assistant = arguments.assistant or (shipped_assistant() if recipe.head.weight_assistant else None)
        pipeline.train_head(recipe, faces, out, load_sface(), start, show, assistant)
        say(f"Student: {out / 'student'}")
    distributed.destroy_process_group()

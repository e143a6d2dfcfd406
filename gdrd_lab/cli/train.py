"""`gdrd train`: the generative teacher, the student's backbone, its head, or all three in order."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import add_data, add_generative, add_output, add_validation_split, command, open_data


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(commands, "train", run, "train the generative teacher, the backbone, the head, or all")
    parser.add_argument("stage", choices=("generative", "backbone", "head", "all"), help="what to train")
    text = "smoke (minutes), cpu, best or assistant (hours), paper (GPU), or a JSON file of a recipe"
    parser.add_argument("--config", default="cpu", help=text)
    add_data(parser)
    add_validation_split(parser, "share of the identities kept from training, with the unlabelled faces like theirs")
    parser.add_argument("--seed", type=int, help="seed of everything random; the recipe's if not given")
    text = "change settings: head.loop.steps=2000"
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help=text)
    add_generative(parser)
    text = "start from these weights: a student, pruned if the recipe's is smaller, or a generative teacher"
    parser.add_argument("--init-from", metavar="FOLDER", help=text)
    text = "a larger student as second teacher, or to prune, or of assistant_targets; else the shipped one"
    parser.add_argument("--assistant", type=Path, help=text)
    text = "continue although learning_rate, weight_decay or clip of a loop has changed; the change is recorded"
    parser.add_argument("--resume", action="store_true", help=text)
    text = "stop after so many minutes with a checkpoint, from which any machine continues; 0 trains to the end"
    parser.add_argument("--minutes", type=float, default=0.0, metavar="M", help=text)
    add_output(parser, "runs/default", "folder of checkpoints, logs and models")


def run(arguments: argparse.Namespace) -> None:
    """Train in the paper's order: generative teacher, backbone (then frozen), head.

    Run the same command again to continue from the last checkpoint.
    """
    from gdrd_lab import distributed
    from gdrd_lab.datasets.split import split_record, split_records
    from gdrd_lab.models.registry import shipped_assistant
    from gdrd_lab.models.sface import load_sface
    from gdrd_lab.training import pipeline
    from gdrd_lab.training.checkpoint import read_metadata
    from gdrd_lab.training.preemption import stop_after
    from gdrd_lab.training.recipes import load_recipe, override
    from gdrd_lab.training.run import RunOptions
    from gdrd_lab.training.teacher_targets import validation_split

    changes = list(arguments.set) + ([] if arguments.seed is None else [f"seed={arguments.seed}"])
    recipe = override(load_recipe(arguments.config), changes)
    stage, start = arguments.stage, Path(arguments.init_from) if arguments.init_from else None
    if start and stage == "all":
        raise gl.GdrdError("--init-from cannot be used with all", "Train generative, backbone or head")
    distributed.init_process_group()
    with distributed.main_process_first() as main:  # photographs are aligned once, and all read the result
        faces = open_data(arguments, training=True)
    show, out = main and not arguments.quiet, arguments.out
    report = print if main else lambda text: None
    taught = {"generative": recipe.generative.assistant_targets, "head": bool(recipe.head.weight_assistant)}
    used = any(needed for name, needed in taught.items() if stage in (name, "all"))
    assistant = arguments.assistant or (shipped_assistant() if used else None)
    split = None
    if arguments.validation_split:
        every = len(faces)
        stage_one = out / "backbone" if stage == "head" and start is None else None  # if it is there
        sources = start, stage_one, assistant, arguments.generative
        records = split_records(*(read_metadata(source) for source in sources if source))
        faces, held_out = validation_split(faces, arguments.validation_split, load_sface(), show, records)
        split = split_record(faces, held_out, arguments.validation_split)
        alike = every - len(held_out) - len(faces)
        report(f"{len(held_out)} faces kept for validation, and {alike} unlabelled faces like theirs left out")
    generative = Path(arguments.generative) if arguments.generative else None
    options = RunOptions(arguments.resume, split)
    with stop_after(arguments.minutes):
        if stage == "generative":
            pipeline.train_generative(recipe, faces, out, show, start, options, assistant)
        elif stage == "backbone":
            pipeline.train_backbone(recipe, faces, out, generative, show, options, start)
        elif stage == "head":
            pipeline.train_head(recipe, faces, out, load_sface(), start, show, assistant, options, generative)
        else:
            pipeline.train_all(recipe, faces, out, load_sface(), show, assistant, generative, options)
    report(f"Trained: {out / (stage if stage in ('generative', 'backbone') else 'student')}")
    distributed.destroy_process_group()

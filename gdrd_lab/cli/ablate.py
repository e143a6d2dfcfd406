"""`gdrd ablate`: train every row of the ablation with several seeds and print mean and deviation."""

import argparse
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import add_data, add_generative, add_methods, add_output, command, open_data, print_table


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(commands, "ablate", run, "measure what each loss and each choice of generative features is worth")
    parser.add_argument(
        "--config", choices=("smoke", "cpu", "converged", "best", "paper"), default="cpu", help="size of the ablation"
    )
    add_data(parser)
    add_generative(parser)
    other = "another teacher: each row with L_gen is trained with both, and the table says which by NAME"
    parser.add_argument("--other-generative", metavar="[NAME=]FOLDER", help=other)
    second = "second teacher of the rows that have one: a student's folder; the shipped one if not given"
    parser.add_argument("--assistant", type=Path, help=second)
    add_methods(parser, "sface", "super-resolved", flag="--baselines")
    parser.add_argument("--rows", nargs="+", metavar="TEXT", help="only rows whose names contain one of these texts")
    text = "the student that the rows of --config best continue; the shipped one if not given"
    parser.add_argument("--init-from", type=Path, metavar="FOLDER", help=text)
    parser.add_argument("--seeds", type=int, nargs="+", help="seeds of the runs; the configuration's if not given")
    add_output(parser, "runs/ablation", "folder of the runs")


def run(arguments: argparse.Namespace) -> None:
    """Train every row at the same budget with several seeds; score on identities that were not trained on.

    Run the same command again to continue.
    """
    from dataclasses import replace
    from itertools import groupby

    from gdrd_lab.evaluation.results import collect
    from gdrd_lab.evaluation.tables import percent
    from gdrd_lab.experiments.ablation import AblationConfig, ablate, rows, with_teacher
    from gdrd_lab.models.registry import labelled, shipped_assistant, shipped_generative
    from gdrd_lab.models.sface import load_sface
    from gdrd_lab.reports.markdown import columns

    config: AblationConfig = getattr(AblationConfig, arguments.config)()
    if arguments.init_from:
        if not config.start:
            raise gl.GdrdError(f"--config {arguments.config} starts from random weights", "Leave --init-from out")
        config = replace(config, start=arguments.init_from)
    config = replace(config, seeds=tuple(arguments.seeds or config.seeds), only=tuple(arguments.rows or config.only))
    other, chosen = arguments.other_generative, rows(config)
    name, folder = labelled(other or "")
    chosen = with_teacher(chosen, name, folder) if other else chosen
    generative = Path(arguments.generative) if arguments.generative else shipped_generative()
    faces = open_data(arguments, training=True)
    baselines = gl.load_models(arguments.baselines, generative)
    scores = ablate(
        config, faces, generative, load_sface(), arguments.out,
        assistant=arguments.assistant or shipped_assistant(), baselines=baselines,
        chosen=chosen, others=[Path(folder)] if other else [], progress=not arguments.quiet,
    )  # fmt: skip
    written = collect(scores).save(arguments.out / "ablation")
    for metric in ("accuracy", "rank-1"):
        cells = columns(scores, metric)
        for place, same in groupby(next(iter(cells.values())), lambda head: head.rpartition(", ")[0]):
            heads = list(same)
            lines = ([row, *(percent(found[head], 1) for head in heads)] for row, found in cells.items())
            title = f"{metric}, {place}, %, mean ± standard deviation over seeds"
            print_table(title, ["row", *(head.rpartition(", ")[2] for head in heads)], lines)
    print(f"Results: {written} and .csv")

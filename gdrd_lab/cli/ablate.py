"""`gdrd ablate`: train every row of the ablation with several seeds and print mean and deviation."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "ablate",
        help="what each loss and each choice of generative features is worth",
        description="Train every row at the same budget with several seeds; score on identities never trained on. "
        "Run the same command again to go on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("--config", choices=("smoke", "cpu", "paper"), default="cpu", help="size of the ablation")
    command.add_argument("--data", default="embedded", help="embedded, or a path to labelled faces (not LFW)")
    command.add_argument("--generative", help="generative teacher: folder or hub id; the shipped one if not given")
    command.add_argument(
        "--assistant",
        type=Path,
        help="second teacher of the rows that have one: a student's folder; the shipped one if not given",
    )
    command.add_argument(
        "--beside",
        nargs="*",
        default=["sface", "super-resolved"],
        metavar="METHOD",
        help="scored as they are: sface, super-resolved, student, assistant, dlib, or a student's folder",
    )
    command.add_argument("--rows", nargs="+", metavar="TEXT", help="only rows whose names hold one of these texts")
    command.add_argument("--label", default="", help="added to the rows' names, as in ', other generative teacher'")
    command.add_argument("--seeds", type=int, nargs="+", help="seeds of the runs; the configuration's if not given")
    command.add_argument("--out", type=Path, default=Path("runs/ablation"), help="folder of the runs")
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Ablate, write and print."""
    from dataclasses import replace

    from rich.console import Console
    from rich.table import Table

    from gdrd_lab.datasets.registry import load_dataset
    from gdrd_lab.evaluation.results import report, write_csv, write_json
    from gdrd_lab.experiments.ablation.rows import AblationConfig, choose
    from gdrd_lab.experiments.ablation.run import ablate
    from gdrd_lab.models.registry import load_model, shipped_assistant, shipped_generative
    from gdrd_lab.models.sface import load_sface
    from gdrd_lab.reports.ablation_table import columns

    sizes = {"smoke": AblationConfig.smoke, "cpu": AblationConfig.cpu, "paper": AblationConfig.paper}
    config = sizes[arguments.config]()
    if arguments.seeds:
        config = replace(config, seeds=tuple(arguments.seeds))
    generative = Path(arguments.generative) if arguments.generative else shipped_generative()
    faces = load_dataset(arguments.data, training=True, progress=not arguments.quiet)
    baselines = [load_model(name, generative, steps=1) for name in arguments.baselines]
    scores = ablate(
        config,
        faces,
        generative,
        load_sface(),
        arguments.out,
        assistant=arguments.assistant or shipped_assistant(),
        baselines=baselines,
        chosen=choose(config, arguments.rows or [""], arguments.label),
        progress=not arguments.quiet,
    )
    whole = report(scores)
    written = write_json(arguments.out / "ablation.json", whole)
    write_csv(arguments.out / "ablation.csv", whole)
    for metric in ("accuracy", "rank-1"):
        cells = columns(scores, metric)
        table = Table(title=f"{metric}, %, mean ± standard deviation over seeds", title_justify="left")
        table.add_column("row", no_wrap=True)
        for name in next(iter(cells.values())):
            table.add_column(name, justify="right", min_width=10)
        for row, values in cells.items():
            table.add_row(row, *values.values())
        Console().print(table)
    print(f"Results: {written} and .csv")

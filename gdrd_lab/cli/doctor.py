"""`gdrd doctor`: what is installed, which teachers and models are found, what the machine can do."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command = commands.add_parser("doctor", help="say what is installed, found and possible on this machine")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a table of checks."""
    from rich.console import Console
    from rich.table import Table

    from gdrd_lab.checkup import checkup

    table = Table("what", "state", "detail", title="gdrd doctor")
    for check in checkup():
        table.add_row(check.name, "[green]ok[/]" if check.fine else "[yellow]missing[/]", check.detail)
    Console().print(table)

"""The command line `gdrd`: it parses arguments, calls the package and prints; every error is one line."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from gdrd_lab import __version__
from gdrd_lab.errors import GdrdError
from gdrd_lab.machine import keep_freed_memory
from gdrd_lab.training.preemption import Preempted

# One module a command, in the order of the help.
NAMES = """
    app notebooks course faces data train evaluate compare calibrate benchmarks quality probe failures ablate results
    embed export benchmark doctor
"""
COMMANDS = [import_module(f"gdrd_lab.cli.{name}") for name in NAMES.split()]


def parser() -> argparse.ArgumentParser:
    """Build the parser of every command."""
    top = argparse.ArgumentParser(
        prog="gdrd",
        description="Distil generative and discriminative representations for very-low-resolution face recognition.",
        epilog="For research and teaching only; not for identifying people. `gdrd COMMAND --help` explains a command.",
    )
    top.add_argument("--version", action="version", version=f"gdrd {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 success, 2 user error, 130 interrupted, 143 terminated."""
    arguments = parser().parse_args(argv)
    keep_freed_memory()
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"gdrd: {message}\n"  # type: ignore[assignment]
    try:
        arguments.run(arguments)
    except GdrdError as error:
        print(f"gdrd: {error}", file=sys.stderr)
        return 2
    except Preempted as stop:
        print(f"gdrd: {stop}; run the same command again to continue.", file=sys.stderr)
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print("gdrd: interrupted; run the same command again to continue.", file=sys.stderr)
        return 130
    finally:
        warnings.formatwarning = usual
    return 0

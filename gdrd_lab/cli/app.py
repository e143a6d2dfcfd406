"""`gdrd app`: the app in the browser."""

import argparse
import os

from gdrd_lab.cli._options import command


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    parser = command(commands, "app", run)
    address, number = os.environ.get("GRADIO_SERVER_NAME"), os.environ.get("GRADIO_SERVER_PORT")
    text = "address to listen on: $GRADIO_SERVER_NAME, or this machine only"
    parser.add_argument("--host", default=address or "127.0.0.1", help=text)
    text = "port to listen on: $GRADIO_SERVER_PORT, or the first free one from 7860"
    parser.add_argument("--port", type=port, default=number or None, help=text)
    text = "an own method that the page offers beside teacher and student: a student's folder or .onnx file"
    parser.add_argument("--method", action="append", default=[], metavar="NAME=PATH", help=text)
    text = "also offer the functions for programs as tools of the Model Context Protocol (needs the package mcp)"
    parser.add_argument("--mcp", action="store_true", help=text)


def port(text: str) -> int:
    """Read a port from 1 to 65535."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    """Open the app: teacher and student across resolutions, in the browser."""
    from gdrd_lab.app.server import serve

    serve(arguments.host, arguments.port, arguments.method, arguments.mcp)

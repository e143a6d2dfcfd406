"""The app: two faces, one resolution slider, teacher and student side by side."""

from __future__ import annotations

import argparse

from gdrd_lab.app.server import serve


def main() -> None:
    """Open the app on this machine."""
    parser = argparse.ArgumentParser(description="Teacher and student across resolutions, in the browser.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port; the first free one from 7860 if not given")
    arguments = parser.parse_args()
    serve(arguments.host, arguments.port)


if __name__ == "__main__":
    main()

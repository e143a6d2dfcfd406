"""The app: two faces, one resolution slider, teacher and student scores side by side."""

from __future__ import annotations

import argparse

from gdrd_lab.demo import build


def main() -> None:
    """Open the demo on this machine."""
    parser = argparse.ArgumentParser(description="Compare faces across resolutions in the browser.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port; the first free one from 7860 if not given")
    arguments = parser.parse_args()
    build().launch(server_name=arguments.host, server_port=arguments.port, share=False, max_file_size="20mb")


if __name__ == "__main__":
    main()

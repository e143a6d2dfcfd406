"""The server of the app: it listens on this machine by default, limits uploads and deletes them all at the end."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gdrd_lab.errors import GdrdError

if TYPE_CHECKING:
    from gdrd_lab.app.state import Tab

HERE = Path(__file__).parent
PAUSE = 2  # seconds before what is loaded in the background
USERS = 8  # served at once; more wait in a queue


def serve(host: str, port: int | None = None, methods: Sequence[str] = (), mcp: bool = False) -> None:
    """Serve the app until it is interrupted, on the first free port from 7860 if ``port`` is None.

    ``methods``, each "NAME=PATH", can be chosen as the third method. ``mcp`` also offers the functions
    for programs as tools of the Model Context Protocol.
    """
    if mcp and not find_spec("mcp"):
        raise GdrdError("The package mcp is not installed", "Run: pip install 'mcp>=1.21,<2'")
    try:
        family, *_, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        socket.create_server(address, family=family).close()
    except OSError as error:
        place = f"{host}, port {port}" if port else host
        raise GdrdError(f"The app cannot listen on {place}", "Choose another --port or --host") from error
    # Gradio reads these on import. Uploads go to a folder of this process, which is deleted however the process ends.
    uploads = tempfile.mkdtemp(prefix="gdrd-uploads-")
    os.environ.update(GRADIO_TEMP_DIR=uploads, GRADIO_ANALYTICS_ENABLED="False")
    os.environ.pop("GRADIO_SERVER_PORT", None)  # read by `gdrd app`; an invalid one would end the import of Gradio
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        _serve(host, port, methods, mcp)
    finally:
        shutil.rmtree(uploads, ignore_errors=True)


def _serve(host: str, port: int | None, methods: Sequence[str], mcp: bool) -> None:
    import gradio as gr

    from gdrd_lab.app.components import PLOTLY
    from gdrd_lab.app.layout import build
    from gdrd_lab.app.methods import add_own_methods
    from gdrd_lab.app.uploads import MAX_BYTES

    add_own_methods(methods)

    gr.set_static_paths([PLOTLY])
    scripts = [(HERE / name).read_text(encoding="utf-8") for name in ("stream.js", "keys.js")]
    app = build()
    app.queue(default_concurrency_limit=USERS, max_size=64)
    app.launch(
        prevent_thread_lock=True,
        server_name=host,
        server_port=port,
        share=False,
        mcp_server=mcp,
        max_file_size=MAX_BYTES,
        state_session_capacity=500,  # kept in memory; the one unused for longest goes first
        ssr_mode=False,
        run_history=False,  # it would keep results in the browser
        enable_monitoring=False,
        footer_links=[],
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css_paths=[HERE / "app.css"],
        head="".join(f"<script>{script}</script>" for script in scripts),
    )
    threading.Thread(target=_warm_up, daemon=True).start()
    app.block_thread()


def _warm_up() -> None:
    """Load what the first visit to a tab would wait for, tab by tab, with pauses for the pages and events of users."""
    from gdrd_lab.app.callbacks import tab_content
    from gdrd_lab.app.session import Session
    from gdrd_lab.app.state import View

    tabs: tuple[Tab, ...] = ("cam", "generate", "map", "search")
    for tab in tabs:
        time.sleep(PAUSE)
        tab_content(View(tab=tab), Session())

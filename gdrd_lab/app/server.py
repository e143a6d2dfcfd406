"""Serving the page: on this machine only unless asked, with limits, and with no upload left behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

from gdrd_lab.app.uploads import MAX_BYTES

HERE = Path(__file__).parent
USERS = 8  # at once; more wait their turn


def serve(host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serve the page until interrupted.

    Args:
        host: address to listen on.
        port: the first free one from 7860 if None.
    """
    # Uploads arrive in a folder of this process's own, which goes with it, however it ends.
    uploads = tempfile.mkdtemp(prefix="gdrd-uploads-")
    os.environ["GRADIO_TEMP_DIR"] = uploads
    signal.signal(signal.SIGTERM, _end)
    try:
        _serve(host, port)
    finally:
        shutil.rmtree(uploads, ignore_errors=True)


def _serve(host: str, port: int | None) -> None:
    import gradio as gr

    from gdrd_lab.app import models
    from gdrd_lab.app.chart import plotly_file
    from gdrd_lab.app.layout import build

    gr.set_static_paths([plotly_file()])
    page = build()
    page.queue(default_concurrency_limit=USERS, max_size=64)
    page.launch(
        prevent_thread_lock=True,
        server_name=host,
        server_port=port,
        share=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        run_history=False,  # it would keep what was shown in the browser
        enable_monitoring=False,
        footer_links=[],
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css_paths=[HERE / "page.css"],
        head=f"<script>{(HERE / 'keys.js').read_text()}</script>",
    )
    threading.Thread(target=models.warm_up, daemon=True).start()
    page.block_thread()


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)

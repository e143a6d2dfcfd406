"""UMAP in a process of its own, so that nobody waits for it and it can be ended at any time."""

import multiprocessing
import os
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection

import numpy as np

from gdrd_lab.analysis.projection import umap_map
from gdrd_lab.errors import GdrdError

Task = tuple[np.ndarray, int]  # embeddings (N, d) and a seed
PAUSE = 0.5  # seconds between two signs of progress


def umap_points(tasks: Sequence[Task]) -> Generator[np.ndarray | None, None, None]:
    """Yield the points (N, 2) of each task when they are made, and None meanwhile. Closing it ends the process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, tasks), daemon=True)
    try:
        process.start()
        theirs.close()  # so that the end of the process ends the pipe
        for _ in tasks:
            while not ours.poll(PAUSE):
                yield None
            yield ours.recv()
    except EOFError as error:
        raise GdrdError("UMAP could not map these faces", "Choose PCA, or give other photographs") from error
    finally:
        if process.pid:
            process.kill()
            process.join()
        ours.close()


def _work(pipe: Connection, tasks: Sequence[Task]) -> None:
    if hasattr(os, "nice"):
        os.nice(10)  # controls come first
    for embeddings, seed in tasks:
        pipe.send(umap_map(embeddings, seed).points)

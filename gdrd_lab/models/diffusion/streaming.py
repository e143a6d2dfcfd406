"""The generative teacher's work step by step, as an iterator, for pages and notebooks that show it while it runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline


def denoising(
    pipeline: SuperResolutionPipeline, lr: Tensor, steps: int = 4, seeds: Sequence[int] | None = None
) -> Iterator[Tensor]:
    """Yield the estimate of the sharp faces after every step, ``steps`` times; the last is what the pipeline returns.

    Args:
        pipeline: the generative teacher.
        lr: (N, 3, r, r), RGB in [0, 1].
        steps: denoising steps.
        seeds: one per face.

    Returns:
        Iterator of (N, 3, size, size) in [0, 1].

    Raises:
        GdrdError: as the pipeline does.
    """
    results: queue.SimpleQueue[Tensor | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    class Stopped(Exception):
        """Whoever asked has gone."""

    def report(step: int, faces: Tensor) -> None:
        if stopped.is_set():
            raise Stopped
        results.put(faces)

    def work() -> None:
        try:
            pipeline(lr, steps, seeds, report)
            results.put(None)
        except BaseException as error:  # raised again by the iterator
            results.put(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while True:
            found = results.get()
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        stopped.set()
        worker.join()

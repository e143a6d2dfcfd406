"""SIGTERM, which batch systems send before they kill a process: finish the step, write a checkpoint, end."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Preempted(SystemExit):
    """A run ended on SIGTERM after it wrote a checkpoint. As a SystemExit its status is 143, as SIGTERM gives."""

    def __init__(self, message: str) -> None:
        super().__init__(128 + signal.SIGTERM)
        self.message = message

    def __str__(self) -> str:
        return self.message


@contextmanager
def catch_sigterm() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM inside the block: gives a function that returns whether it has come. Only the main thread can."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: requested.set())
    try:
        yield requested.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
    if requested.is_set():
        raise Preempted("Stopped by SIGTERM; what was trained is saved")


@contextmanager
def stop_after(minutes: float) -> Iterator[None]:
    """End the training inside after ``minutes``, with a checkpoint, as SIGTERM does, but as a success; 0 never does."""
    due = threading.Event()

    def stop() -> None:
        due.set()
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(60 * minutes, stop)
    timer.daemon = True
    if minutes:
        timer.start()
    try:
        with catch_sigterm():
            yield
    except Preempted as end:
        if not due.is_set():
            raise
        print(f"{end}; run the same command again to continue.")
    finally:
        timer.cancel()

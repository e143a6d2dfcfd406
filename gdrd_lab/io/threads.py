"""Work in threads whose results come in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tqdm.auto import tqdm

from gdrd_lab.errors import GdrdError

PART = 256  # items handed to the threads at once, so that a slow consumer does not fill the memory
T = TypeVar("T")
R = TypeVar("R")


def prefetch(items: Iterable[T], ahead: int = 2) -> Iterator[T]:
    """Yield ``items`` while a thread, which ends with the iterator even if it is closed early, computes the next."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "prefetch") as pool:
        pending: deque[Any] = deque(pool.submit(next, iterator, end) for _ in range(ahead))
        try:
            while (item := pending.popleft().result()) is not end:
                pending.append(pool.submit(next, iterator, end))
                yield item
        finally:
            pool.shutdown(cancel_futures=True)


def in_threads(
    function: Callable[[T], R], items: Sequence[T], text: str, *, workers: int | None = 2, progress: bool = True
) -> Iterator[R | GdrdError]:
    """Yield what ``function`` returns for each item, or the GdrdError that it raises; ``text`` heads the bar."""

    def one(item: T) -> R | GdrdError:
        try:
            return function(item)
        except GdrdError as error:
            return error

    bar = tqdm(total=len(items), desc=text, unit="face", disable=not progress)
    with ThreadPoolExecutor(workers) as pool, bar:
        for begin in range(0, len(items), PART):
            for found in pool.map(one, items[begin : begin + PART]):
                yield found
                bar.update()

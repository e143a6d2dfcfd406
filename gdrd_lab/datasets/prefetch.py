"""Reading ahead: the next batches are decoded in a thread while the network works on the present one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], ahead: int = 2) -> Iterator[T]:
    """Yield ``items`` in order while a thread computes the next ones.

    An error in ``items`` is raised in its place. The thread ends with the iterator, also if it is closed early.

    Example:
        >>> list(prefetch(n * n for n in range(4)))
        [0, 1, 4, 9]
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "prefetch") as pool:
        pending: deque[Any] = deque(pool.submit(next, iterator, end) for _ in range(ahead))
        try:
            while (item := pending.popleft().result()) is not end:
                pending.append(pool.submit(next, iterator, end))
                yield item
        finally:
            pool.shutdown(cancel_futures=True)

"""Several processes as one: what they gather from and sum over each other. With one process nothing happens.

Everything rests on torch.distributed, with any backend (gloo on CPUs, nccl on GPUs). DistributedDataParallel averages
the processes' parameter gradients. So a loss is made such that its mean over the processes is the loss of the whole
batch; then the averaged gradient is the whole batch's gradient, provided that what one process gathers from another
carries its gradient back to it, as here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def init_process_group(hours: float = 3.0) -> None:
    """Join the processes that accelerate launch or torchrun started, if they did; afterwards ``processes()`` is right.

    Args:
        hours: how long one may wait for another, as when process 0 aligns photographs.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        from accelerate import PartialState
        from accelerate.utils import InitProcessGroupKwargs

        # Under torchrun accelerate takes processes without a GPU for strangers unless told that they are CPUs.
        options = InitProcessGroupKwargs(timeout=timedelta(hours=hours)).to_kwargs()
        PartialState(cpu=not torch.accelerator.is_available(), **options, **_store_of_this_attempt())


def _store_of_this_attempt() -> dict[str, Any]:
    """Where processes that torchrun restarted meet: torchrun keeps its store, and in it the dead ones' addresses."""
    place = os.environ
    if place.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or place.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        return {}
    store = dist.TCPStore(place["MASTER_ADDR"], int(place["MASTER_PORT"]), is_master=False)
    attempt = dist.PrefixStore(f"attempt-{place['TORCHELASTIC_RESTART_COUNT']}", store)
    return {"store": attempt, "rank": int(place["RANK"]), "world_size": int(place["WORLD_SIZE"])}


def world_size() -> int:
    """Return how many processes work together, 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:  # type: ignore[override]
        context.count = len(rows)
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        whole = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return whole[rank() * context.count : (rank() + 1) * context.count]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:  # type: ignore[override]
        whole = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        whole = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return whole


def gather(rows: Tensor) -> Tensor:
    """Stack the rows (N, ...) of all processes in their order: (processes N, ...).

    The gradient flows to all parts: each process's rows receive the sum of every process's gradient for them. N must
    be the same everywhere.
    """
    if world_size() == 1:
        return rows
    return _Gather.apply(rows)


def all_reduce_sum(values: Tensor) -> Tensor:
    """Sum a tensor over the processes; the gradient is summed likewise."""
    if world_size() == 1:
        return values
    return _Sum.apply(values)


def all_equal(value: int) -> bool:
    """Whether all processes hold the same integer; they wait for each other."""
    if world_size() == 1:
        return True
    found: list[Any] = [None] * world_size()
    dist.all_gather_object(found, value)
    return len(set(found)) == 1


@contextmanager
def main_process_first() -> Iterator[bool]:
    """Run a block in process 0 while the others wait, then in the others: for files that one writes and all read.

    Gives True in process 0. If it fails there, the others stop waiting and fail too.
    """
    if world_size() == 1:
        yield True
        return
    if rank() == 0:
        failed: list[Any] = [True]
        try:
            yield True
            failed = [False]
        finally:
            dist.broadcast_object_list(failed, src=0)
    else:
        failed = [None]
        dist.broadcast_object_list(failed, src=0)
        if failed[0]:
            raise RuntimeError("process 0 failed; its message says why")
        yield False


def destroy_process_group() -> None:
    """End the process group, if there is one, as the last thing a program does."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()

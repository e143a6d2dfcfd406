"""Collective operations of several processes, differentiable where needed. With one process they do nothing.

They use torch.distributed with any backend. DistributedDataParallel averages the parameter gradients of the processes.
Each loss is therefore scaled so that its mean over the processes is the loss of the whole batch; ``gather`` passes
gradients back to the process that a row came from, so the averaged gradient is that of the whole batch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gdrd_lab.errors import GdrdError


def init_process_group() -> None:
    """Join the processes that accelerate launch or torchrun started, if any."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        from accelerate import PartialState
        from accelerate.utils import InitProcessGroupKwargs

        # Under torchrun accelerate forms a CPU process group only when cpu=True is passed.
        # Processes wait hours for each other, for example while process 0 aligns photographs.
        options = InitProcessGroupKwargs(timeout=timedelta(hours=3)).to_kwargs()
        PartialState(cpu=not torch.accelerator.is_available(), **options, **_store_of_this_attempt())


def _store_of_this_attempt() -> dict[str, Any]:
    """Return a store for processes that torchrun restarted; its own store holds the addresses of the dead ones."""
    place = os.environ
    if place.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or place.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        return {}
    store = dist.TCPStore(place["MASTER_ADDR"], int(place["MASTER_PORT"]), is_master=False)
    attempt = dist.PrefixStore(f"attempt-{place['TORCHELASTIC_RESTART_COUNT']}", store)
    return {"store": attempt, "rank": int(place["RANK"]), "world_size": int(place["WORLD_SIZE"])}


def world_size() -> int:
    """Return the number of processes, 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def _summed(values: Tensor) -> Tensor:
    whole = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(whole)
    return whole


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:  # type: ignore[override]
        context.count = len(rows)
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return _summed(gradient)[rank() * context.count : (rank() + 1) * context.count]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:  # type: ignore[override]
        return _summed(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return _summed(gradient)


def gather(rows: Tensor) -> Tensor:
    """Stack the rows (N, ...) of all processes in their order: (processes N, ...), with N the same in every process.

    Differentiable: each row receives the sum of the gradients that all processes compute for it.
    """
    return rows if world_size() == 1 else _Gather.apply(rows)


def all_reduce_sum(values: Tensor) -> Tensor:
    """Sum a tensor over the processes. Differentiable: the gradient is summed over the processes too."""
    return values if world_size() == 1 else _Sum.apply(values)


def all_equal(value: int) -> bool:
    """Return whether all processes hold the same integer; they wait for each other."""
    if world_size() == 1:
        return True
    found: list[Any] = [None] * world_size()
    dist.all_gather_object(found, value)
    return len(set(found)) == 1


@contextmanager
def main_process_first() -> Iterator[bool]:
    """Run a block in process 0, with True, before the others: for files that one writes and all read."""
    failed: list[Any] = [True]
    if rank() == 0:
        try:
            yield True
            failed = [False]
        finally:
            if world_size() > 1:
                dist.broadcast_object_list(failed, src=0)
    else:
        dist.broadcast_object_list(failed, src=0)
        if failed[0]:
            raise GdrdError("Process 0 failed", "Read its message")
        yield False


def destroy_process_group() -> None:
    """End the process group, if there is one, as the last step of a program."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()

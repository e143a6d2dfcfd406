"""The training loop that all three stages share, on accelerate: precision, devices, accumulation, EMA, exact resume."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from tqdm.auto import tqdm

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.training import resume
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch, StepBatches
from gdrd_lab.training.ema import EMA
from gdrd_lab.training.preemption import Preempted, catch_sigterm
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.training.sync_batchnorm import convert_batch_norms


def learning_rate_factor(step: int, steps: int) -> float:
    """Linear warm-up over the first 5 percent of the steps, then cosine decay to zero; between 0 and 1."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@dataclass(frozen=True)
class Timing:
    """What a run took: steps made now, seconds in all, and of these the seconds it waited for data."""

    steps: int
    seconds: float
    waited: float

    @property
    def data_share(self) -> float:
        """Share of the time spent waiting for data, 0 to 1."""
        return self.waited / self.seconds if self.seconds else 0.0


def run(
    stage: Stage,
    data: StepBatches,
    config: LoopConfig,
    folder: Path,
    metadata: Mapping[str, Any],
    progress: bool = True,
) -> Timing:
    """Train a stage, going on from its newest whole checkpoint in ``folder``; afterwards it holds the averaged weights.

    The folder receives ``step-NNNNNNN/`` (weights, average, optimiser), ``losses.csv`` and TensorBoard's event files.
    Of several processes (accelerate launch, torchrun) each makes its own rows of every batch; process 0 writes. SIGTERM
    ends the run after the current step, with a checkpoint.

    Args:
        stage: what to train.
        data: its batches; one item is one optimiser step.
        config: how.
        folder: where checkpoints and logs go; for several machines a folder they share.
        metadata: the run's configuration; a checkpoint that was made with other facts is refused.
        progress: show a progress bar.

    Returns:
        How long it took and how much of that it waited for data.

    Raises:
        GdrdError: a loss is no longer finite, a checkpoint is of another configuration, or the disk is full.
        Stopped: SIGTERM came; the checkpoint is written.
    """
    distributed.init_process_group()
    AcceleratorState._reset_state()  # an earlier stage may have had another precision
    accelerator = Accelerator(
        mixed_precision=config.precision,
        log_with=config.tracker,
        project_dir=str(folder),
        # Every process computes the same buffers (statistics of the whole batch, one queue for all).
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    accelerator.init_trackers(stage.name)
    set_seed(data.seed)
    if config.sync_norm and accelerator.num_processes > 1:
        convert_batch_norms(stage.trained)
    parameters = [p for p in stage.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    average = EMA(stage.trained, config.ema)
    scaler = getattr(accelerator, "scaler", None)
    start = resume.resume(stage, optimizer, average, scaler, folder, metadata)
    for network in stage.frozen:
        network.to(accelerator.device)
    if config.compile:
        learning = [network for name, network in stage.trained.items() if name not in stage.losses]
        for network in (*learning, *stage.frozen):
            if isinstance(network, nn.Module):  # a frozen diffusion pipeline is none
                network.compile()
    with warnings.catch_warnings():
        # torch 2.13 renames broadcast_buffers; the older versions we allow know only this name.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        model, optimizer = accelerator.prepare(stage, optimizer)
    if start == 0:
        average = EMA(stage.trained, config.ema)  # of the weights that every process now has from process 0
    average.state = {name: value.to(accelerator.device) for name, value in average.state.items()}
    model.train()
    main = accelerator.is_main_process
    if main:
        resume.remove_temporary(folder)
        resume.truncate_log(folder / "losses.csv", start)
    rows = own_rows(config, accelerator.num_processes, accelerator.process_index)
    share = len(rows) // config.accumulate
    pin = accelerator.device.type == "cuda"
    source = Timed(data.iterate(start, config.workers, rows, pin))
    bar = tqdm(total=config.steps, initial=start, desc=stage.name, unit="step", disable=not (progress and main))
    began = saved = time.monotonic()
    done = 0
    with catch_sigterm() as stopping, bar:
        for step, batch in enumerate(source, start):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * learning_rate_factor(step, config.steps)
            totals = _backward(accelerator, model, batch, share, config.accumulate)
            values, stop = _all(totals, stopping())
            if not all(math.isfinite(value) for value in values.values()):
                raise GdrdError(
                    f"The loss of {stage.name} is not finite at step {step} ({values})",
                    "Lower the learning rate; resume from the last checkpoint",
                )
            accelerator.clip_grad_norm_(parameters, config.clip)
            optimizer.step()
            optimizer.zero_grad()
            average.update(stage.trained, step)
            done += 1
            bar.update()
            now = time.monotonic()
            if step % 20 == 0 or step == config.steps - 1:
                waiting = source.waited / (now - began)
                bar.set_postfix({name: f"{value:.4f}" for name, value in values.items()} | {"data": f"{waiting:.0%}"})
                speed = {"time/data_share": waiting, "time/images_per_second": done * config.batch_size / (now - began)}
                accelerator.log({**values, **speed}, step=step)
            if main:
                resume.log_losses(folder / "losses.csv", step, values, now - began)
                due = config.checkpoint_minutes and now - saved > 60 * config.checkpoint_minutes
                if stop or due or (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                    here = {**metadata, "step": step + 1}
                    resume.save(stage, optimizer, average, accelerator.scaler, folder, here, config.keep)
                    saved = time.monotonic()
            if stop and step + 1 < config.steps:
                raise Preempted(
                    f"{stage.name} stopped after step {step + 1} of {config.steps}; a checkpoint is written"
                )
    timing = Timing(done, time.monotonic() - began, source.waited)
    accelerator.wait_for_everyone()
    if config.ema:
        average.copy_to(stage.trained)
    for tracker in accelerator.trackers:  # not end_training(): the next stage needs the process group
        tracker.finish()
    stage.eval()
    if progress and main and done:
        speed_now = done * config.batch_size / timing.seconds
        tqdm.write(f"{stage.name}: {speed_now:.0f} images/s, {timing.data_share:.1%} of the time waiting for data")
    return timing


def own_rows(config: LoopConfig, processes: int, process: int) -> np.ndarray:
    """Return the rows of a batch that one process trains on: a contiguous share of each micro-batch.

    Raises:
        GdrdError: the batch cannot be split evenly.
    """
    parts = processes * config.accumulate
    share = config.batch_size // parts
    if share * parts != config.batch_size:
        raise GdrdError(
            f"A batch of {config.batch_size} cannot be split into {parts} parts (devices x accumulate)",
            "Choose a batch_size that is a multiple of it",
        )
    return np.arange(config.batch_size).reshape(config.accumulate, processes, share)[:, process].reshape(-1)


class Timed(Iterator[Batch]):
    """Batches, and in ``waited`` the seconds that were spent waiting for them."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches, self.waited = iter(batches), 0.0

    def __next__(self) -> Batch:
        began = time.monotonic()
        try:
            return next(self._batches)
        finally:
            self.waited += time.monotonic() - began


def _backward(accelerator: Accelerator, model: nn.Module, batch: Batch, share: int, parts: int) -> dict[str, Tensor]:
    """Add up the gradient of a batch in ``parts`` micro-batches; return the mean of each loss over them."""
    totals: dict[str, Tensor] = {}
    for micro in range(parts):
        part = batch if parts == 1 else batch.part(slice(micro * share, (micro + 1) * share))
        # Gradients are exchanged once, with the last micro-batch.
        exchange: Callable[[], Any] = (
            torch.enable_grad if micro == parts - 1 else lambda: accelerator.no_sync(model)  # type: ignore[assignment]
        )
        with exchange():
            with accelerator.autocast():
                losses = model(part.to(accelerator.device))
            total = torch.stack(list(losses.values())).sum()
            accelerator.backward(total / parts)
        for name, value in losses.items():
            totals[name] = totals.get(name, torch.zeros_like(value)) + value.detach() / parts
    return totals


def _all(losses: Mapping[str, Tensor], stop: bool) -> tuple[dict[str, float], bool]:
    """Average the losses over the processes, and whether any of them is to stop: one exchange, one read."""
    values = torch.stack([value.float() for value in losses.values()])
    everything = torch.cat([values, values.new_full((1,), float(stop))])
    *means, stops = (distributed.all_reduce_sum(everything) / distributed.world_size()).tolist()
    return dict(zip(losses, means, strict=True)), stops > 0

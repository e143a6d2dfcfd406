"""The training loop of all stages, on accelerate: precision, devices, accumulation, EMA, exact resume."""

import math
import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.weights_folder import write_folder
from gdrd_lab.training.checkpoint import TrainingState, resume, weight_average
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch, StepBatches
from gdrd_lab.training.log import RunLog, truncate_log
from gdrd_lab.training.preemption import Preempted, catch_sigterm
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.training.sync_batchnorm import convert_batch_norms


def run(
    stage: Stage,
    data: StepBatches,
    config: LoopConfig,
    folder: Path,
    metadata: Mapping[str, Any],
    progress: bool = True,
    adjust: bool = False,
    milestones: Sequence[int] = (),
) -> RunLog:
    """Train a stage from its newest whole checkpoint in ``folder``; afterwards it holds the averaged weights.

    The folder receives ``step-NNNNNNN/`` (weights, average, optimiser), ``losses.csv`` and TensorBoard's event files.
    After ``milestones`` steps the average is also kept alone, as ``average-NNNNNNN/``.
    Each of several processes computes its own rows of every batch; process 0 writes. SIGTERM ends the run after a step.
    """
    # Processes and precision.
    accelerator = _accelerator(stage, config, folder)
    main = accelerator.is_main_process
    set_seed(data.seed)

    # Networks and their state, from the newest checkpoint if there is one.
    state = _state(stage, config, accelerator)
    start = resume(state, folder, metadata, adjust)
    model, optimizer = _prepare(stage, state, config, accelerator, start)
    if main:
        for unfinished in folder.glob(".*-*"):  # by a killed process
            shutil.rmtree(unfinished, ignore_errors=True)
        truncate_log(folder / "losses.csv", start)

    # This process's rows of each batch.
    rows = own_rows(config, accelerator.num_processes, accelerator.process_index)
    batches = data.iterate(start, config.workers, rows, accelerator.device)
    log = RunLog(stage.name, config, folder, accelerator, start, progress)
    with catch_sigterm() as stopping, log.bar:
        for step, batch in enumerate(log.timed(batches), start):
            # Gradients of the whole batch, then one step of the optimiser.
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * learning_rate_factor(step, config.steps)
            share = len(rows) // config.accumulate
            totals = _backward(accelerator, model, stage.weights, batch, share, config.accumulate)
            losses, stop = _all(totals, stopping())
            if not all(math.isfinite(value) for value in losses.values()):
                raise _diverged(stage, config, f"The loss of {stage.name} is not finite at step {step} ({losses})")
            accelerator.clip_grad_norm_(stage.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad()
            state.average.update_parameters(stage.trained)
            log.write(step, losses)

            if main and step + 1 in milestones:
                write_folder(folder / f"average-{step + 1:07d}", {"average": state.average.module.state_dict()}, {})

            # A checkpoint, at the latest when the run ends.
            if main and (stop or log.checkpoint_due(step)):
                if not state.is_finite():
                    raise _diverged(stage, config, f"The weights of {stage.name} are not finite after step {step}")
                state.save(folder, step + 1, metadata, config.keep)
            if stop:
                reached = f"step {step + 1} of {config.steps}"
                raise Preempted(f"{stage.name} stopped after {reached}; a checkpoint is written")

    # The averaged weights are the result.
    accelerator.wait_for_everyone()
    if config.ema:
        stage.trained.load_state_dict(state.average.module.state_dict())
    stage.eval()
    log.changes = state.changes
    log.close()
    return log


def learning_rate_factor(step: int, steps: int) -> float:
    """Return a linear warm-up over the first 5 percent of the steps, then a cosine decay to zero; between 0 and 1."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def own_rows(config: LoopConfig, processes: int, process: int) -> np.ndarray:
    """Return the rows of a batch that one process trains on: a contiguous share of each micro-batch."""
    parts = processes * config.accumulate
    share = config.batch_size // parts
    if share * parts != config.batch_size:
        what = f"A batch of {config.batch_size} cannot be split into {parts} parts (devices x accumulate)"
        raise GdrdError(what, "Choose a batch_size that is a multiple of it")
    return np.arange(config.batch_size).reshape(config.accumulate, processes, share)[:, process].reshape(-1)


def _accelerator(stage: Stage, config: LoopConfig, folder: Path) -> Accelerator:
    distributed.init_process_group()
    AcceleratorState._reset_state()  # an earlier stage may have had another precision
    # Every process computes the same buffers: statistics of the whole batch, one queue for all.
    options = [DistributedDataParallelKwargs(broadcast_buffers=False)]
    accelerator = Accelerator(
        mixed_precision=config.precision, log_with=config.tracker, project_dir=str(folder), kwargs_handlers=options
    )
    accelerator.init_trackers(stage.name)
    return accelerator


def _state(stage: Stage, config: LoopConfig, accelerator: Accelerator) -> TrainingState:
    if config.sync_norm and accelerator.num_processes > 1:
        convert_batch_norms(stage.trained)
    parameters = [parameter for parameter in stage.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    scaler = getattr(accelerator, "scaler", None)
    return TrainingState(stage.trained, weight_average(stage.trained, config.ema), optimizer, scaler)


def _prepare(
    stage: Stage, state: TrainingState, config: LoopConfig, accelerator: Accelerator, start: int
) -> tuple[nn.Module, Any]:
    """Move everything to the device, compile, and wrap the stage and the optimiser for several processes."""
    for network in (*stage.frozen, state.average.module):  # its counter stays on the CPU
        network.to(accelerator.device)
    if config.compile:
        trained = [network for name, network in stage.trained.items() if name not in stage.losses]
        for network in (*trained, *stage.frozen):
            if isinstance(network, nn.Module):  # a frozen diffusion pipeline is not a module
                network.compile()
    with warnings.catch_warnings():
        # torch 2.13 renames broadcast_buffers; older versions that we allow know only this name.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        model, optimizer = accelerator.prepare(stage, state.optimizer)
    if start == 0:  # every process now has the weights of process 0
        state.average.module.load_state_dict(stage.trained.state_dict())
    return model.train(), optimizer


def _diverged(stage: Stage, config: LoopConfig, what: str) -> GdrdError:
    slower = f"--resume --set {stage.name}.loop.learning_rate={config.learning_rate / 2:g}"
    return GdrdError(what, f"Lower the learning rate and continue from the last checkpoint ({slower})")


def _backward(
    accelerator: Accelerator, model: nn.Module, weights: Mapping[str, float], batch: Batch, share: int, parts: int
) -> dict[str, Tensor]:
    """Accumulate the gradient of a batch over ``parts`` micro-batches; return the mean of each loss over them."""
    totals: dict[str, Tensor] = {}
    for micro in range(parts):
        part = batch if parts == 1 else batch.part(slice(micro * share, (micro + 1) * share))
        # Gradients are exchanged once, with the last micro-batch.
        with nullcontext() if micro == parts - 1 else accelerator.no_sync(model):
            with accelerator.autocast():
                losses = model(part.to(accelerator.device))
            total = torch.stack([weights.get(name, 1.0) * value for name, value in losses.items()]).sum()
            accelerator.backward(total / parts)
        for name, value in losses.items():
            totals[name] = totals.get(name, torch.zeros_like(value)) + value.detach() / parts
    return totals


def _all(losses: Mapping[str, Tensor], stop: bool) -> tuple[dict[str, float], bool]:
    """Average the losses over the processes and tell whether any of them is to stop, in one exchange."""
    values = torch.stack([value.float() for value in losses.values()])
    everything = torch.cat([values, values.new_full((1,), float(stop))])
    *means, stops = (distributed.all_reduce_sum(everything) / distributed.world_size()).tolist()
    return dict(zip(losses, means, strict=True)), stops > 0

"""The training loop that all three stages share, on accelerate: precision, devices, accumulation, EMA, exact resume."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from tqdm.auto import tqdm

from gdrd_lab.errors import GdrdError
from gdrd_lab.training import checkpoint
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch, StepBatches


class Stage(nn.Module):
    """What a stage trains and how it is judged: subclasses set ``trained`` and implement ``forward``.

    Args:
        name: folder name of its checkpoints.
        trained: the modules that learn, by name; a frozen teacher is not among them.
        frozen: teachers and other networks that only run; the loop moves them to its device.
    """

    def __init__(self, name: str, trained: Mapping[str, nn.Module], frozen: Sequence[Any] = ()) -> None:
        super().__init__()
        self.name = name
        self.trained = nn.ModuleDict(dict(trained))
        # In a tuple, so that they are no submodules: neither trained nor saved nor switched to training mode.
        self.frozen = tuple(frozen)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the named losses of a batch, already weighted; their sum is minimised."""
        raise NotImplementedError


def learning_rate_factor(step: int, steps: int) -> float:
    """Linear warm-up over the first 5 percent of the steps, then cosine decay to zero; between 0 and 1."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class Average:
    """Exponential moving average of a module's state: a <- d a + (1 - d) w, with d lower in the first steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone().float() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after optimiser step ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value.float(), 1 - decay)
            else:
                self.state[name] = value.detach().clone().float()

    def copy_to(self, module: nn.Module) -> None:
        """Put the averaged weights into the module."""
        current = module.state_dict()
        module.load_state_dict({name: value.to(current[name].dtype) for name, value in self.state.items()})


def run(
    stage: Stage, data: StepBatches, config: LoopConfig, folder: Path, facts: Mapping[str, Any], progress: bool = True
) -> None:
    """Train a stage, going on from its newest whole checkpoint in ``folder``; afterwards it holds the averaged weights.

    The folder receives ``step-NNNNNNN/`` (weights, average, optimiser), ``losses.csv`` and TensorBoard's event files.

    Args:
        stage: what to train.
        data: its batches; one item is one optimiser step.
        config: how.
        folder: where checkpoints and logs go.
        facts: the run's configuration; a checkpoint that was made with other facts is refused.
        progress: show a progress bar.

    Raises:
        GdrdError: a loss is no longer finite, a checkpoint is of another configuration, or the disk is full.
    """
    accelerator = Accelerator(mixed_precision=config.precision, log_with="tensorboard", project_dir=str(folder))
    accelerator.init_trackers(stage.name)
    parts = accelerator.num_processes * config.accumulate
    share = config.batch_size // parts
    if share * parts != config.batch_size:
        raise GdrdError(
            f"A batch of {config.batch_size} cannot be split into {parts} parts (devices x accumulate)",
            "Choose a batch_size that is a multiple of it",
        )
    set_seed(data.seed)
    parameters = [p for p in stage.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    average = Average(stage.trained, config.ema)
    start = _resume(stage, optimizer, average, folder, facts)
    average.state = {name: value.to(accelerator.device) for name, value in average.state.items()}
    for network in stage.frozen:
        network.to(accelerator.device)
    model, optimizer = accelerator.prepare(stage, optimizer)
    model.train()
    if accelerator.is_main_process:
        _cut_losses(folder / "losses.csv", start)
    bar = tqdm(
        total=config.steps,
        initial=start,
        desc=stage.name,
        unit="step",
        disable=not progress or not accelerator.is_main_process,
    )
    began = time.monotonic()
    for step, batch in enumerate(data.iterate(start, config.workers), start):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(step, config.steps)
        totals: dict[str, float] = {}
        for micro in range(config.accumulate):
            first = (micro * accelerator.num_processes + accelerator.process_index) * share
            with accelerator.autocast():
                losses = model(batch.part(slice(first, first + share)).to(accelerator.device))
                total = torch.stack(list(losses.values())).sum()
            accelerator.backward(total / config.accumulate)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value.item() / config.accumulate
        if not all(math.isfinite(value) for value in totals.values()):
            raise GdrdError(
                f"The loss of {stage.name} is not finite at step {step} ({totals})",
                "Lower the learning rate; resume from the last checkpoint",
            )
        accelerator.clip_grad_norm_(parameters, config.clip)
        optimizer.step()
        optimizer.zero_grad()
        average.update(stage.trained, step)
        bar.update()
        if step % 20 == 0 or step == config.steps - 1:
            bar.set_postfix({name: f"{value:.4f}" for name, value in totals.items()})
            accelerator.log(totals, step=step)
        if accelerator.is_main_process:
            _log_losses(folder / "losses.csv", step, totals, time.monotonic() - began)
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                _save(stage, optimizer, average, folder, {**facts, "step": step + 1}, config.keep)
    bar.close()
    accelerator.wait_for_everyone()
    if config.ema:
        average.copy_to(stage.trained)
    accelerator.end_training()
    stage.eval()


def _save(stage: Stage, optimizer: Any, average: Average, folder: Path, facts: Mapping[str, Any], keep: int) -> None:
    tensors, rest = checkpoint.flatten_optimizer(optimizer.state_dict())
    groups = {"weights": stage.trained.state_dict(), "average": average.state, "optimizer": tensors}
    checkpoint.write_folder(folder / f"step-{facts['step']:07d}", groups, {**facts, "optimizer": rest})
    checkpoint.remove_old(folder, keep)


def _resume(
    stage: Stage, optimizer: torch.optim.Optimizer, average: Average, folder: Path, facts: Mapping[str, Any]
) -> int:
    """Load the newest whole checkpoint, if any, and return the step to go on from."""
    for path in reversed(checkpoint.checkpoints(folder)):
        try:
            tensors, found = checkpoint.read_folder(path)
        except GdrdError as error:
            tqdm.write(f"{error} ")
            continue
        different = [name for name in facts if found.get(name) != _plain(facts[name])]
        if different:
            raise GdrdError(
                f"{path} was made with another configuration ({', '.join(different)})",
                "Use the same configuration, or another --out folder",
            )
        checkpoint.load_into(stage.trained, tensors["weights"], path)
        average.state = tensors["average"]
        optimizer.load_state_dict(checkpoint.unflatten_optimizer(tensors["optimizer"], found["optimizer"]))
        return int(found["step"])
    return 0


def _plain(value: Any) -> Any:
    """Return the value as JSON gives it back (tuples become lists)."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _log_losses(path: Path, step: int, losses: Mapping[str, float], seconds: float) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", *losses])
        writer.writerow([step, f"{seconds:.2f}", *(f"{value:.6g}" for value in losses.values())])


def _cut_losses(path: Path, start: int) -> None:
    """Drop the rows of steps that will be run again, so that each step stands once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join(rows[:1] + [row for row in rows[1:] if int(row.split(",", 1)[0]) < start]))

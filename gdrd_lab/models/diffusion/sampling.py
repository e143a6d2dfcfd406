"""Sampling from a diffusion model: one loop, a callback at every step, one seed per sample."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gdrd_lab.errors import GdrdError


def start_noise(
    seeds: Sequence[int], shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> tuple[Tensor, list[torch.Generator]]:
    """Draw unit Gaussian noise (N, *shape), each sample from its own generator, and return the generators too.

    Drawn on the CPU, so that a seed means the same face on every device.
    """
    generators = [torch.Generator().manual_seed(int(seed) % 2**63) for seed in seeds]
    noise = [torch.randn(shape, generator=generator) for generator in generators]
    return torch.stack(noise).to(device), generators


def sample(
    predict: Callable[[Tensor, Tensor], Tensor],
    scheduler: Any,
    noise: Tensor,
    steps: int,
    generators: list[torch.Generator],
    callback: Callable[[int, Tensor], None],
) -> Tensor:
    """Denoise from x_T = noise to x_0 with any diffusers scheduler.

    Args:
        predict: network output for (x_t, t); what it means is the scheduler's ``prediction_type``.
        scheduler: a diffusers scheduler; a fresh copy is made, so that concurrent samplers do not meet.
        noise: (N, ...) unit Gaussian.
        steps: number of denoising steps, at least 1.
        generators: one per sample, for schedulers that add noise.
        callback: called with (step from 0, estimate of x_0) after every step.

    Returns:
        x_0, shaped like ``noise``.

    Raises:
        GdrdError: steps is below 1 or above the schedule's length.
    """
    limit = scheduler.config.num_train_timesteps
    if not 1 <= steps <= limit:
        raise GdrdError(f"{steps} sampling steps", f"Choose between 1 and {limit}")
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(steps, device=noise.device)
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    extra = {"generator": generators} if takes_generator else {}
    current = noise * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        output = predict(scheduler.scale_model_input(current, timestep), timestep)
        result = scheduler.step(output, timestep, current, **extra)
        current = result.prev_sample
        estimate = getattr(result, "pred_original_sample", None)
        # Not every scheduler tells its estimate of x_0; then the current sample has to do.
        callback(step, current if estimate is None or step == steps - 1 else estimate)
    return current

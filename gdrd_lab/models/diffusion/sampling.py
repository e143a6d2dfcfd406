"""Sampling from a diffusion model: one loop that yields the estimate of every step, with one seed per sample."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gdrd_lab.errors import GdrdError


def start_noise(
    seeds: Sequence[int], shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> tuple[Tensor, list[torch.Generator]]:
    """Draw unit Gaussian noise (N, *shape) with one generator per seed, on the CPU: the same on every device."""
    generators = [torch.Generator().manual_seed(int(seed) % 2**63) for seed in seeds]
    noise = [torch.randn(shape, generator=generator) for generator in generators]
    return torch.stack(noise).to(device), generators


def sample(
    predict: Callable[[Tensor, Tensor], Tensor],
    scheduler: Any,
    noise: Tensor,
    steps: int,
    generators: list[torch.Generator],
) -> Iterator[Tensor]:
    """Denoise unit Gaussian ``noise`` (N, ...) with any diffusers scheduler; yield the estimate of x_0 of every step.

    ``predict`` gives the network's output for (x_t, t), of the scheduler's ``prediction_type``.
    """
    limit = scheduler.config.num_train_timesteps
    if not 1 <= steps <= limit:
        raise GdrdError(f"{steps} sampling steps", f"Choose between 1 and {limit}")
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(steps, device=noise.device)
    extra = {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
    x_t = noise * scheduler.init_noise_sigma
    for step, t in enumerate(scheduler.timesteps, 1):
        result = scheduler.step(predict(scheduler.scale_model_input(x_t, t), t), t, x_t, **extra)
        x_t = result.prev_sample
        x0 = getattr(result, "pred_original_sample", None)
        # Some schedulers do not return their estimate of x_0; the current sample replaces it.
        yield x_t if x0 is None or step == steps else x0

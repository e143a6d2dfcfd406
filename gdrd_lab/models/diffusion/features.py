"""What the generative teacher's encoder knows: features at any block and timestep, through a forward hook."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.diffusion.sampling import start_noise


class _Reached(Exception):
    """The hooked block has run: the rest of the network is not needed."""


def encoder_blocks(unet: nn.Module) -> list[str]:
    """Name the blocks whose features can be read, from the input to the middle: down_blocks.0, ..., mid_block."""
    downs = [f"down_blocks.{index}" for index in range(len(unet.get_submodule("down_blocks")))]  # type: ignore[arg-type]
    return [*downs, "mid_block"]


def block_features(
    unet: nn.Module, sample: Tensor, timestep: Tensor | int, block: str = "mid_block", **inputs: Any
) -> Tensor:
    """Run a diffusers UNet up to ``block`` and return that block's output (N, C, h, w).

    Args:
        unet: any network with named submodules; a diffusers UNet of any kind.
        sample: its first input, as it reads it.
        timestep: integer or (N,).
        block: path of a submodule, such as "down_blocks.1", "mid_block" or "mid_block.resnets.1".
        inputs: further inputs that this UNet needs (such as ``encoder_hidden_states``).

    Raises:
        GdrdError: the network has no such block.
    """
    try:
        module = unet.get_submodule(block)
    except AttributeError as error:
        raise GdrdError(
            f"The UNet has no block {block!r}", f"Choose one of {', '.join(encoder_blocks(unet))}"
        ) from error
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)
        raise _Reached

    handle = module.register_forward_hook(keep)
    try:
        unet(sample, timestep, **inputs)
    except _Reached:
        pass
    finally:
        handle.remove()
    return found[0]


@torch.no_grad()
def generative_features(
    teacher: SuperResolutionPipeline,
    lr: Tensor,
    *,
    hr: Tensor | None = None,
    timestep: int = 0,
    block: str = "mid_block",
    seeds: list[int] | None = None,
) -> Tensor:
    """Encoder features of the generative teacher for very-low-resolution faces.

    Args:
        teacher: the generative teacher.
        lr: (N, 3, r, r) in [0, 1], the condition.
        hr: (N, 3, S, S) in [0, 1]; then the encoder also sees what the low-resolution faces lack. None: the
            features tell what the low-resolution face alone supports.
        timestep: noise level, 0 (clean) to 999.
        block: see ``encoder_blocks``.
        seeds: one per face, for the noise at that timestep; None adds no noise, only the signal's scaling.

    Returns:
        (N, C, h, w), no gradient.
    """
    device = teacher.device
    lr = lr.to(device)
    condition = teacher.condition(lr)
    clean = teacher.clean(None if hr is None else hr.to(device), lr)
    alpha = teacher.scheduler.alphas_cumprod[timestep].to(clean)
    noisy = alpha.sqrt() * clean
    if seeds is not None:
        noise, _ = start_noise(seeds, tuple(clean.shape[1:]), device)
        noisy = noisy + (1 - alpha).sqrt() * noise
    return block_features(teacher.unet, teacher.unet_input(noisy, condition), timestep, block)

"""Features of the generative teacher's encoder at any block and timestep, read by a forward hook."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.diffusion.process import noised
from gdrd_lab.models.diffusion.sampling import start_noise
from gdrd_lab.models.recogniser import check_faces


class _Reached(Exception):
    """Stops the forward pass after the hooked block."""


def encoder_blocks(unet: nn.Module) -> list[str]:
    """Name the encoder's blocks in order: down_blocks.0, ..., mid_block."""
    downs = [f"down_blocks.{index}" for index in range(len(unet.get_submodule("down_blocks")))]  # type: ignore[arg-type]
    return [*downs, "mid_block"]


@contextmanager
def captured(unet: nn.Module, block: str, stop: bool = False) -> Iterator[list[Tensor]]:
    """Collect the outputs of a submodule, such as "down_blocks.1", in forward passes; ``stop`` ends them there.

    Code of torch.compile does not call a hook that is younger than itself, so these passes do without it.
    """
    try:
        module = unet.get_submodule(block)
    except AttributeError as error:
        known = ", ".join(encoder_blocks(unet))
        raise GdrdError(f"The UNet has no block {block!r}", f"Choose one of {known}") from error
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)
        if stop:
            raise _Reached

    handle, compiled = module.register_forward_hook(keep), unet._compiled_call_impl
    unet._compiled_call_impl = None
    try:
        yield found
    except _Reached:
        pass
    finally:
        unet._compiled_call_impl = compiled
        handle.remove()


def block_features(
    unet: nn.Module, sample: Tensor, timestep: Tensor | int, block: str = "mid_block", **inputs: Any
) -> Tensor:
    """Run a diffusers UNet up to a submodule, such as "down_blocks.1" or "mid_block.resnets.1"; return its output.

    ``timestep`` is an integer or (N,); ``inputs`` are further inputs of this UNet, such as ``encoder_hidden_states``.
    """
    with captured(unet, block, stop=True) as found:
        unet(sample, timestep, **inputs)
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
    """Return encoder features (N, C, h, w) of the generative teacher for faces ``lr`` (N, 3, r, r) in [0, 1].

    The encoder reads x_t at ``timestep`` 0 (clean) to 999: x_0 is the residual of ``hr`` (N, 3, S, S), or of the
    low-resolution face alone if None. ``seeds``, one per face, give the noise; None adds none.
    """
    device = teacher.device
    lr = check_faces(lr).to(device)
    condition = teacher.condition(lr)
    x0 = teacher.clean(None if hr is None else hr.to(device), lr)
    alpha_bar = teacher.scheduler.alphas_cumprod[timestep].to(x0)
    noise = torch.zeros_like(x0) if seeds is None else start_noise(seeds, tuple(x0.shape[1:]), device)[0]
    x_t = noised(x0, noise, alpha_bar)
    return block_features(teacher.unet, teacher.unet_input(x_t, condition), timestep, block)

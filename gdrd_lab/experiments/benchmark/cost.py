"""What a network costs whatever the machine: multiply-adds and parameters."""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gdrd_lab.errors import GdrdError


def multiply_adds(module: nn.Module, input_size: int | tuple[int, ...], *further: Any) -> int:
    """Count the multiply-adds of one face's forward pass, half of what is called FLOPs elsewhere.

    Convolutions, matrix products and attention count; element-wise work (BatchNorm, activations, resizing) does not, as
    is usual. The pass runs in evaluation mode without gradients and leaves the module as it was. ``input_size`` is the
    side r of a face (1, 3, r, r), or a shape without the batch: (C, H, W) or (d,). ``further`` are more arguments of
    ``forward``, such as a diffusion model's timestep.
    """
    shape = (3, input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    sample = next(iter(module.parameters()), torch.zeros(()))
    was_training = [part for part in module.modules() if part.training]
    counter = FlopCounterMode(display=False)
    try:
        module.eval()
        with torch.no_grad(), counter:
            module(torch.zeros(1, *shape, device=sample.device, dtype=sample.dtype), *further)
    except RuntimeError as error:
        what = f"{type(module).__name__} takes no input of shape {(1, *shape)} ({str(error)[:100]})"
        raise GdrdError(what, "Give the side of a face or the input's whole shape") from error
    finally:
        for part in was_training:
            part.training = True
    return counter.get_total_flops() // 2


def parameter_count(module: nn.Module) -> int:
    """Count the numbers a module learns, each shared tensor once."""
    return sum(parameter.numel() for parameter in module.parameters())

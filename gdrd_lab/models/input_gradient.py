"""A frozen network rewritten so that its input gradient takes a third of the time on CPUs; its values stay the same."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from gdrd_lab.models.recogniser import frozen

Network = TypeVar("Network", bound=nn.Module)


class FrozenPReLU(nn.Module):
    """x for x > 0, else slope x, without the gradient of the slope, which takes most of PReLU's backward pass."""

    slope: Tensor

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.register_buffer("slope", slope.detach().clone()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations (N, C, H, W)."""
        return x * torch.where(x.detach() > 0, torch.ones((), dtype=x.dtype, device=x.device), self.slope.to(x.dtype))


class Subsampled(nn.Module):
    """A depthwise convolution at stride 1 of which every second pixel is kept: stride 2 has a slow backward pass."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = copy.deepcopy(convolution)
        self.convolution.stride = (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return every second pixel of the convolved x (N, C, H, W)."""
        return self.convolution(x)[:, :, ::2, ::2]


def for_input_gradient(network: Network) -> Network:
    """Return a frozen copy with the same values whose input gradient is quicker, most of all after torch.compile."""
    quick = copy.deepcopy(network)
    for parent in list(quick.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.PReLU) and part.num_parameters > 1:
                setattr(parent, name, FrozenPReLU(part.weight))
            elif isinstance(part, nn.Conv2d) and 1 < part.groups == part.in_channels and part.stride == (2, 2):
                setattr(parent, name, Subsampled(part))
    return frozen(quick)

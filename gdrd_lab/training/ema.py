"""The exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import nn


class EMA:
    """Exponential moving average of a module's state: a <- d a + (1 - d) w, with d lower in the first steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone().float() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after optimiser step ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = [], []
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                ours.append(self.state[name])
                theirs.append(value.float())
            else:
                self.state[name] = value.detach().clone().float()
        torch._foreach_lerp_(ours, theirs, 1 - decay)  # all tensors in one call

    def copy_to(self, module: nn.Module) -> None:
        """Put the averaged weights into the module."""
        current = module.state_dict()
        module.load_state_dict({name: value.to(current[name].dtype) for name, value in self.state.items()})

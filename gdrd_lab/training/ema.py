"""The exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel


def weight_average(module: nn.Module, decay: float) -> AveragedModel:
    """Return the average a <- d a + (1 - d) w of weights and buffers; in update n, from 1, d = min(decay, n / (n + 9)).

    Integer buffers are copied. ``n_averaged`` is one more than the updates made, because the starting weights count.
    """

    def update(average: PARAM_LIST, weights: PARAM_LIST, _: object) -> None:
        if average[0].is_floating_point():
            count = int(averaged.n_averaged)
            torch._foreach_lerp_(average, weights, 1 - min(decay, count / (count + 9)))
        else:
            torch._foreach_copy_(average, weights)

    averaged = AveragedModel(module, multi_avg_fn=update, use_buffers=True)
    averaged.n_averaged += 1  # torch would replace the starting weights in the first update
    return averaged.requires_grad_(False)

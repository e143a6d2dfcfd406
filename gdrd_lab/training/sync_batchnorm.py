"""BatchNorm over the batch of all processes, on any device."""

import torch
from torch import Tensor, nn

from gdrd_lab import distributed


class CrossProcessBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm with the statistics of the faces of all processes, as torch's SyncBatchNorm, which needs GPUs."""

    def _check_input_dim(self, x: Tensor) -> None:
        """Accept any (N, C) or (N, C, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, ...) over the N of all processes and all further dimensions."""
        if not self.training or distributed.world_size() == 1:
            return super().forward(x)
        over, shape = [0, *range(2, x.ndim)], [1, -1] + [1] * (x.ndim - 2)
        with torch.autocast(x.device.type, enabled=False):
            values = x.float()
            count = values.numel() // values.shape[1] * distributed.world_size()
            mean = distributed.all_reduce_sum(values.sum(over)) / count
            centred = values - mean.view(shape)
            variance = distributed.all_reduce_sum(centred.square().sum(over)) / count
            if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
                with torch.no_grad():
                    self.num_batches_tracked.add_(1)
                    momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, momentum)
                    self.running_var.lerp_(variance * (count / max(1, count - 1)), momentum)
            out = centred * torch.rsqrt(variance + self.eps).view(shape)
            if self.weight is not None:
                out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(x.dtype)


def convert_batch_norms(module: nn.Module) -> None:
    """Turn each BatchNorm of a network into one over all processes; parameters, buffers and names stay."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.__class__ = CrossProcessBatchNorm

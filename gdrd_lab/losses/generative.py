"""L_gen: the student's backbone regresses the features of the generative teacher's encoder."""

from enum import Enum

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_pair, full_precision


class TargetNormalisation(Enum):
    """How the teacher's features are standardised before the student regresses them.

    Example:
        >>> features = torch.randn(4, 8, 2, 2)
        >>> round(normalise_target(3 * features, TargetNormalisation.CHANNEL).std(correction=0).item(), 3)
        1.0
    """

    NONE = 0
    """Not at all: the plain squared distance."""
    CHANNEL = 1
    """Each channel has zero mean and unit variance over the whole batch and map, so all channels weigh the same."""
    LAYER = 2
    """Each position has zero mean and unit variance over its channels, independently of the batch."""


def normalise_target(features: Tensor, normalisation: TargetNormalisation) -> Tensor:
    """Standardise features (N, C, H, W): (f - mean) / sqrt(variance + 1e-6), biased variance."""
    if normalisation is TargetNormalisation.NONE:
        return features
    over = (0, 2, 3) if normalisation is TargetNormalisation.CHANNEL else (1,)
    if all(features.shape[dimension] == 1 for dimension in over):
        shape = tuple(features.shape)
        raise GdrdError(f"Features of shape {shape} have one value to normalise over", "Use a larger batch or map")
    parts = distributed.world_size()
    if normalisation is TargetNormalisation.CHANNEL and parts > 1:  # statistics of the faces of all processes
        centred = features - distributed.all_reduce_sum(features.mean(over, keepdim=True)) / parts
        variance = distributed.all_reduce_sum(centred.square().mean(over, keepdim=True)) / parts
        return centred * torch.rsqrt(variance + 1e-6)
    variance, mean = torch.var_mean(features, dim=over, keepdim=True, correction=0)
    return (features - mean) * torch.rsqrt(variance + 1e-6)


def generative_loss(
    student_features: Tensor, teacher_features: Tensor, normalise: TargetNormalisation | bool = False
) -> Tensor:
    """Mean squared distance between the student's adapted features and the generative teacher's.

    L_gen = 1 / (N C H W) * sum (A(f_s) - f_t)^2, with f_t detached; in [0, inf), 0 where A(f_s) equals the target.

    Args:
        student_features: (N, C, H, W), after the adapter A that gives them the teacher's shape.
        teacher_features: (N, C, H, W), the encoder's features of the same very-low-resolution faces.
        normalise: standardise the target first; False is NONE and True is CHANNEL. This is not taken from the paper;
            it makes the loss comparable between blocks.

    Raises:
        GdrdError: the shapes differ or are not (N, C, H, W), or there is too little to normalise over.

    Source: GDRD (arXiv 2409.06371), generative representation distillation.

    Example:
        >>> generative_loss(torch.full((2, 8, 4, 4), 3.0), torch.full((2, 8, 4, 4), 1.0)).item()
        4.0
    """
    check_pair(student_features, teacher_features, "N, C, H, W", "features")
    if isinstance(normalise, bool):
        normalise = TargetNormalisation.CHANNEL if normalise else TargetNormalisation.NONE
    target = normalise_target(full_precision(teacher_features.detach()), normalise)
    return F.mse_loss(full_precision(student_features), target)

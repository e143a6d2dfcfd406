"""The margin losses of pytorch-metric-learning, importable late: they pull in scipy (about a second)."""

from __future__ import annotations

import torch
from pytorch_metric_learning.losses import ArcFaceLoss, CosFaceLoss
from torch import Tensor

__all__ = ["BoundedArcFaceLoss", "CosFaceLoss"]


class BoundedArcFaceLoss(ArcFaceLoss):  # type: ignore[misc]
    """ArcFace whose gradient stays finite where an embedding lies exactly on its class weight.

    arccos has an infinite slope at +-1, which turns the whole step into NaN; cosines are kept 1e-6 away from there.
    """

    def get_angles(self, cosine_of_target_classes: Tensor) -> Tensor:
        """Return angles in radians."""
        return torch.acos(cosine_of_target_classes.clamp(-1 + 1e-6, 1 - 1e-6))

"""Before stage 2 of a pruned student: layers that were not initialised learn to reproduce SFace's layers there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gdrd_lab.models.sface import SFace, preprocess
from gdrd_lab.models.student.model import Student
from gdrd_lab.training.data import Batch
from gdrd_lab.training.stages.base import Stage


class StemStage(Stage):
    """L = mean over channels of E (f - t)^2 / Var(t), f and t of ``stem`` and the layers of SFace that it replaces."""

    def __init__(self, student: Student, stem: nn.Sequential, sface: SFace, target: nn.Sequential) -> None:
        super().__init__("stem", {"stem": stem}, frozen=[target])
        self._resolutions = student.input_size, sface.input_size

    @torch.no_grad()
    def fits(self) -> bool:
        """Return whether stem and target return maps of the same shape."""
        networks = self.trained["stem"].eval(), self.frozen[0]
        pairs = zip(networks, self._resolutions, strict=True)
        ours, theirs = (network(torch.zeros(1, 3, size, size)).shape for network, size in pairs)
        return bool(ours == theirs)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return {"stem": loss}; predicting the channels' means gives 1."""
        with torch.no_grad():
            target = self.frozen[0](preprocess(batch.lr, self._resolutions[1])).float()
        found = self.trained["stem"](preprocess(batch.lr, self._resolutions[0])).float()
        error = (found - target).square().mean((0, 2, 3))
        return {"stem": (error / target.var((0, 2, 3)).clamp_min(1e-4)).mean()}

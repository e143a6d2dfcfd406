"""Before stage 2 of a warm start: the student's fresh first layers learn to do what SFace's first layers do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gdrd_lab.models.sface import SFace, preprocess
from gdrd_lab.models.student.separable import SeparableBackbone
from gdrd_lab.training.data import Batch
from gdrd_lab.training.stages.base import Stage


class StemStage(Stage):
    """L = mean over channels of E (f - t)^2 / Var(t), both seeing the same low-resolution face.

    Args:
        backbone: of the student; brings the faces to its input size.
        stem: the student's layers that learn.
        sface: the teacher; brings the faces to its input size.
        target: SFace's layers whose place they take.
    """

    def __init__(self, backbone: SeparableBackbone, stem: nn.Sequential, sface: SFace, target: nn.Sequential) -> None:
        super().__init__("stem", {"front": stem}, frozen=[target])
        self._sides = backbone.input_size, sface.input_size

    @torch.no_grad()
    def fits(self) -> bool:
        """Whether both put out maps of the same shape."""
        networks = self.trained["front"].eval(), self.frozen[0]
        pairs = zip(networks, self._sides, strict=True)
        ours, theirs = (network(torch.zeros(1, 3, side, side)).shape for network, side in pairs)
        return bool(ours == theirs)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return {"stem": loss}; 1 would be as good as the channels' means."""
        with torch.no_grad():
            target = self.frozen[0](preprocess(batch.lr, self._sides[1])).float()
        found = self.trained["front"](preprocess(batch.lr, self._sides[0])).float()
        error = (found - target).square().mean((0, 2, 3))
        return {"stem": (error / target.var((0, 2, 3)).clamp_min(1e-4)).mean()}

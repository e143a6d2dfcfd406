"""The student's head: features to an embedding; stage 2 trains it to predict the discriminative teacher's."""

from __future__ import annotations

from torch import Tensor, nn

from gdrd_lab.models.student.backbone import residual_stage


class Head(nn.Module):
    """One residual stage and a linear layer.

    Args:
        inputs: channels of the backbone's features.
        grid: height and width of the backbone's features.
        channels: width of the residual stage.
        blocks: residual blocks of that stage.
        embedding_size: d.
    """

    def __init__(self, inputs: int, grid: int, channels: int = 256, blocks: int = 2, embedding_size: int = 128) -> None:
        super().__init__()
        self.stage = residual_stage(inputs, channels, blocks, 2)
        self.norm = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels * (grid // 2) ** 2, embedding_size, bias=False)
        self.embedding_norm = nn.BatchNorm1d(embedding_size)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, inputs, grid, grid) to raw embeddings (N, d), not normalised."""
        return self.embedding_norm(self.linear(self.norm(self.stage(features)).flatten(1)))

"""The feature adapter between student and generative teacher: used in stage 1, then discarded."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeatureAdapter(nn.Module):
    """A bilinear resize to (h, w) and a 1 x 1 convolution, which give the student's features the teacher's shape."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.project = nn.Conv2d(inputs, outputs, 1)
        self.size = size

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, inputs, g, g) to (N, outputs, h, w)."""
        return self.project(self.resized(features))

    def resized(self, features: Tensor) -> Tensor:
        """Resize (N, inputs, g, g) to (N, inputs, h, w)."""
        shrinks = features.shape[-1] > self.size[-1]
        # Antialiased resizing needs float32.
        return F.interpolate(features.float(), self.size, mode="bilinear", antialias=shrinks, align_corners=False)

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Set the convolution to the least squares fit of targets (N, outputs, h, w) on features, over all pairs."""
        squares = products = torch.zeros(())
        for features, target in pairs:
            rows = F.pad(self.resized(features).movedim(1, -1).flatten(0, 2), (0, 1), value=1.0).double()
            squares = squares + rows.T @ rows
            products = products + rows.T @ target.movedim(1, -1).flatten(0, 2).double()
        ridge = 1e-4 * squares.diagonal().mean() * torch.eye(len(squares), dtype=torch.float64)
        fitted = torch.linalg.solve(squares + ridge, products).float().T
        self.project.weight.copy_(fitted[:, :-1, None, None])
        self.project.bias.copy_(fitted[:, -1])  # type: ignore[union-attr]

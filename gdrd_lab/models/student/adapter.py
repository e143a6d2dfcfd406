"""The feature adapter between student and generative teacher: used in stage 1, then discarded."""

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
        shrinks = features.shape[-1] > self.size[-1]
        # Antialiased resizing needs float32.
        resized = F.interpolate(features.float(), self.size, mode="bilinear", antialias=shrinks, align_corners=False)
        return self.project(resized)

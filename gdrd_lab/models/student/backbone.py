"""The student's backbone: residual stages on grids of 16 x 16 and smaller."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.transforms.resize import resize

GRID = 16


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm and PReLU, and a shortcut; ``stride`` 2 halves the grid."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.activation = nn.PReLU(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        # Blocks start as the identity, so that deep stacks train without a long warm-up.
        nn.init.zeros_(self.second_norm.weight)
        self.stride = stride
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        y = self.activation(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        return y + self.shortcut(F.avg_pool2d(x, 2) if self.stride == 2 else x)


def residual_stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    """Stack ``blocks`` residual blocks; the first one changes width and grid."""
    rest = [ResidualBlock(outputs, outputs) for _ in range(blocks - 1)]
    return nn.Sequential(ResidualBlock(inputs, outputs, stride), *rest)


class Backbone(nn.Module):
    """Very-low-resolution faces to a feature map; stage 1 trains it to predict the generative teacher's features.

    Args:
        input_size: resolution that faces are resized to first, a multiple of 16; the stem gives a 16 x 16 grid.
        channels: width of each stage; stage k works on a grid of 16 / 2^k.
        blocks: residual blocks of each stage.
    """

    def __init__(
        self, input_size: int = 32, channels: Sequence[int] = (64, 128), blocks: Sequence[int] = (2, 3)
    ) -> None:
        super().__init__()
        if input_size % GRID or input_size < GRID:
            raise GdrdError(f"input_size {input_size} is not a multiple of {GRID}", "Choose 16, 32, 48, ...")
        self.input_size = input_size
        stride = input_size // GRID
        kernel = 2 * stride + 1
        stem = nn.Conv2d(3, channels[0], kernel, stride, kernel // 2, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(channels[0]), nn.PReLU(channels[0]))
        widths = [channels[0], *channels]
        self.stages = nn.Sequential(
            *(residual_stage(widths[k], widths[k + 1], blocks[k], 1 if k == 0 else 2) for k in range(len(channels)))
        )
        self.channels = channels[-1]
        self.grid = GRID >> (len(channels) - 1)

    def forward(self, faces: Tensor) -> Tensor:
        """Map faces (N, 3, r, r), RGB in [0, 1], any r, to features (N, channels, grid, grid)."""
        return self.stages(self.stem(resize(faces, self.input_size) * 2 - 1))

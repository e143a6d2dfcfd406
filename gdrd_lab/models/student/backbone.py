"""A student of residual blocks: its backbone, on grids of 16 x 16 and smaller, and its head."""

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

    The stem gives a 16 x 16 grid; stage k has ``channels[k]`` and ``blocks[k]`` on a grid of 16 / 2^k.
    """

    def __init__(
        self, input_size: int = 32, channels: Sequence[int] = (64, 128), blocks: Sequence[int] = (2, 3)
    ) -> None:
        super().__init__()
        if input_size % GRID or input_size < GRID:
            raise GdrdError(f"input_size {input_size} is not a multiple of {GRID}", "Choose 16, 32, 48, ...")
        self.input_size = input_size
        stride = input_size // GRID
        stem = nn.Conv2d(3, channels[0], 2 * stride + 1, stride, stride, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(channels[0]), nn.PReLU(channels[0]))
        shapes = zip((channels[0], *channels), channels, blocks, strict=False)
        self.stages = nn.Sequential(*(residual_stage(*shape, 2 if k else 1) for k, shape in enumerate(shapes)))
        self.channels = channels[-1]
        self.grid = GRID >> (len(channels) - 1)

    def forward(self, faces: Tensor) -> Tensor:
        """Map faces (N, 3, r, r), RGB in [0, 1], any r, to features (N, channels, grid, grid)."""
        return self.stages(self.stem(resize(faces, self.input_size) * 2 - 1))


class Head(nn.Module):
    """A residual stage and a linear layer: features to an embedding like the discriminative teacher's."""

    def __init__(self, inputs: int, grid: int, channels: int = 256, blocks: int = 2, embedding_size: int = 128) -> None:
        super().__init__()
        self.stage = residual_stage(inputs, channels, blocks, 2)
        self.norm = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels * (grid // 2) ** 2, embedding_size, bias=False)
        self.embedding_norm = nn.BatchNorm1d(embedding_size)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, inputs, grid, grid) to raw embeddings (N, d), not normalised."""
        return self.embedding_norm(self.linear(self.norm(self.stage(features)).flatten(1)))

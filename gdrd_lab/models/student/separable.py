"""A student of depthwise-separable blocks shaped like SFace's last blocks, so that it can be initialised from them."""

from collections.abc import Sequence
from functools import reduce

from torch import Tensor, nn

from gdrd_lab.models.sface import convolution_unit, preprocess, separable_blocks


def grid_after(grid: int, blocks: Sequence[Sequence[int]]) -> int:
    """Return the grid after separable blocks (channels, stride, ...), each of which divides it and rounds up."""
    return reduce(lambda grid, block: -(-grid // block[1]), blocks, grid)


class SeparableBackbone(nn.Module):
    """A strided stem and separable blocks on a small grid; arguments as in ``SeparableConfig``."""

    def __init__(self, input_size: int, stem: tuple[int, int, int], blocks: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.input_size = input_size
        width, kernel, stride = stem
        self.stem = convolution_unit(3, width, kernel, stride)
        self.blocks = separable_blocks(width, blocks)
        self.channels = blocks[-1][0]
        self.grid = grid_after((input_size - 2 + kernel % 2) // stride + 1, blocks)

    def forward(self, faces: Tensor) -> Tensor:
        """Map faces (N, 3, r, r), RGB in [0, 1], any r, to features (N, channels, grid, grid)."""
        return self.blocks(self.stem(preprocess(faces, self.input_size)))


class SeparableHead(nn.Module):
    """Separable blocks and a linear layer over the whole grid, for features (N, inputs, grid, grid)."""

    def __init__(self, inputs: int, grid: int, blocks: Sequence[Sequence[int]], embedding_size: int) -> None:
        super().__init__()
        self.blocks = separable_blocks(inputs, blocks)
        width, self.grid = blocks[-1][0], grid_after(grid, blocks)
        self.norm = nn.BatchNorm2d(width, eps=2e-5)
        self.linear = nn.Linear(width * self.grid**2, embedding_size)
        self.embedding_norm = nn.BatchNorm1d(embedding_size, eps=2e-5)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, inputs, grid, grid) to raw embeddings (N, d), not normalised."""
        return self.embedding_norm(self.linear(self.norm(self.blocks(features)).flatten(1)))

"""A student of depthwise-separable blocks shaped like the recogniser's last ones, so that it can start from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.teachers.recogniser import enlarge
from gdrd_lab.teachers.sface import SFace, convolution_unit, separable_blocks


def convolved(side: int, kernel: int, stride: int) -> int:
    """Return the side of the map that a ``convolution_unit`` makes of one with ``side``."""
    return (side + 2 * ((kernel - 1) // 2) - kernel) // stride + 1


def grid_after(side: int, blocks: Sequence[tuple[int, int]]) -> int:
    """Return the side of the map after separable blocks, given as (channels, stride)."""
    for _, stride in blocks:
        side = convolved(side, 3, stride)
    return side


class SeparableBackbone(nn.Module):
    """A strided stem and separable blocks on a small grid.

    Args:
        input_size: side the faces are brought to first.
        stem: (channels, kernel, stride) of the stem.
        blocks: (channels, stride) of each separable block.
    """

    def __init__(self, input_size: int, stem: tuple[int, int, int], blocks: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.input_size = input_size
        width, kernel, stride = stem
        self.stem = convolution_unit(3, width, kernel, stride)
        self.blocks = separable_blocks(width, blocks)
        self.channels = blocks[-1][0]
        self.grid = grid_after(convolved(input_size, kernel, stride), blocks)

    def forward(self, faces: Tensor) -> Tensor:
        """Map faces (N, 3, r, r), RGB in [0, 1], any r, to features (N, channels, grid, grid)."""
        # SFace's own scale of pixels, (255 x - 127.5) / 128: its weights expect it.
        return self.blocks(self.stem((enlarge(faces, self.input_size) * 255 - 127.5) * 0.0078125))


class SeparableHead(nn.Module):
    """Separable blocks and a linear layer over the whole grid.

    Args:
        inputs: channels of the backbone's features.
        grid: side of the backbone's feature map.
        blocks: (channels, stride) of each separable block.
        embedding_size: d.
    """

    def __init__(self, inputs: int, grid: int, blocks: Sequence[tuple[int, int]], embedding_size: int) -> None:
        super().__init__()
        self.blocks = separable_blocks(inputs, blocks)
        width, self.grid = blocks[-1][0], grid_after(grid, blocks)
        self.norm = nn.BatchNorm2d(width, eps=2e-5)
        self.linear = nn.Linear(width * self.grid**2, embedding_size)
        self.embedding_norm = nn.BatchNorm1d(embedding_size, eps=2e-5)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, inputs, grid, grid) to raw embeddings (N, d), not normalised."""
        return self.embedding_norm(self.linear(self.norm(self.blocks(features)).flatten(1)))


@torch.no_grad()
def warm_start(backbone: SeparableBackbone, head: SeparableHead, sface: SFace) -> int:
    """Copy SFace's weights into every layer of the same shape, counted from the embedding backwards.

    The linear layer reads a smaller map than SFace's 7 x 7: its weights are resized over the grid by bilinear
    interpolation with antialias and scaled by the ratio of the areas, which keeps the embedding's size.

    Returns:
        The number of separable blocks copied; the stem too when all thirteen and its shape agree.
    """
    ours, theirs = [*backbone.blocks, *head.blocks], list(sface.blocks)
    copied = 0
    for mine, source in zip(reversed(ours), reversed(theirs), strict=False):
        shapes = [value.shape for value in mine.state_dict().values()]
        if shapes != [value.shape for value in source.state_dict().values()]:
            break
        mine.load_state_dict(source.state_dict())
        copied += 1
    if copied == len(theirs) and backbone.stem[0].weight.shape == sface.stem[0].weight.shape:
        backbone.stem.load_state_dict(sface.stem.state_dict())
    head.norm.load_state_dict(sface.norm.state_dict())
    head.embedding_norm.load_state_dict(sface.embedding_norm.state_dict())
    maps = sface.linear.weight.unflatten(1, (-1, 7, 7))
    resized = F.interpolate(maps, (head.grid, head.grid), mode="bilinear", antialias=True, align_corners=False)
    head.linear.weight.copy_((resized * (49 / head.grid**2)).flatten(1))
    head.linear.bias.copy_(sface.linear.bias)
    return copied

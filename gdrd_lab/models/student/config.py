"""Shapes of students, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gdrd_lab.io.config import from_dict


@dataclass(frozen=True)
class StudentConfig:
    """Shape of the student.

    Args:
        input_size: side the student enlarges or reduces its input to; a multiple of 16.
        backbone_channels: width of each backbone stage; the first works at 16 x 16, each further one at half.
        backbone_blocks: residual blocks of each backbone stage.
        head_channels: width of the head's residual stage.
        head_blocks: residual blocks of the head.
        embedding_size: must be the discriminative teacher's.
    """

    input_size: int = 32
    backbone_channels: tuple[int, ...] = (64, 128)
    backbone_blocks: tuple[int, ...] = (2, 3)
    head_channels: int = 256
    head_blocks: int = 2
    embedding_size: int = 128


@dataclass(frozen=True)
class SeparableConfig:
    """Shape of a student of depthwise-separable blocks, which can start from SFace's weights (student.warm_start).

    The shape here is SFace's from its sixth block on, on the same 14 x 14 grid, but narrower and with pointwise
    convolutions of reduced rank, behind a short front of its own.

    Args:
        input_size: side the student enlarges or reduces its input to.
        stem: (channels, kernel, stride) of the first convolution.
        backbone_blocks: (channels, stride) or (channels, stride, rank) of each block of the backbone.
        head_blocks: the same of each block of the head.
        embedding_size: must be the discriminative teacher's.
    """

    input_size: int = 56
    stem: tuple[int, int, int] = (128, 8, 4)
    backbone_blocks: tuple[tuple[int, ...], ...] = ((256, 1), *[(320, 1, 64)] * 6)
    head_blocks: tuple[tuple[int, ...], ...] = ((640, 2, 96), (1024, 1, 128))
    embedding_size: int = 128

    @classmethod
    def whole(cls) -> SeparableConfig:
        """Return SFace's own shape: 112 px, all thirteen blocks at full rank, for an assistant."""
        from gdrd_lab.models.sface import BLOCKS  # loads torch

        return cls(112, (32, 3, 1), BLOCKS[:-2], BLOCKS[-2:])


def shape_from_dict(values: dict[str, Any]) -> StudentConfig | SeparableConfig:
    """Build the student's shape from plain values: separable if they have a stem.

    Raises:
        GdrdError: as ``from_dict``.
    """
    return from_dict(SeparableConfig, values) if "stem" in values else from_dict(StudentConfig, values)

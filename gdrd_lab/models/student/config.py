"""Shapes of students."""

from dataclasses import dataclass, fields
from typing import Any

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import check_ranges, from_dict

LARGEST = 4096


@dataclass(frozen=True)
class StudentConfig:
    """Shape of a student of residual blocks.

    Args:
        input_size: resolution that the student resizes its input to; a multiple of 16.
        backbone_channels: width of each backbone stage; the first has a 16 x 16 grid, each further one half of it.
        backbone_blocks: residual blocks of each backbone stage.
        head_channels: width of the head's residual stage.
        head_blocks: residual blocks of the head.
        embedding_size: the same as the discriminative teacher's.
    """

    input_size: int = 32
    backbone_channels: tuple[int, ...] = (64, 128)
    backbone_blocks: tuple[int, ...] = (2, 3)
    head_channels: int = 256
    head_blocks: int = 2
    embedding_size: int = 128

    def __post_init__(self) -> None:
        check_ranges(self, **dict.fromkeys((item.name for item in fields(self)), (1, LARGEST)))
        if not 1 <= len(self.backbone_channels) == len(self.backbone_blocks) <= 4:
            what = f"{len(self.backbone_channels)} backbone channels for {len(self.backbone_blocks)} backbone blocks"
            raise GdrdError(what, "Give one of each for each of one to four stages")


@dataclass(frozen=True)
class SeparableConfig:
    """Shape of a student of depthwise-separable blocks, which can be initialised from SFace (``student.pruning``).

    The default is SFace's shape from the sixth block on, on the same 14 x 14 grid, but narrower, with pointwise
    convolutions of reduced rank and a short stem of its own.

    Args:
        input_size: resolution that the student resizes its input to.
        stem: (channels, kernel, stride) of the first convolution.
        backbone_blocks: (channels, stride) or (channels, stride, rank) of each block of the backbone.
        head_blocks: the same of each block of the head.
        embedding_size: the same as the discriminative teacher's.
    """

    input_size: int = 56
    stem: tuple[int, int, int] = (128, 8, 4)
    backbone_blocks: tuple[tuple[int, ...], ...] = ((256, 1), *[(320, 1, 64)] * 6)
    head_blocks: tuple[tuple[int, ...], ...] = ((640, 2, 96), (1024, 1, 128))
    embedding_size: int = 128

    def __post_init__(self) -> None:
        check_ranges(self, input_size=(1, LARGEST), embedding_size=(1, LARGEST), stem=(1, LARGEST))
        if len(self.stem) != 3 or not self.backbone_blocks or not self.head_blocks:
            raise GdrdError("A separable student needs a stem of three numbers and blocks in both parts", "Add them")
        for block in (*self.backbone_blocks, *self.head_blocks):
            if len(block) not in (2, 3) or not all(1 <= value <= LARGEST for value in block):
                remedy = "Give (channels, stride) or (channels, stride, rank)"
                raise GdrdError(f"The block {block} is out of range", remedy)

    @classmethod
    def whole(cls) -> "SeparableConfig":
        """Return the shape of SFace, for an assistant: 112 px, all thirteen blocks at full rank."""
        from gdrd_lab.models.sface import BLOCKS  # imports torch

        return cls(112, (32, 3, 1), BLOCKS[:-2], BLOCKS[-2:])


def shape_from_dict(values: dict[str, Any]) -> StudentConfig | SeparableConfig:
    """Build a student's shape from plain values: separable if they have a stem."""
    return from_dict(SeparableConfig, values) if "stem" in values else from_dict(StudentConfig, values)

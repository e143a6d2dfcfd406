"""The student: a backbone and a head that together are a recogniser for very-low-resolution faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import to_dict
from gdrd_lab.io.weights_folder import load_into, read_folder, write_folder
from gdrd_lab.models.student.backbone import Backbone
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig, shape_from_dict
from gdrd_lab.models.student.head import Head
from gdrd_lab.models.student.separable import SeparableBackbone, SeparableHead


class Student(nn.Module):
    """Backbone and head. A Recogniser: reads faces of any resolution, best near its own input size."""

    def __init__(self, config: StudentConfig | SeparableConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or StudentConfig()
        self.embedding_size = size = config.embedding_size
        self.name = "student"
        self.teacher_name = ""  # the discriminative teacher's name, whose space the embeddings live in
        self.metadata: dict[str, Any] = {}  # how it was trained, as its file tells
        self.backbone: Backbone | SeparableBackbone
        self.head: Head | SeparableHead
        if isinstance(config, SeparableConfig):
            self.backbone = SeparableBackbone(config.input_size, config.stem, config.backbone_blocks)
            self.head = SeparableHead(self.backbone.channels, self.backbone.grid, config.head_blocks, size)
        else:
            self.backbone = Backbone(config.input_size, config.backbone_channels, config.backbone_blocks)
            self.head = Head(self.backbone.channels, self.backbone.grid, config.head_channels, config.head_blocks, size)

    def forward(self, faces: Tensor) -> Tensor:
        """Return raw embeddings (N, d) of faces (N, 3, r, r), RGB in [0, 1]."""
        return self.head(self.backbone(faces))

    def embed(self, faces: Tensor) -> Tensor:
        """Return unit embeddings (N, d) of faces (N, 3, r, r), RGB in [0, 1], at any resolution."""
        return F.normalize(self(faces), dim=1)

    def save(self, folder: Path, metadata: Mapping[str, Any] | None = None, half: bool = False) -> None:
        """Write weights (safetensors), configuration and ``metadata`` atomically; ``half`` stores float16.

        Raises:
            GdrdError: the disk is full; what was there stays.
        """
        state = {
            name: value.half() if half and value.is_floating_point() else value
            for name, value in self.state_dict().items()
        }
        own = {"student": to_dict(self.config), "name": self.name, "teacher": self.teacher_name}
        write_folder(folder, {"student": state}, {**self.metadata, **own, **(metadata or {})})

    @classmethod
    def load(cls, folder: Path) -> Student:
        """Read what ``save`` wrote, in evaluation mode, frozen, in float32.

        Raises:
            GdrdError: the folder is missing, damaged or of another configuration.
        """
        tensors, metadata = read_folder(Path(folder))
        if "student" not in tensors or "student" not in metadata:
            raise GdrdError(
                f"{folder} holds no student", "Give the folder `student` of a run, or the shipped data/student"
            )
        student = cls(shape_from_dict(metadata["student"]))
        load_into(
            student,
            {name: value.float() if value.is_floating_point() else value for name, value in tensors["student"].items()},
            folder,
        )
        student.metadata, student.name = metadata, str(metadata.get("name", "student"))
        student.teacher_name = str(metadata.get("teacher", ""))
        return student.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

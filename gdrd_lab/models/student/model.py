"""The student: a backbone and a head that form a recogniser for very-low-resolution faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import to_dict
from gdrd_lab.io.weights_folder import load_into, read_folder, write_folder
from gdrd_lab.models.recogniser import RecogniserNetwork, frozen, require_finite
from gdrd_lab.models.student.backbone import Backbone, Head
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig, shape_from_dict
from gdrd_lab.models.student.separable import SeparableBackbone, SeparableHead


class Student(RecogniserNetwork):
    """Backbone and head; faces of any resolution are resized to ``input_size`` first.

    Example:
        >>> import torch
        >>> student = Student(StudentConfig(input_size=32)).eval()
        >>> student.embed(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 128])
    """

    def __init__(self, config: StudentConfig | SeparableConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or StudentConfig()
        self.embedding_size = size = config.embedding_size
        self.input_size = config.input_size
        self.name = "student"
        self.teacher_name = ""  # the discriminative teacher, whose embedding space the student shares
        self.metadata: dict[str, Any] = {}  # how it was trained, as stored in its file
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

    def save(self, folder: Path, metadata: Mapping[str, Any] | None = None, half: bool = False) -> None:
        """Write weights (safetensors), configuration and ``metadata`` atomically; ``half`` stores float16.

        Raises:
            GdrdError: the disk is full; an earlier folder is kept.
        """
        state = self.state_dict()
        if half:
            state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
        own = {"student": to_dict(self.config), "name": self.name, "teacher": self.teacher_name}
        write_folder(folder, {"student": state}, {**self.metadata, **own, **(metadata or {})})

    @classmethod
    def load(cls, folder: Path) -> "Student":
        """Read what ``save`` wrote: a frozen student in evaluation mode and float32.

        Raises:
            GdrdError: the folder is missing or damaged, of another configuration, or holds weights that are not finite.
        """
        tensors, metadata = read_folder(Path(folder))
        if "student" not in tensors or "student" not in metadata:
            remedy = "Give the folder `student` of a run, or the shipped data/student"
            raise GdrdError(f"{folder} does not hold a student", remedy)
        student = cls(shape_from_dict(metadata["student"]))
        student.metadata, student.name = metadata, str(metadata.get("name", "student"))
        student.teacher_name = str(metadata.get("teacher", ""))
        require_finite(tensors["student"], f"{student.name} ({folder})")
        load_into(student, tensors["student"], folder)
        return frozen(student)

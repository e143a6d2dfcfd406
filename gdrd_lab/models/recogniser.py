"""The protocol every recogniser follows, and how a whole face set is embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

if TYPE_CHECKING:
    pass


@runtime_checkable
class Recogniser(Protocol):
    """Anything that turns aligned faces into comparable embeddings: a teacher, a student or your own network."""

    name: str
    embedding_size: int

    def embed(self, faces: Tensor) -> Tensor:
        """Embed faces (N, 3, H, W), RGB in [0, 1], at any resolution, as unit vectors (N, embedding_size)."""
        ...

"""The interface of a training stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from gdrd_lab.training.data import Batch


class Stage(nn.Module):
    """The modules that a stage trains and their losses: subclasses set ``trained`` and implement ``forward``.

    Args:
        name: folder name of its checkpoints.
        trained: the modules that learn, by name, without frozen teachers.
        frozen: teachers and other networks that are not trained; the loop moves them to its device.
        losses: names in ``trained`` of losses with parameters, which are not compiled.
    """

    def __init__(
        self, name: str, trained: Mapping[str, nn.Module], frozen: Sequence[Any] = (), losses: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.name = name
        self.trained = nn.ModuleDict(dict(trained))
        # In a tuple, so that they are not submodules: they are not trained, saved or set to training mode.
        self.frozen = tuple(frozen)
        self.losses = tuple(losses)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted losses of a batch by name; their sum is minimised."""
        raise NotImplementedError

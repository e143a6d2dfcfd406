"""What a training stage is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from gdrd_lab.training.data import Batch


class Stage(nn.Module):
    """What a stage trains and how it is judged: subclasses set ``trained`` and implement ``forward``.

    Args:
        name: folder name of its checkpoints.
        trained: the modules that learn, by name; a frozen teacher is not among them.
        frozen: teachers and other networks that only run; the loop moves them to its device.
        losses: names in ``trained`` of losses with parameters, which torch.compile leaves alone.
    """

    def __init__(
        self, name: str, trained: Mapping[str, nn.Module], frozen: Sequence[Any] = (), losses: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.name = name
        self.trained = nn.ModuleDict(dict(trained))
        # In a tuple, so that they are no submodules: neither trained nor saved nor switched to training mode.
        self.frozen = tuple(frozen)
        self.losses = tuple(losses)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the named losses of a batch, already weighted; their sum is minimised."""
        raise NotImplementedError

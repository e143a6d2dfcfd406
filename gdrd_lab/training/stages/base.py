"""The interface of a training stage."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from gdrd_lab.training.data import Batch


class Stage(nn.Module):
    """What a stage trains, in checkpoints of its ``name``, and its losses: subclasses implement ``forward``.

    The loop moves ``frozen`` networks to its device. ``losses`` names losses in ``trained``, which are not compiled.
    ``weights`` are those of the losses that ``forward`` returns, 1 where a name is missing.
    """

    def __init__(
        self, name: str, trained: Mapping[str, nn.Module], frozen: Sequence[Any] = (), losses: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.name, self.losses = name, tuple(losses)
        self.trained = nn.ModuleDict(dict(trained))
        # In a tuple, so that they are not submodules: they are not trained, saved or set to training mode.
        self.frozen = tuple(frozen)
        self.weights: dict[str, float] = {}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of a batch by name; their weighted sum is minimised."""
        raise NotImplementedError

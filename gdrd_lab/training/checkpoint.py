"""Checkpoints of a stage: the weights, their average and the state of the optimiser, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from gdrd_lab.io.weights_folder import load_into, write_folder


@dataclass
class TrainingState:
    """Everything that an optimiser step changes."""

    weights: nn.Module  # the modules that learn
    average: AveragedModel  # their moving average (``training.ema``)
    optimizer: Optimizer
    scaler: Any = None  # of the gradients in half precision
    changes: list[dict[str, Any]] = field(default_factory=list)  # of settings in resumed runs, with their steps

    def is_finite(self) -> bool:
        """Return whether all weights and buffers and their averages are finite."""
        tensors = [*self.weights.state_dict().values(), *self.average.module.state_dict().values()]
        return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())

    def save(self, folder: Path, step: int, metadata: Mapping[str, Any], keep: int) -> None:
        """Write the checkpoint ``folder/step-NNNNNNN`` after ``step`` steps and delete all but the newest ``keep``."""
        path = folder / f"step-{step:07d}"
        tensors, rest = flatten_optimizer(self.optimizer.state_dict())
        weights, average = self.weights.state_dict(), self.average.module.state_dict()
        scaler = None if self.scaler is None else self.scaler.state_dict()
        state = {"step": step, "changes": self.changes, "optimizer": rest, "scaler": scaler}
        write_folder(path, {"weights": weights, "average": average, "optimizer": tensors}, {**metadata, **state})
        for old in checkpoints(folder)[:-keep]:
            shutil.rmtree(old)

    def load(self, tensors: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, Any], path: Path) -> int:
        """Take over a checkpoint that ``io.weights_folder.read_folder`` read from ``path``; returns its step."""
        load_into(self.weights, tensors["weights"], path)
        load_into(self.average.module, tensors["average"], path)
        self.average.n_averaged.fill_(metadata["step"] + 1)
        self.optimizer.load_state_dict(unflatten_optimizer(tensors["optimizer"], metadata["optimizer"]))
        if self.scaler is not None and metadata.get("scaler"):
            self.scaler.load_state_dict(metadata["scaler"])
        return int(metadata["step"])


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a stage, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def read_metadata(folder: Path | str) -> dict[str, Any]:
    """Return the metadata of a checkpoint or a finished stage; empty if there is none or it is damaged."""
    try:
        return json.loads((Path(folder) / "facts.json").read_text())
    except (OSError, ValueError):
        return {}


def flatten_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state_dict into tensors (safetensors) and the rest (JSON)."""
    values = {f"{index}.{name}": value for index, group in state["state"].items() for name, value in group.items()}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    scalars = {name: value for name, value in values.items() if name not in tensors}
    return tensors, {"scalars": scalars, "groups": state["param_groups"]}


def unflatten_optimizer(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state_dict that ``flatten_optimizer`` split."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *rest["scalars"].items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": rest["groups"]}

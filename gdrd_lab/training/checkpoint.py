"""Checkpoints of a stage, written whole or not at all; a stage continues from its newest if the inputs agree."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import PARAM_LIST, AveragedModel
from tqdm.auto import tqdm

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.weights_folder import load_into, read_folder, write_folder

# Settings that change how a run is carried out, not what it computes: another machine may choose others.
OPERATIONAL = frozenset({"workers", "keep", "checkpoint_every", "checkpoint_minutes", "compile", "tracker"})
# Settings that may change in an explicit resume, as after a loss that was not finite.
ADJUSTABLE = frozenset({"config.loop.learning_rate", "config.loop.weight_decay", "config.loop.clip"})


@dataclass
class TrainingState:
    """Everything that an optimiser step changes."""

    weights: nn.Module  # the modules that learn
    average: AveragedModel  # their ``weight_average``
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


def resume(state: TrainingState, folder: Path, metadata: Mapping[str, Any], adjust: bool = False) -> int:
    """Load the newest whole checkpoint, if any, and return the step to continue from."""
    start = 0
    for path in reversed(checkpoints(folder)):
        try:
            tensors, found = read_folder(path)
        except GdrdError as error:
            tqdm.write(str(error))
            continue
        state.changes = check(path, found, metadata, adjust)
        start = state.load(tensors, found, path)
        break
    if not distributed.all_equal(start):
        remedy = "Give an --out folder that all machines share"
        raise GdrdError(f"The processes find different checkpoints in {folder}", remedy)
    return start


def check(path: Path, found: Mapping[str, Any], metadata: Mapping[str, Any], adjust: bool) -> list[dict[str, Any]]:
    """Return the changes of settings that a checkpoint records and those to ``metadata``; refuse one that differs."""
    anew = f"delete {path.parent} to train this stage anew, or give another --out folder"
    if "inputs" in metadata and "inputs" not in found:
        what = f"{path} is of an earlier version, which did not record its faces and teachers"
        raise GdrdError(what, anew.capitalize())
    different = differences(metadata, found)
    finished = "config" in found and found["step"] >= found["config"]["loop"]["steps"]
    if fixed := [name for name in different if finished or name not in ADJUSTABLE]:
        names = ", ".join(name.removeprefix("inputs.") for name in fixed)
        raise GdrdError(f"{path} was made from other inputs or settings ({names})", f"Use the same, {anew}")
    if different and not adjust:
        raise GdrdError(f"{path} was made with another {', '.join(different)}", f"Add --resume to change it, or {anew}")
    changed = {name: [reduce(getitem, name.split("."), part) for part in (found, metadata)] for name in different}
    return [*found.get("changes", []), *([{"step": found["step"], **changed}] if changed else [])]


def differences(metadata: Any, found: Any, name: str = "") -> list[str]:
    """Return the names of the settings in which ``found`` differs; settings that it does not have do not count."""
    if isinstance(metadata, Mapping) and isinstance(found, Mapping):
        out = []
        for key, value in metadata.items():
            if key not in OPERATIONAL and key in found:
                out += differences(value, found[key], f"{name}.{key}" if name else str(key))
        return out
    if isinstance(metadata, list | tuple) and isinstance(found, list | tuple):
        return [] if len(metadata) == len(found) and not any(map(differences, metadata, found)) else [name]
    return [] if metadata == found else [name or "?"]


def weight_average(module: nn.Module, decay: float) -> AveragedModel:
    """Return the average a <- d a + (1 - d) w of weights and buffers; in update n, from 1, d = min(decay, n / (n + 9)).

    Integer buffers are copied. ``n_averaged`` is one more than the updates made, because the starting weights count.
    """

    def update(average: PARAM_LIST, weights: PARAM_LIST, _: object) -> None:
        if average[0].is_floating_point():
            count = int(averaged.n_averaged)
            torch._foreach_lerp_(average, weights, 1 - min(decay, count / (count + 9)))
        else:
            torch._foreach_copy_(average, weights)

    averaged = AveragedModel(module, multi_avg_fn=update, use_buffers=True)
    averaged.n_averaged += 1  # torch would replace the starting weights in the first update
    return averaged.requires_grad_(False)

"""Folders of weights: safetensors and JSON only, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_folder

FORMAT = 1


def write_folder(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, Any]) -> None:
    """Write one safetensors file per entry of ``tensors`` and ``facts.json`` into ``folder``, atomically.

    Raises:
        GdrdError: the disk is full or the place cannot be written; an earlier folder is still there.
    """
    with atomic_folder(folder) as draft:
        for name, group in tensors.items():
            try:
                whole = {key: value.detach().cpu().contiguous() for key, value in group.items()}
                save_file(whole, draft / f"{name}.safetensors")
            except SafetensorError as error:
                raise OSError(str(error)) from error
        (draft / "facts.json").write_text(json.dumps({"format": FORMAT, **metadata}, indent=1))


def read_folder(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what ``write_folder`` wrote: the tensors of each file, and the metadata.

    Raises:
        GdrdError: the folder is missing, incomplete, damaged or of another format.
    """
    try:
        metadata = json.loads((folder / "facts.json").read_text())
        tensors = {file.stem: load_file(file) for file in sorted(folder.glob("*.safetensors"))}
    except FileNotFoundError as error:
        raise GdrdError(
            f"{folder} is not a model or checkpoint: facts.json is missing", "Give a folder that `gdrd train` wrote"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise GdrdError(
            f"{folder} is damaged ({str(error)[:120]})", "Delete it; training continues from the checkpoint before"
        ) from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise GdrdError(f"{folder} has another format", "Train again with this version")
    return tensors, metadata


def load_into(module: torch.nn.Module, state: Mapping[str, Tensor], source: Path | str) -> None:
    """Load a state into a module. All names and shapes must agree; ``source`` is named in the error.

    Raises:
        GdrdError: the state belongs to another configuration.
    """
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        detail = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
        raise GdrdError(
            f"{source} belongs to another configuration ({detail[:160]})", "Use the configuration it was trained with"
        ) from error


def flatten_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state_dict into tensors (safetensors) and the rest (JSON)."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                scalars[f"{index}.{name}"] = value
    return tensors, {"scalars": scalars, "groups": state["param_groups"]}


def unflatten_optimizer(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state_dict that ``flatten_optimizer`` split."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *rest["scalars"].items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": rest["groups"]}


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a stage, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def remove_old(folder: Path, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints."""
    for path in checkpoints(folder)[:-keep]:
        shutil.rmtree(path)

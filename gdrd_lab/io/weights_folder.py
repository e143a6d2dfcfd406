"""Checkpoints: safetensors and JSON only, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gdrd_lab.errors import GdrdError

FORMAT = 1


def write_folder(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, Any]) -> None:
    """Write one safetensors file per entry of ``tensors`` and ``metadata.json`` into ``folder``, atomically.

    Everything goes to a temporary neighbour first, is flushed to disk, and takes its name in one rename: after a crash
    or on a full disk the earlier folder is still there.

    Raises:
        GdrdError: the disk is full or the place cannot be written; nothing that was there is lost.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, group in tensors.items():
            save_file(
                {key: value.detach().cpu().contiguous() for key, value in group.items()},
                temporary / f"{name}.safetensors",
            )
        (temporary / "facts.json").write_text(json.dumps({"format": FORMAT, **metadata}, indent=1))
        for file in temporary.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        old = None
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent)) / "old"
            folder.rename(old)
        temporary.chmod(0o755)
        temporary.rename(folder)
        place = os.open(folder.parent, os.O_RDONLY)
        os.fsync(place)  # the name itself, too, must survive a power cut
        os.close(place)
        if old is not None:
            shutil.rmtree(old.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise GdrdError(
            f"{folder} could not be written ({error})", "Free disk space or choose another folder; nothing was lost"
        ) from error


def read_folder(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what ``write_folder`` wrote: the tensors by file, and the facts.

    Raises:
        GdrdError: the folder is missing, cut short or of another format.
    """
    try:
        metadata = json.loads((folder / "facts.json").read_text())
        tensors = {file.stem: load_file(file) for file in sorted(folder.glob("*.safetensors"))}
    except FileNotFoundError as error:
        raise GdrdError(
            f"{folder} is no checkpoint: facts.json is missing", "Give a folder that `gdrd train` wrote"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise GdrdError(
            f"The checkpoint {folder} is damaged ({str(error)[:120]})",
            "Delete it; training goes on from the one before",
        ) from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise GdrdError(f"{folder} has another checkpoint format", "Train again with this version")
    return tensors, metadata


def load_into(module: torch.nn.Module, state: Mapping[str, Tensor], source: Path | str) -> None:
    """Load a state into a module; names and shapes must agree.

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
    """Undo ``flatten_optimizer``."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *rest["scalars"].items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": rest["groups"]}


def checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints of a stage, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def remove_old(folder: Path, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints."""
    for path in checkpoints(folder)[:-keep]:
        shutil.rmtree(path)

"""Folders of weights: safetensors and JSON only, written whole or not at all."""

import json
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
    """Write one safetensors file per entry of ``tensors`` and ``facts.json`` into ``folder``, atomically."""
    with atomic_folder(folder) as draft:
        for name, group in tensors.items():
            try:
                whole = {key: value.detach().cpu().contiguous() for key, value in group.items()}
                save_file(whole, draft / f"{name}.safetensors")
            except SafetensorError as error:
                raise OSError(str(error)) from error
        (draft / "facts.json").write_text(json.dumps({"format": FORMAT, **metadata}, indent=1))


def read_folder(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what ``write_folder`` wrote: the tensors of each file, and the metadata."""
    try:
        metadata = json.loads((folder / "facts.json").read_text())
        tensors = {file.stem: load_file(file) for file in sorted(folder.glob("*.safetensors"))}
    except FileNotFoundError as error:
        what = f"{folder} is not a model or checkpoint: facts.json is missing"
        raise GdrdError(what, "Give a folder that `gdrd train` wrote") from error
    except (OSError, ValueError, SafetensorError) as error:
        do = "Delete it; training continues from the checkpoint before"
        raise GdrdError(f"{folder} is damaged ({str(error)[:120]})", do) from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise GdrdError(f"{folder} has another format", "Train again with this version")
    return tensors, metadata


def load_into(module: torch.nn.Module, state: Mapping[str, Tensor], source: Path | str) -> None:
    """Load a state into a module. All names and shapes must agree; ``source`` is named in the error."""
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        detail = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
        what = f"{source} belongs to another configuration ({detail[:160]})"
        raise GdrdError(what, "Use the configuration it was trained with") from error

"""Where a stage continues: its newest whole checkpoint, if that was made from the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.weights_folder import read_folder
from gdrd_lab.training.checkpoint import TrainingState, checkpoints

# Settings that change how a run is carried out, not what it computes: another machine may choose others.
OPERATIONAL = frozenset({"workers", "keep", "checkpoint_every", "checkpoint_minutes", "compile", "tracker"})
# Settings that may change in an explicit resume, as after a loss that was not finite.
ADJUSTABLE = frozenset({"config.loop.learning_rate", "config.loop.weight_decay", "config.loop.clip"})


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

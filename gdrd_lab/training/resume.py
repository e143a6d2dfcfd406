"""Going on where a run stopped: from its newest whole checkpoint, with the file of losses cut to it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.io import weights_folder as checkpoint
from gdrd_lab.io.atomic import write_atomically

if TYPE_CHECKING:
    from gdrd_lab.training.ema import EMA
    from gdrd_lab.training.stages.base import Stage

# Settings that change how a run is carried out, not what it computes: another machine may choose others.
OPERATIONAL = frozenset({"workers", "keep", "checkpoint_every", "checkpoint_minutes", "compile", "tracker"})


def save(
    stage: Stage, optimizer: Any, average: EMA, scaler: Any, folder: Path, metadata: Mapping[str, Any], keep: int
) -> None:
    """Write the checkpoint of ``metadata["step"]`` and delete all but the newest ``keep``.

    Raises:
        GdrdError: the disk is full; the checkpoints before are still there.
    """
    tensors, rest = checkpoint.flatten_optimizer(optimizer.state_dict())
    groups = {"weights": stage.trained.state_dict(), "average": average.state, "optimizer": tensors}
    more = {"optimizer": rest, "scaler": scaler.state_dict() if scaler is not None else None}
    checkpoint.write_folder(folder / f"step-{metadata['step']:07d}", groups, {**metadata, **more})
    checkpoint.remove_old(folder, keep)


def resume(stage: Stage, optimizer: Any, average: EMA, scaler: Any, folder: Path, metadata: Mapping[str, Any]) -> int:
    """Load the newest whole checkpoint, if any, and return the step to go on from.

    Raises:
        GdrdError: it was made with another configuration, or the processes see different checkpoints.
    """
    start = 0
    for path in reversed(checkpoint.checkpoints(folder)):
        try:
            tensors, found = checkpoint.read_folder(path)
        except GdrdError as error:
            tqdm.write(f"{error} ")
            continue
        if different := differences(metadata, found):
            raise GdrdError(
                f"{path} was made with another configuration ({', '.join(different)})",
                "Use the same configuration, or another --out folder",
            )
        checkpoint.load_into(stage.trained, tensors["weights"], path)
        average.state = tensors["average"]
        optimizer.load_state_dict(checkpoint.unflatten_optimizer(tensors["optimizer"], found["optimizer"]))
        if scaler is not None and found.get("scaler"):
            scaler.load_state_dict(found["scaler"])
        start = int(found["step"])
        break
    if not distributed.all_equal(start):
        raise GdrdError(
            f"The processes find different checkpoints in {folder}", "Give an --out folder that all machines share"
        )
    return start


def differences(metadata: Any, found: Any, name: str = "") -> list[str]:
    """Name the settings in which a checkpoint's facts differ; one that an older checkpoint does not know is none."""
    if isinstance(metadata, Mapping) and isinstance(found, Mapping):
        out = []
        for key, value in metadata.items():
            if key not in OPERATIONAL and key in found:
                out += differences(value, found[key], f"{name}.{key}" if name else str(key))
        return out
    if isinstance(metadata, list | tuple) and isinstance(found, list | tuple):
        return [] if len(metadata) == len(found) and not any(map(differences, metadata, found)) else [name]
    return [] if metadata == found else [name or "?"]


def log_losses(path: Path, step: int, losses: Mapping[str, float], seconds: float) -> None:
    """Append a row (step, seconds, losses) to the CSV file."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", *losses])
        writer.writerow([step, f"{seconds:.2f}", *(f"{value:.6g}" for value in losses.values())])


def truncate_log(path: Path, start: int) -> None:
    """Drop the rows of steps that will be run again, and one that a crash left half, so that each step stands once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        rows = path.read_text().splitlines(keepends=True)
        whole = [row for row in rows[1:] if row.endswith("\n") and row.split(",", 1)[0].isdigit()]
        kept = rows[:1] + [row for row in whole if int(row.split(",", 1)[0]) < start]
        write_atomically(path, "".join(kept).encode())


def remove_temporary(folder: Path) -> None:
    """Delete what a killed process had not finished writing. Only for the process that writes."""
    for path in folder.glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)

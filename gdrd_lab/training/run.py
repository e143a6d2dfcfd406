"""One run: its recipe, faces and folder, and the fingerprints of everything that its stages depend on."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import nn

from gdrd_lab import distributed
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.fingerprint import dataset_fingerprint
from gdrd_lab.datasets.split import split_record, split_records
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import REMEDY
from gdrd_lab.io.cache import fingerprint, keyed
from gdrd_lab.io.config import to_dict
from gdrd_lab.training.checkpoint import check, checkpoints, differences, read_metadata
from gdrd_lab.training.config import Recipe
from gdrd_lab.training.data import StepBatches
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.training.trainer import run

VERSION = 1  # of what the stages compute; a checkpoint of another version is refused
# After a crash the data loader's processes hold the lock until they find, every 5 seconds, that their parent is gone.
WAIT_SECONDS = 10.0


def weights_fingerprint(network: Any) -> str | None:
    """Return the fingerprint of a network's weights; None for a recogniser without one (``io.cache.fingerprint``)."""
    return keyed(network.state_dict() if isinstance(network, nn.Module) else network)


def generative_fingerprint(pipeline: Any) -> str:
    """Return the fingerprint of a generative teacher: weights, size and scale."""
    return fingerprint(pipeline.unet.state_dict(), (pipeline.size, pipeline.unshuffle, pipeline.residual_scale))


@dataclass(frozen=True)
class RunOptions:
    """What a run may be told besides its recipe."""

    adjust: bool = False  # continue although learning rate, weight decay or clip have changed, and record the change
    split: Mapping[str, Any] | None = None  # who is held out, as ``datasets.split.split_record`` gives it
    milestones: tuple[int, ...] = ()  # steps after which a stage's averaged weights are kept for good


@dataclass(frozen=True)
class Run:
    """What the stages of a run share: recipe, faces to train on, folder and options."""

    recipe: Recipe
    faces: FaceDataset
    out: Path
    progress: bool = True
    options: RunOptions = field(default_factory=RunOptions)

    def train(self, stage: Stage, upstream: Mapping[str, Any], **inputs: str | None) -> dict[str, Any]:
        """Train a stage with the recipe's configuration of its name, and return the metadata of the result."""
        config = getattr(self.recipe, stage.name)
        loop, seed = config.loop, self.recipe.seed
        args = loop.batch_size, config.resolutions, config.augment, seed, loop.steps, config.scene, config.camera
        batches = StepBatches(self.faces, *args)
        folder = self.out / "checkpoints" / stage.name
        metadata = self.metadata(stage.name, **inputs)
        weights = sum(tensor.nbytes for tensor in stage.trained.state_dict().values())
        need, free = (4 * weights + 2**21) >> 20, shutil.disk_usage(self.out).free >> 20  # average and optimiser, too
        if free < need:
            raise GdrdError(f"{self.out} has {free} MB free, and a checkpoint of {stage.name} takes {need} MB", REMEDY)
        try:
            options = self.options.adjust, self.options.milestones
            log = run(stage, batches, loop, folder, metadata, self.progress, *options)
        except OSError as error:
            remedy = "Free disk space or mend the file, and run the same command again"
            what = f"{stage.name} stopped because a file could not be read or written ({error})"
            raise GdrdError(what, remedy) from error
        left_out = len(getattr(self.faces, "left_out", ()))
        data = {"data": self.faces.name, "faces": len(self.faces), "left_out": left_out}
        split = dict(self.options.split or split_record(self.faces, None))
        others = split_records({"split": split}, *upstream.values())[1:]
        return {**metadata, **data, "split": split, "upstream_splits": others, "changes": log.changes}

    def check_checkpoint(self, name: str) -> None:
        """Refuse a stage's newest checkpoint now if its settings or faces are not this run's."""
        for path in checkpoints(self.out / "checkpoints" / name)[-1:]:
            if metadata := read_metadata(path):
                check(path, metadata, self.metadata(name), self.options.adjust)

    def product(self, name: str) -> Path:
        """Return the folder of an earlier stage's result, unless that stage is being trained anew."""
        for path in checkpoints(self.out / "checkpoints" / name)[-1:]:
            made, result = read_metadata(path), read_metadata(self.out / name)
            unfinished = made and made["step"] < made["config"]["loop"]["steps"]
            if result and (unfinished or differences({"inputs": result.get("inputs")}, made)):
                remedy = f"Finish that stage first: gdrd train {name}"
                raise GdrdError(f"{self.out / name} is not the result of {path}", remedy)
        return self.out / name

    def metadata(self, name: str, **inputs: str | None) -> dict[str, Any]:
        """Return everything that a stage's weights depend on."""
        shape = {} if name == "generative" else {"student": to_dict(self.recipe.student)}
        config, prints = to_dict(getattr(self.recipe, name)), {"faces": dataset_fingerprint(self.faces), **inputs}
        return {"config": config, **shape, "seed": self.recipe.seed, "training_version": VERSION, "inputs": prints}


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Hold a run's folder inside the block, for all processes of the run; the lock also ends with its process."""
    lock = FileLock(out / ".lock", timeout=WAIT_SECONDS)
    with distributed.main_process_first() as main:
        if main:
            try:
                out.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            except Timeout as error:
                remedy = "Wait until it ends, or give another --out folder"
                raise GdrdError(f"Another training writes to {out}", remedy) from error
            except OSError as error:
                raise GdrdError(f"{out} cannot be written ({error.strerror or error})", REMEDY) from error
    try:
        yield
    finally:
        lock.release()

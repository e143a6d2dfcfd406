"""Losses and speed of a run: in losses.csv, in the tracker and on the progress bar."""

import csv
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm.auto import tqdm

from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.training.config import LoopConfig
from gdrd_lab.training.data import Batch


class RunLog:
    """The ``steps`` made now, their ``seconds``, those ``waited`` for data, and the settings that a resume changed."""

    def __init__(
        self, name: str, config: LoopConfig, folder: Path, accelerator: Accelerator, start: int, progress: bool
    ) -> None:
        self.config, self.accelerator, self.file = config, accelerator, folder / "losses.csv"
        self.quiet = not (progress and accelerator.is_main_process)
        self.bar = tqdm(total=config.steps, initial=start, desc=name, unit="step", disable=self.quiet)
        self.steps, self.seconds, self.waited, self.began = 0, 0.0, 0.0, time.monotonic()
        self.saved = self.began
        self.changes: list[dict[str, Any]] = []

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches and measure the time spent waiting for them."""
        iterator = iter(batches)
        while True:
            began = time.monotonic()
            batch = next(iterator, None)
            self.waited += time.monotonic() - began
            if batch is None:
                return
            yield batch

    def write(self, step: int, losses: Mapping[str, float]) -> None:
        """Note a step that is done."""
        self.steps, self.seconds = self.steps + 1, time.monotonic() - self.began
        self.bar.update()
        if self.accelerator.is_main_process:
            with self.file.open("a", newline="") as file:
                writer = csv.writer(file)
                if not file.tell():
                    writer.writerow(["step", "seconds", *losses])
                writer.writerow([step, f"{self.seconds:.2f}", *(f"{value:.6g}" for value in losses.values())])
        if step % 20 == 0 or step + 1 == self.config.steps:
            shown = {name: f"{value:.4f}" for name, value in losses.items()}
            self.bar.set_postfix({**shown, "data": f"{self.data_share:.0%}"})
            times = {"time/data_share": self.data_share, "time/images_per_second": self.speed}
            self.accelerator.log({**losses, **times}, step=step)

    def checkpoint_due(self, step: int) -> bool:
        """Return whether a checkpoint is to be written after a step."""
        late = 0 < self.config.checkpoint_minutes < (time.monotonic() - self.saved) / 60
        due = late or (step + 1) % self.config.checkpoint_every == 0 or step + 1 == self.config.steps
        if due:
            self.saved = time.monotonic()
        return due

    def close(self) -> None:
        """Close the tracker and print the speed."""
        self.seconds = time.monotonic() - self.began
        for tracker in self.accelerator.trackers:  # not end_training(), which ends the next stage's process group
            tracker.finish()
        if self.steps and not self.quiet:
            share = f"{self.data_share:.1%} of the time waiting for data"
            tqdm.write(f"{self.bar.desc}: {self.speed:.0f} images/s, {share}")

    @property
    def speed(self) -> float:
        """Images per second."""
        return self.steps * self.config.batch_size / self.seconds

    @property
    def data_share(self) -> float:
        """Share of the time spent waiting for data, 0 to 1."""
        return self.waited / self.seconds if self.seconds else 0.0


def truncate_log(path: Path, start: int) -> None:
    """Drop the rows from step ``start`` on, which will run again, and a row that a crash left incomplete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        rows = path.read_text().splitlines(keepends=True)
        whole = [row for row in rows[1:] if row.endswith("\n") and row.split(",", 1)[0].isdigit()]
        kept = rows[:1] + [row for row in whole if int(row.split(",", 1)[0]) < start]
        write_atomically(path, "".join(kept).encode())

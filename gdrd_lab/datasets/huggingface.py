"""Data sets saved by Hugging Face `datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.shards.reader import IDENTITY_FIELDS, EncodedFaces, number_identities
from gdrd_lab.errors import GdrdError


class SavedDataset(EncodedFaces):
    """A dataset that Hugging Face ``datasets`` saved with ``save_to_disk``: memory-mapped Arrow files.

    Args:
        path: its folder.
        options: how images become faces.

    Raises:
        GdrdError: `datasets` is not installed, this is no saved dataset, or it has no column of images.
    """

    def __init__(self, path: Path | str, options: ReadOptions = ReadOptions()) -> None:
        try:
            import datasets
        except ImportError as error:
            raise GdrdError("The library `datasets` is not installed", "pip install 'gdrd-lab[large]'") from error
        super().__init__(Path(path).resolve().name, options)
        try:
            rows: Any = datasets.load_from_disk(str(path))
            if isinstance(rows, datasets.DatasetDict):
                rows = datasets.concatenate_datasets(list(rows.values()))
        except Exception as error:  # a damaged folder raises anything from JSON's errors to Arrow's
            raise GdrdError(f"{path} is no saved dataset ({str(error)[:80]})", "Make it with save_to_disk") from error
        kinds = rows.features.items()
        image = next((column for column, kind in kinds if isinstance(kind, datasets.Image)), None)
        if image is None or not len(rows):
            raise GdrdError(f"{path} has no column of images", "Give the dataset a column of type datasets.Image")
        # Undecoded, so that bad images are met by read_image.
        self._image, self._rows = image, rows.select_columns([image]).cast_column(image, datasets.Image(decode=False))
        field = next((column for column in IDENTITY_FIELDS if column in rows.column_names), None)
        values = rows.with_format("numpy")[field][:] if field else np.full(len(rows), -1)
        self.labels = number_identities([None if value in (-1, None) else str(value) for value in values])
        self.keys = [str(index) for index in range(len(rows))]

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        row = self._rows[index][self._image]
        if row["bytes"] is None:
            raise GdrdError("The image itself is not in the dataset", "Save it with its images embedded")
        return row["bytes"]


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by ``save_to_disk`` of Hugging Face ``datasets``."""
    return (path / "dataset_dict.json").is_file() or all(
        (path / name).is_file() for name in ("state.json", "dataset_info.json")
    )

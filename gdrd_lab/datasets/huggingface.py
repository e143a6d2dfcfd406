"""Data sets saved by Hugging Face `datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.fingerprint import place_digests
from gdrd_lab.datasets.labels import number_identities, number_parts
from gdrd_lab.datasets.shards.reader import EncodedFaces
from gdrd_lab.datasets.shards.tar import IDENTITY_FIELDS
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum


class SavedDataset(EncodedFaces):
    """A dataset that Hugging Face ``datasets`` saved with ``save_to_disk``: memory-mapped Arrow files.

    The identity is the column identity, label, cls, class, person or id. The splits of a ``DatasetDict`` become one
    set: names, and a ``ClassLabel``, mean the same person in all; for plain numbers see ``labels.number_parts``.
    """

    def __init__(self, path: Path | str, options: ReadOptions = ReadOptions()) -> None:
        try:
            import datasets
        except ImportError as error:
            raise GdrdError("The library `datasets` is not installed", "pip install 'gdrd-lab[large]'") from error
        try:
            found: Any = datasets.load_from_disk(str(path))
        except Exception as error:  # a damaged folder raises anything from JSON's errors to Arrow's
            raise GdrdError(
                f"{path} is not a saved dataset ({str(error)[:80]})", "Make it with save_to_disk"
            ) from error
        splits: list[str] = []
        self._rows: list[Any] = []
        self._columns, identities, named = [], [], False
        for split, rows in (found if isinstance(found, datasets.DatasetDict) else {"": found}).items():
            kinds = rows.features
            image = next((column for column, kind in kinds.items() if isinstance(kind, datasets.Image)), None)
            if image is None:
                continue
            splits.append(split)
            # Images are decoded by read_image, which reports damaged ones.
            self._rows.append(rows.select_columns([image]).cast_column(image, datasets.Image(decode=False)))
            self._columns.append(image)
            field = next((column for column in IDENTITY_FIELDS if column in rows.column_names), None)
            values = rows.with_format(None)[field][:] if field else [None] * len(rows)
            if isinstance(kinds.get(field), datasets.ClassLabel):
                names, named = kinds[field].names, True
                values = [names[value] if value is not None and value >= 0 else None for value in values]
            identities.append([value if isinstance(value, int | float | None) else str(value) for value in values])
        counts = [len(rows) for rows in self._rows]
        if not sum(counts):
            lack = "rows" if counts else "column of images"
            raise GdrdError(f"{path} has no {lack}", "Give the dataset a column of type datasets.Image")
        self._starts = np.cumsum([0, *counts])
        if named:
            labels, people = number_identities([value for part in identities for value in part])
            notes: list[str] = []
        else:
            labels, people, notes = number_parts(identities, splits)
        keys = None
        if len(counts) > 1:
            keys = [f"{split}/{index}" for split, count in zip(splits, counts, strict=True) for index in range(count)]
        super().__init__(Path(path).resolve().name, options, labels, keys, people)
        self.notes = notes

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        part = int(np.searchsorted(self._starts, index, "right")) - 1
        row = self._rows[part][index - int(self._starts[part])][self._columns[part]]
        if row is None or row["bytes"] is None:
            raise GdrdError("The image itself is not in the dataset", "Save it with its images embedded")
        return row["bytes"]

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face, from the checksums of the Arrow files."""
        files = [[checksum(Path(file["filename"])) for file in rows.cache_files] for rows in self._rows]
        parts = np.searchsorted(self._starts, np.arange(len(self)), "right") - 1
        return place_digests([(found, self._salt()) for found in files], parts, np.arange(len(self)))


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by ``save_to_disk`` of Hugging Face ``datasets``."""
    return (path / "dataset_dict.json").is_file() or all(
        (path / name).is_file() for name in ("state.json", "dataset_info.json")
    )

"""Data sets saved by Hugging Face `datasets`."""

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
            what = f"{path} is not a saved dataset ({str(error)[:80]})"
            raise GdrdError(what, "Make it with save_to_disk") from error
        splits: list[str] = []
        self._rows: list[Any] = []
        identities, named = [], False
        for split, rows in (found if isinstance(found, datasets.DatasetDict) else {"": found}).items():
            kinds = rows.features
            image = next((column for column, kind in kinds.items() if isinstance(kind, datasets.Image)), None)
            if image is None:
                continue
            splits.append(split)
            # Images are decoded by read_image, which reports damaged ones.
            self._rows.append(rows.select_columns([image]).cast_column(image, datasets.Image(decode=False)))
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
        self._parts = np.repeat(np.arange(len(counts)), counts)
        self._places = np.concatenate([np.arange(count) for count in counts])
        if named:
            labels, people = number_identities(value for part in identities for value in part)
            notes: list[str] = []
        else:
            labels, people, notes = number_parts(identities, splits)
        places = zip(self._parts.tolist(), self._places.tolist(), strict=True)
        keys = [f"{splits[part]}/{place}" for part, place in places] if len(counts) > 1 else None
        super().__init__(Path(path).resolve().name, options, labels, keys, people)
        self.notes = notes

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        (row,) = self._rows[self._parts[index]][int(self._places[index])].values()
        if row is None or row["bytes"] is None:
            raise GdrdError("The image itself is not in the dataset", "Save it with its images embedded")
        return row["bytes"]

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face, from the checksums of the Arrow files."""
        files = [[checksum(Path(file["filename"])) for file in rows.cache_files] for rows in self._rows]
        return place_digests([(found, self._salt()) for found in files], self._parts, np.arange(len(self)))


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by ``save_to_disk`` of Hugging Face ``datasets``."""
    parts = [(path / name).is_file() for name in ("dataset_dict.json", "state.json", "dataset_info.json")]
    return parts[0] or all(parts[1:])

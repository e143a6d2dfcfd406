"""What the benchmarks share: their crops, the lists in .mat files, and files that must exist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import square
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.fingerprint import file_digests
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import SUFFIXES, read_image


class CropFaces(FaceDataset):
    """Faces that the benchmark has cropped, down to 6 x 5 pixels; no detector is run, as in published results.

    When it is asked for, a crop is padded to a square by repeating its border, and resized to 112 x 112 by bicubic
    interpolation.

    Args:
        files: N paths.
        keys: N names.
        labels: (N,) identities, -1 where unknown.
        name: what messages and tables call the set.
    """

    def __init__(self, files: Sequence[Path], keys: Sequence[str], labels: np.ndarray, name: str) -> None:
        super().__init__(name, TEMPLATE_SIZE, labels, list(keys))
        self.files = list(files)

    def __getitem__(self, index: int) -> np.ndarray:
        image = square(read_image(self.files[index]))
        if len(image) == self.size:
            return image
        return np.array(Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BICUBIC))

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face's file, see ``datasets.fingerprint``."""
        return file_digests(self.files)


def find_folder(path: Path | str, inside: str, where: str) -> Path:
    """Return the folder at or just below ``path`` that holds ``inside``."""
    path = Path(path)
    for folder in (path, *sorted(path.glob("*/"))):
        if (folder / inside).exists():
            return folder
    raise GdrdError(f"{path} has no {inside}", where)


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a MATLAB file; MATLAB's format cannot hold programs."""
    from scipy.io import loadmat

    try:
        return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError as error:
        raise GdrdError(f"{path} is a MATLAB 7.3 file", "Save it in MATLAB with -v7") from error
    except Exception as error:  # damaged files raise many kinds
        raise GdrdError(f"{path} cannot be read as a MATLAB file ({str(error)[:80]})", "Get it again") from error


def names_in(path: Path, name: str) -> list[str]:
    """Return the texts of a MATLAB cell array of any shape, row by row."""
    out = []
    for value in _entry(path, name).reshape(-1):
        while isinstance(value, np.ndarray):
            value = value.reshape(-1)[0] if value.size else ""
        out.append(str(value))
    return out


def read_list(path: Path, part: str) -> tuple[list[str], np.ndarray]:
    """Return the names in ``part``_set and their identities, int64 (N,), in ``part``_ids of a MATLAB file."""
    names, found = names_in(path, f"{part}_set"), _entry(path, f"{part}_ids").reshape(-1)
    try:
        whole = bool((found.astype(np.float64) % 1 == 0).all())  # NaN is not
    except (TypeError, ValueError):
        whole = False
    if len(found) != len(names) or not whole:
        raise GdrdError(f"{path} does not give one whole number for each of {len(names)} names", "Get it again")
    return names, found.astype(np.int64)


def _entry(path: Path, name: str) -> np.ndarray:
    arrays = _read_mat(path)
    if name not in arrays:
        raise GdrdError(f"{path} has no {name}, only {', '.join(sorted(arrays)) or 'nothing'}", "Get the official file")
    return np.asarray(arrays[name])


def must_exist(files: Sequence[Path], name: str) -> None:
    """Raise GdrdError if files of a protocol are missing; it names the first."""
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise GdrdError(
            f"{len(missing)} of {len(files)} images of {name} are missing, among them {missing[0]}",
            "Unpack the whole set",
        )


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name."""
    return sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES)

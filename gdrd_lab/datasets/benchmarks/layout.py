"""What the benchmarks share: crops as they come, names in .mat files, and paths that must be there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image


class CropFaces(FaceDataset):
    """Faces that the benchmark has cropped already, each brought to 112 x 112 by bicubic interpolation when asked for.

    They are far too small for a detector, and every published result on them takes the crops as they are.

    Args:
        files: N paths.
        keys: N names.
        labels: (N,) identities, -1 where unknown.
        name: what messages and tables call the set.
    """

    size = TEMPLATE_SIZE

    def __init__(self, files: Sequence[Path], keys: Sequence[str], labels: np.ndarray, name: str) -> None:
        self.files, self.keys, self.labels, self.name = list(files), list(keys), np.asarray(labels, np.int64), name

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        image = read_image(self.files[index])
        if image.shape[:2] == (self.size, self.size):
            return image
        return np.array(Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BICUBIC))


def find_folder(path: Path | str, inside: str, where: str) -> Path:
    """Return the folder at or just below ``path`` that holds ``inside``.

    Raises:
        GdrdError: there is none; it says ``where`` to look.
    """
    path = Path(path)
    for folder in (path, *sorted(path.glob("*/"))):
        if (folder / inside).exists():
            return folder
    raise GdrdError(f"{path} has no {inside}", where)


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """Read a MATLAB file's arrays; MATLAB's format holds no programs.

    Raises:
        GdrdError: it is missing, damaged or of version 7.3.
    """
    from scipy.io import loadmat

    try:
        return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError as error:
        raise GdrdError(f"{path} is a MATLAB 7.3 file", "Save it in MATLAB with -v7") from error
    except Exception as error:  # damaged files raise many kinds
        raise GdrdError(f"{path} cannot be read as a MATLAB file ({str(error)[:80]})", "Get it again") from error


def names_in(values: np.ndarray) -> list[str]:
    """Return the texts of a MATLAB cell array of any shape, row by row."""
    out = []
    for value in np.asarray(values).reshape(-1):
        while isinstance(value, np.ndarray):
            value = value.reshape(-1)[0] if value.size else ""
        out.append(str(value))
    return out


def entry(arrays: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """Return one array of a MATLAB file.

    Raises:
        GdrdError: it is not in it.
    """
    if name not in arrays:
        raise GdrdError(f"{path} has no {name}, only {', '.join(sorted(arrays)) or 'nothing'}", "Get the official file")
    return arrays[name]


def must_exist(files: Sequence[Path], name: str) -> None:
    """Raise GdrdError where files of a protocol are missing, naming the first."""
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise GdrdError(
            f"{len(missing)} of {len(files)} images of {name} are missing, among them {missing[0]}",
            "Unpack the whole set",
        )


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name."""
    from gdrd_lab.io.images import SUFFIXES

    return sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES)

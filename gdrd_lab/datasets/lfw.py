"""Labeled Faces in the Wild and its View 2 protocol. For testing only: nothing is trained or chosen on it.

Source: Huang et al., Labeled Faces in the Wild, University of Massachusetts, Technical Report 07-49, 2007, section IV.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.yunet import align_many, crop
from gdrd_lab.datasets.aligned_cache.cache import aligned_copy
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

# Where the landmarks of a face lie in LFW's images on average, in pixels from the centre: for the few images (none of
# View 2's) in which no face is found, so that every pair of the protocol is scored.
USUAL_LANDMARKS = np.array([[-21.3, -13.0], [23.5, -13.3], [1.3, 11.7], [-17.5, 32.2], [20.3, 32.4]])

WHERE = "Name LFW's folder (the one that holds pairs.txt and <Name>/<Name>_0001.jpg), or set GDRD_FACES to its parent"


def lfw(path: Path | str | None = None, *, everything: bool = False, progress: bool = True) -> FaceDataset:
    """Open LFW, aligned by this project to 112 pixels; of several faces in an image the one nearest the centre.

    The first time takes half a minute; the faces are kept in one file in the cache folder.

    Args:
        path: LFW's folder; if None $GDRD_FACES/lfw, or scikit-learn's download, made now if there is none.
        everything: all images in the folder, not only those of View 2.
        progress: show a progress bar.

    Raises:
        GdrdError: no LFW there, images of View 2 are missing, or it cannot be downloaded.
    """
    images, protocol = find_lfw(path)
    if everything:
        keys = sorted(f"{file.parent.name}/{file.stem}" for file in images.glob("*/*.jpg"))
    else:
        keys = view2_keys(protocol)
    files = [images / f"{key}.jpg" for key in keys]
    names = [key.split("/")[0] for key in keys]
    labels = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return aligned_copy(files, keys, labels, "LFW", partial(_align, progress=progress), "lfw")


def view2(path: Path | str | None = None, faces: FaceDataset | None = None) -> Pairs:
    """Return View 2: ten folds of 300 genuine and 300 impostor pairs.

    Args:
        path: LFW's folder, as for ``lfw``.
        faces: the set that the indices point into; if None the one ``lfw(path)`` returns.

    Raises:
        GdrdError: no LFW there, pairs.txt is damaged, or the set lacks an image of it.
    """
    protocol = find_lfw(path)[1]
    keys = view2_keys(protocol) if faces is None else faces.keys
    places = {key: index for index, key in enumerate(keys)}
    pairs = read_pairs(protocol)
    missing = [key for pair in pairs for key in pair[:2] if key not in places]
    if missing:
        raise GdrdError(
            f"{len(missing)} images of {protocol} are not in the face set, among them {missing[0]}",
            "Give the set that lfw() returns for the same folder",
        )
    first, second, genuine, fold = zip(*((places[a], places[b], same, fold) for a, b, same, fold in pairs), strict=True)
    return Pairs(np.array(first), np.array(second), np.array(genuine), np.array(fold))


def view2_keys(protocol: Path) -> list[str]:
    """Return the sorted names of the images that pairs.txt uses: "Aaron_Eckhart/Aaron_Eckhart_0001"."""
    return sorted({key for pair in read_pairs(protocol) for key in pair[:2]})


def read_pairs(protocol: Path) -> list[tuple[str, str, bool, int]]:
    """Read pairs.txt: (first image, second image, genuine, fold) of each pair.

    Its first line gives the number of folds F (left out if 1) and of genuine pairs P in each; then follow F times
    P lines "name, number, number" and P lines "name, number, other name, number".

    Raises:
        GdrdError: the file is missing or damaged.
    """
    try:
        lines = [line.split() for line in protocol.read_text("utf-8").splitlines() if line.strip()]
        *folds, count = (int(number) for number in lines[0])
        total = folds[0] if folds else 1
    except (OSError, ValueError, IndexError) as error:
        raise GdrdError(f"{protocol} is no list of LFW pairs", "Get pairs.txt from the LFW site") from error
    if len(lines) - 1 != 2 * total * count:
        raise GdrdError(
            f"{protocol} has {len(lines) - 1} pairs, not the {2 * total * count} of its first line", "Get it again"
        )
    pairs = []
    for number, words in enumerate(lines[1:]):
        genuine = number // count % 2 == 0
        if len(words) != (3 if genuine else 4) or not all(word.isdigit() for word in words[1 : 4 if genuine else 2]):
            raise GdrdError(f"Pair {number + 1} of {protocol} is damaged: {' '.join(words)[:60]}", "Get the file again")
        a, b = (words[0], words[1]), (words[0], words[2]) if genuine else (words[2], words[3])
        pairs.append((_key(*a), _key(*b), genuine, number // (2 * count)))
    return pairs


def find_lfw(path: Path | str | None = None) -> tuple[Path, Path]:
    """Return the folder of LFW's images and its pairs.txt. Known layouts: LFW's own archives and scikit-learn's.

    Raises:
        GdrdError: it is not there and, for ``path`` None, cannot be downloaded.
    """
    if path is not None:
        roots = [Path(path)]
    else:
        shared = os.environ.get("GDRD_FACES")
        home = Path(os.environ.get("SCIKIT_LEARN_DATA") or Path.home() / "scikit_learn_data") / "lfw_home"
        roots = ([Path(shared, "lfw")] if shared else []) + [home]
    for root in roots:
        found = _find_below(root)
        if found:
            return found
    if path is not None:
        raise GdrdError(f"{path} is not a folder of LFW", WHERE)
    found = _find_below(_download())
    if not found:
        raise GdrdError("The downloaded LFW is not whole", f"Delete {roots[-1]} and try again")
    return found


def is_lfw(path: Path) -> bool:
    """Whether a folder is LFW's: its images, with pairs.txt in it or beside it."""
    if not any((folder / "pairs.txt").is_file() for folder in (path, path.parent)):
        return False
    try:
        return _find_below(path) is not None
    except GdrdError:  # some other pairs.txt
        return False


def _find_below(root: Path) -> tuple[Path, Path] | None:
    protocol = next((file for file in (root / "pairs.txt", root.parent / "pairs.txt") if file.is_file()), None)
    if protocol is None:
        protocol = next(iter(sorted(root.glob("*/pairs.txt"))), None) if root.is_dir() else None
    if protocol is None:
        return None
    first = read_pairs(protocol)[0][0]
    for pattern in ("", "*/", "*/*/"):
        found = root / f"{first}.jpg" if not pattern else next(root.glob(f"{pattern}{first}.jpg"), None)
        if found is not None and found.is_file():
            return found.parent.parent, protocol
    return None


def _download() -> Path:
    from sklearn.datasets import fetch_lfw_people, get_data_home

    try:
        # Downloads everything (230 MB, SHA-256 checked), and decodes only the one person with 500 images.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about trying again; the error below says what came of it
            fetch_lfw_people(min_faces_per_person=500, resize=0.1, n_retries=1)
    except (OSError, RuntimeError) as error:
        raise GdrdError(
            f"LFW is not on this machine and cannot be downloaded ({type(error).__name__})", WHERE
        ) from error
    return Path(get_data_home()) / "lfw_home"


def _align(files: Sequence[Path], progress: bool) -> Iterator[np.ndarray | GdrdError]:
    for file, face in zip(files, align_many(files, face_selection="central", progress=progress), strict=True):
        if isinstance(face, GdrdError):
            image = read_image(file)  # raises where the file itself is the trouble
            face = crop(image, USUAL_LANDMARKS + np.array(image.shape[1::-1]) / 2 - 0.5)
        yield face


def _key(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}"

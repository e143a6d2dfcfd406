"""Opening a face set by what a user calls it on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from gdrd_lab.alignment.yunet import FaceSelection
from gdrd_lab.datasets.base import FaceDataset, concatenate, require_pairs
from gdrd_lab.datasets.celeba import celeba, is_celeba
from gdrd_lab.datasets.folder import FolderFaces
from gdrd_lab.datasets.huggingface import SavedDataset, is_saved_dataset
from gdrd_lab.datasets.insightface.bin import BinFaces, bin_pairs
from gdrd_lab.datasets.insightface.recordio import RecordFaces
from gdrd_lab.datasets.lfw import is_lfw, lfw, view2
from gdrd_lab.datasets.pairs import Pairs, folds_that_fit, random_pairs
from gdrd_lab.datasets.shards.reader import ShardFaces, find_shards
from gdrd_lab.errors import GdrdError

TRAINING_SETS = ("celeba10k", "celebahq25k", "utkface")


def load_dataset(
    name_or_path: str | Path = "synthetic",
    *,
    training: bool = False,
    face_selection: FaceSelection = None,
    skip_unreadable: bool = False,
    progress: bool = True,
) -> FaceDataset:
    """Open a face set by name or path.

    Args:
        name_or_path: "synthetic", the default set, which is nobody's photograph; "lfw"; "training", the training sets
            in $GDRD_FACES; or a path to LFW, CelebA, WebDataset shards, a saved dataset, InsightFace's train.rec or one
            of its verification .bin files, or a folder of images.
        training: the faces will be trained on, so LFW is refused.
        face_selection: the face to take from a photograph with several, see ``Aligner.align``.
        skip_unreadable: leave out images of a folder that cannot be used, with a warning.
        progress: show progress bars.

    Raises:
        GdrdError: it is not there or cannot be used, or LFW would be trained on.
    """
    if str(name_or_path) == "synthetic":
        from gdrd_lab.datasets.synthetic import synthetic_faces

        return synthetic_faces()
    if str(name_or_path) == "training":
        return training_faces()
    path = Path(name_or_path)
    named = str(name_or_path) == "lfw" or is_lfw(path)
    if training and (named or any(is_lfw(file.parent) for file in path.glob("*/pairs.txt"))):
        raise GdrdError("LFW is for testing only", "Train on the embedded faces or on a folder of other people")
    if named:
        return lfw(None if str(name_or_path) == "lfw" else path, progress=progress)
    if not path.exists():
        raise GdrdError(
            f"There are no faces named {name_or_path}",
            "Use synthetic, lfw, training, or a path to a folder or .tar file",
        )
    if path.suffix == ".rec" or (path / "train.rec").is_file():
        return RecordFaces(path if path.suffix == ".rec" else path / "train.rec", face_selection=face_selection)
    if path.suffix == ".bin":
        return BinFaces(path, face_selection=face_selection)
    if is_celeba(path):
        return celeba(path, skip_unreadable=skip_unreadable, progress=progress)
    shards = find_shards(path)
    if shards:
        return ShardFaces(shards, face_selection=face_selection)
    if is_saved_dataset(path):
        return SavedDataset(path, face_selection=face_selection)
    return FolderFaces(path, face_selection=face_selection, skip_unreadable=skip_unreadable, progress=progress)


def training_faces(root: Path | str | None = None) -> FaceDataset:
    """Join the training sets below a folder: celeba10k with its identities, celebahq25k and utkface without.

    Args:
        root: the folder; $GDRD_FACES if None. Sets that are not in it are left out.

    Raises:
        GdrdError: none of them is there.
    """
    root = root or os.environ.get("GDRD_FACES")
    there = [Path(root, name) for name in TRAINING_SETS if Path(root, name).is_dir()] if root else []
    if not there:
        raise GdrdError(
            f"There are no training sets in {root or '$GDRD_FACES, face_selection is not set'}",
            f"Set GDRD_FACES to a folder that holds some of {', '.join(TRAINING_SETS)}",
        )
    return concatenate(*(FolderFaces(path, align=False, check=False) for path in there))


def open_pairs(name_or_path: str | Path, faces: FaceDataset, seed: int = 0) -> Pairs:
    """Return the pairs to verify for what ``load_dataset(name_or_path)`` gave: View 2 for LFW,
    otherwise random pairs in 10 folds.

    Sets with few identities get fewer folds.

    Raises:
        GdrdError: the set has no genuine or no impostor pairs.
    """
    if str(name_or_path) == "lfw":
        return view2(None, faces)
    if Path(name_or_path).is_dir() and is_lfw(Path(name_or_path)):
        return view2(name_or_path, faces)
    if isinstance(faces, BinFaces):
        return bin_pairs(faces)
    require_pairs(faces)
    return random_pairs(faces.labels, folds=folds_that_fit(faces.labels), seed=seed)


def is_plain_folder(path: Path) -> bool:
    """Whether a path is a folder of image files and of no known layout."""
    known = is_lfw(path) or is_celeba(path) or bool(find_shards(path)) or is_saved_dataset(path)
    return path.is_dir() and not known and not (path / "train.rec").is_file()

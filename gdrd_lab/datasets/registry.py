"""Opening a face set by what a user calls it on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from gdrd_lab.alignment.yunet import Which
from gdrd_lab.datasets.base import FaceSet, concatenate, require_pairs
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


def open_faces(
    spec: str | Path = "embedded",
    *,
    training: bool = False,
    which: Which = None,
    skip_unreadable: bool = False,
    progress: bool = True,
) -> FaceSet:
    """Open a face set by name or path.

    Args:
        spec: "embedded", the default set, which is nobody's photograph; "lfw"; "training", the training sets in
            $GDRD_FACES; or a path to LFW, CelebA, WebDataset shards, a saved dataset, InsightFace's train.rec or one of
            its verification .bin files, or a folder of images.
        training: the faces will be trained on, so LFW is refused.
        which: the face to take from a photograph with several, see ``Aligner.align``.
        skip_unreadable: leave out images of a folder that cannot be used, with a warning.
        progress: show progress bars.

    Raises:
        GdrdError: it is not there or cannot be used, or LFW would be trained on.
    """
    if str(spec) == "embedded":
        from gdrd_lab.datasets.synthetic import embedded_faces

        return embedded_faces()
    if str(spec) == "training":
        return training_faces()
    path = Path(spec)
    named = str(spec) == "lfw" or is_lfw(path)
    if training and (named or any(is_lfw(file.parent) for file in path.glob("*/pairs.txt"))):
        raise GdrdError("LFW is for testing only", "Train on the embedded faces or on a folder of other people")
    if named:
        return lfw(None if str(spec) == "lfw" else path, progress=progress)
    if not path.exists():
        raise GdrdError(
            f"There are no faces named {spec}", "Say embedded, lfw, training, or a path to a folder or .tar file"
        )
    if path.suffix == ".rec" or (path / "train.rec").is_file():
        return RecordFaces(path if path.suffix == ".rec" else path / "train.rec", which=which)
    if path.suffix == ".bin":
        return BinFaces(path, which=which)
    if is_celeba(path):
        return celeba(path, skip_unreadable=skip_unreadable, progress=progress)
    shards = find_shards(path)
    if shards:
        return ShardFaces(shards, which=which)
    if is_saved_dataset(path):
        return SavedDataset(path, which=which)
    return FolderFaces(path, which=which, skip_unreadable=skip_unreadable, progress=progress)


def training_faces(root: Path | str | None = None) -> FaceSet:
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
            f"There are no training sets in {root or '$GDRD_FACES, which is not set'}",
            f"Set GDRD_FACES to a folder that holds some of {', '.join(TRAINING_SETS)}",
        )
    return concatenate(*(FolderFaces(path, align=False, check=False) for path in there))


def open_pairs(spec: str | Path, faces: FaceSet, seed: int = 0) -> Pairs:
    """Return the pairs to verify for what ``open_faces(spec)`` gave: View 2 for LFW, else random pairs in 10 folds.

    Sets with few identities get fewer folds.

    Raises:
        GdrdError: the set has no genuine or no impostor pairs.
    """
    if str(spec) == "lfw":
        return view2(None, faces)
    if Path(spec).is_dir() and is_lfw(Path(spec)):
        return view2(spec, faces)
    if isinstance(faces, BinFaces):
        return bin_pairs(faces)
    require_pairs(faces)
    return random_pairs(faces.labels, folds=folds_that_fit(faces.labels), seed=seed)


def is_plain_folder(path: Path) -> bool:
    """Whether a path is a folder of image files and of no known layout."""
    known = is_lfw(path) or is_celeba(path) or bool(find_shards(path)) or is_saved_dataset(path)
    return path.is_dir() and not known and not (path / "train.rec").is_file()

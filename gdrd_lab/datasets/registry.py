"""Opening a face set by its name or path."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.check import LARGEST_OFFSET, SAMPLE, SEEN_AT, landmark_offset
from gdrd_lab.datasets.base import FaceDataset, ReadOptions, Uniform, concatenate, require_pairs
from gdrd_lab.datasets.celeba import celeba, is_celeba
from gdrd_lab.datasets.folder import FolderFaces
from gdrd_lab.datasets.huggingface import SavedDataset, is_saved_dataset
from gdrd_lab.datasets.insightface.bin import BinFaces, bin_pairs
from gdrd_lab.datasets.insightface.recordio import RecordFaces, find_records
from gdrd_lab.datasets.lfw import is_lfw, lfw, shows_lfw, view2
from gdrd_lab.datasets.pairs import Pairs, folds_that_fit, random_pairs
from gdrd_lab.datasets.readable import readable
from gdrd_lab.datasets.shards.reader import EncodedFaces, ShardFaces, find_shards
from gdrd_lab.errors import GdrdError

TRAINING_SETS = ("celeba10k", "celebahq25k", "utkface")


def load_dataset(
    name_or_path: str | Path = "synthetic", *, training: bool = False, options: ReadOptions = ReadOptions()
) -> FaceDataset:
    """Open a face set by name or path.

    Args:
        name_or_path: "synthetic", the default set, which shows nobody; "lfw"; "training", the training sets in
            $GDRD_FACES; or a path to LFW, CelebA, WebDataset shards, a saved dataset, InsightFace's train.rec or one of
            its verification .bin files, or a folder of images.
        training: the faces will be trained on: LFW and verification files are refused, every face is read once, so that
            a damaged one does not end a run, and all are brought to one size.
        options: how images become faces.

    Raises:
        GdrdError: it is not there or cannot be used, or LFW would be trained on.

    Example:
        >>> faces = load_dataset("synthetic")
        >>> len(faces), faces[0].shape, faces.identities[0]
        (300, (64, 64, 3), 'person_00000')
    """
    name, path = str(name_or_path), Path(name_or_path)
    protocol = name == "lfw" or (name not in ("synthetic", "training") and is_lfw(path))
    if training and (protocol or any(is_lfw(file.parent) for file in path.glob("*/pairs.txt"))):
        raise _for_testing("LFW")
    faces = _open(name, path, protocol, options)
    if training and (isinstance(faces, BinFaces) or shows_lfw(faces)):
        raise _for_testing("LFW" if shows_lfw(faces) else faces.name)
    if isinstance(faces, EncodedFaces) and not isinstance(faces, BinFaces) and (training or options.skip_unreadable):
        faces = readable(faces)
    if options.align == "auto" and name != "synthetic":
        _warn_unless_aligned(faces)
    return Uniform(faces) if training and faces.mixed else faces


def _open(name: str, path: Path, protocol: bool, options: ReadOptions) -> FaceDataset:
    if name == "synthetic":
        from gdrd_lab.datasets.synthetic import synthetic_faces

        return synthetic_faces()
    if name == "training":
        return training_faces()
    if protocol:
        root = None if name == "lfw" else path
        faces = lfw(root, options=options)
        faces.pairs = view2(root, faces)
        return faces
    if not path.exists():
        raise GdrdError(
            f"There are no faces named {name}", "Use synthetic, lfw, training, or a path to a folder or .tar file"
        )
    if records := find_records(path):
        return RecordFaces(records, options)
    if path.suffix == ".bin":
        verified = BinFaces(path, options)
        verified.pairs = bin_pairs(verified)
        return verified
    if is_celeba(path):
        return celeba(path, options=options)
    shards = find_shards(path)
    if shards:
        return ShardFaces(shards, options)
    if is_saved_dataset(path):
        return SavedDataset(path, options)
    return FolderFaces(path, options)


def training_faces(root: Path | str | None = None) -> FaceDataset:
    """Join the training sets below a folder: celeba10k with its identities, celebahq25k and utkface without.

    Args:
        root: the folder; $GDRD_FACES if None. Sets that are not in it are left out.
    """
    root = root or os.environ.get("GDRD_FACES")
    there = [Path(root, name) for name in TRAINING_SETS if Path(root, name).is_dir()] if root else []
    if not there:
        raise GdrdError(
            f"There are no training sets in {root or '$GDRD_FACES, which is not set'}",
            f"Set GDRD_FACES to a folder that holds some of {', '.join(TRAINING_SETS)}",
        )
    return concatenate(*(FolderFaces(path, ReadOptions(align="never"), check=False) for path in there))


def open_pairs(faces: FaceDataset, seed: int = 0) -> Pairs:
    """Return the pairs to verify in what ``load_dataset`` returned.

    They are View 2 for LFW, the file's own for a verification file, and otherwise random pairs in 10 folds, or in fewer
    folds if there are few identities. Parts of LFW have random pairs, too.
    """
    own: Pairs | None = getattr(faces, "pairs", None)
    if own is not None:
        return own
    require_pairs(faces)
    return random_pairs(faces.labels, folds=folds_that_fit(faces.labels), seed=seed)


def is_plain_folder(path: Path) -> bool:
    """Whether a path is a folder of image files and of no known layout."""
    known = is_lfw(path) or is_celeba(path) or is_saved_dataset(path)
    return path.is_dir() and not known and not find_shards(path) and not find_records(path)


def _for_testing(name: str) -> GdrdError:
    return GdrdError(f"{name} is for testing only", "Train on the synthetic faces or on a folder of other people")


def _warn_unless_aligned(faces: FaceDataset) -> None:
    """Warn if faces that were taken as aligned do not look aligned, judged by 24 of them."""
    images = []
    for index in np.random.default_rng(0).permutation(len(faces))[:SAMPLE]:
        try:
            images.append(faces[int(index)])
        except GdrdError:  # said when the face is used
            continue
    offset = landmark_offset([image for image in images if len(image) >= SEEN_AT])
    if offset is not None and offset > LARGEST_OFFSET:
        warnings.warn(
            f"The faces of {faces.name} do not look aligned: their landmarks lie {offset:.1f} pixels of 112 from the "
            f"template (aligned faces: 2 to 4), and scores would be too low. Align them with --align, or say that they "
            "are aligned with --aligned",
            stacklevel=3,
        )

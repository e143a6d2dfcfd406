"""Opening a face set by its name or path, and what was found there."""

import os
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.yunet import SEEN_AT, landmark_offset
from gdrd_lab.datasets.base import FaceDataset, ReadOptions, Uniform, concatenate, require_pairs
from gdrd_lab.datasets.celeba import celeba, is_celeba
from gdrd_lab.datasets.folder import FolderFaces
from gdrd_lab.datasets.huggingface import SavedDataset, is_saved_dataset
from gdrd_lab.datasets.insightface.bin import BinFaces
from gdrd_lab.datasets.insightface.recordio import RecordFaces, find_records
from gdrd_lab.datasets.lfw import is_lfw, lfw, shows_lfw
from gdrd_lab.datasets.pairs import Pairs, folds_that_fit, random_pairs
from gdrd_lab.datasets.readable import readable
from gdrd_lab.datasets.shards.reader import EncodedFaces, ShardFaces, find_shards
from gdrd_lab.errors import GdrdError

TRAINING_SETS = ("celeba10k", "celebahq25k", "utkface")
SAMPLE = 24  # faces that are looked at to see whether a set is aligned
# Median offset, in pixels of a 112 px face. Measured: CelebA, UTKFace and LFW aligned by this project 2.1 to 2.5,
# Extended Yale B (one alignment a person) 3.6, LFW's centre resized to 112 px 5.2, LFW resized to 112 px 6.3.
LARGEST_OFFSET = 4.5


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
        return lfw(None if name == "lfw" else path, options=options)
    if not path.exists():
        do = "Use synthetic, lfw, training, or a path to a folder or .tar file"
        raise GdrdError(f"There are no faces named {name}", do)
    if records := find_records(path):
        return RecordFaces(records, options)
    if path.suffix == ".bin":
        return BinFaces(path, options)
    if is_celeba(path):
        return celeba(path, options=options)
    if shards := find_shards(path):
        return ShardFaces(shards, options)
    if is_saved_dataset(path):
        return SavedDataset(path, options)
    return FolderFaces(path, options)


def training_faces(root: Path | str | None = None) -> FaceDataset:
    """Join the training sets below a folder, $GDRD_FACES if None: celeba10k with identities, the others without."""
    root = root or os.environ.get("GDRD_FACES")
    there = [Path(root, name) for name in TRAINING_SETS if Path(root, name).is_dir()] if root else []
    if not there:
        do = f"Set GDRD_FACES to a folder that holds some of {', '.join(TRAINING_SETS)}"
        raise GdrdError(f"There are no training sets in {root or '$GDRD_FACES, which is not set'}", do)
    return concatenate(*(FolderFaces(path, ReadOptions(align="never"), check=False) for path in there))


def open_pairs(faces: FaceDataset, seed: int = 0) -> Pairs:
    """Return the pairs to verify: of the set's own protocol, or else random ones in 10 folds or as many as fit."""
    if (own := getattr(faces, "pairs", None)) is not None:
        return own
    require_pairs(faces)
    return random_pairs(faces.labels, folds=folds_that_fit(faces.labels), seed=seed)


def is_plain_folder(path: Path) -> bool:
    """Whether a path is a folder of image files and of no known layout."""
    known = is_lfw(path) or is_celeba(path) or is_saved_dataset(path)
    return path.is_dir() and not known and not find_shards(path) and not find_records(path)


@dataclass(frozen=True)
class DatasetReport:
    """What was found in a source and what of it is used."""

    name: str
    seen: int  # faces in the source
    used: int  # faces in the set
    people: int  # identities with a face in the set
    unknown: int  # faces of unknown identity
    left_out: dict[str, int]  # reason and number of the faces left out
    notes: tuple[str, ...]

    def __str__(self) -> str:
        faces, people = "face" if self.used == 1 else "faces", "person" if self.people == 1 else "people"
        parts = [f"{self.name}: {self.used:,} {faces} of {self.people:,} {people}"]
        if self.unknown:
            parts.append(f"{self.unknown:,} of unknown identity")
        if self.left_out:
            reasons = "; ".join(f"{count:,}: {reason}" for reason, count in self.left_out.items())
            parts.append(f"{self.seen - self.used:,} of {self.seen:,} left out ({reasons})")
        return ", ".join(parts) + "".join(f". {note}" for note in self.notes)


def report(dataset: FaceDataset) -> DatasetReport:
    """Return how many faces of a set are used, left out and unknown, and how many people it shows."""
    labels = np.asarray(dataset.labels)
    left_out = Counter(reason for _, reason in getattr(dataset, "left_out", ()))
    return DatasetReport(
        dataset.name,
        len(dataset) + left_out.total(),
        len(dataset),
        len(np.unique(labels[labels >= 0])),
        int((labels < 0).sum()),
        dict(left_out.most_common()),
        tuple(getattr(dataset, "notes", ())),
    )


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

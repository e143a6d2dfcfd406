"""LFW (Huang et al., UMass Technical Report 07-49, 2007) and its View 2 protocol, section IV. For testing only."""

import glob
import hashlib
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path, PurePosixPath

import numpy as np

from gdrd_lab.alignment.yunet import align_many, crop
from gdrd_lab.datasets.base import FaceDataset, ReadOptions, identities_of
from gdrd_lab.datasets.folder import ImageFiles
from gdrd_lab.datasets.labels import number_identities
from gdrd_lab.datasets.listing import Listing, read_text
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import SUFFIXES, read_image
from gdrd_lab.io.paths import data_folder

# Mean landmarks of the faces in LFW's images, in pixels from the centre. They are used for the few images in which no
# face is found (none of View 2), so that every pair of the protocol is scored.
USUAL_LANDMARKS = np.array([[-21.3, -13.0], [23.5, -13.3], [1.3, 11.7], [-17.5, 32.2], [20.3, 32.4]])
# First 4 bytes of the SHA-256 of each name in View 2, sorted: 4,281 uint32.
NAMES_FILE = "lfw_names.bin"
SAMPLE = 10_000  # keys and names that ``shows_lfw`` looks at

WHERE = "Name LFW's folder (the one that holds pairs.txt and <Name>/<Name>_0001.jpg), or set GDRD_FACES to its parent"
AGAIN = "Get pairs.txt from the LFW site, or rename it if it belongs to other faces"


def lfw(path: Path | str | None = None, *, options: ReadOptions = ReadOptions()) -> FaceDataset:
    """Open the images of LFW's View 2: photographs are aligned to 112 px, aligned and small faces are not.

    Without a path it is $GDRD_FACES/lfw or scikit-learn's download, made if there is none. Of several faces the one
    nearest to the centre is taken. No image may be left out, because the pairs need all of them.
    """
    images, protocol = find_lfw(path)
    files = {f"{file.parent.name}/{file.stem}": file for file in images.glob("*/*") if file.suffix.lower() in SUFFIXES}
    keys = view2_keys(protocol)
    if missing := [key for key in keys if key not in files]:
        raise GdrdError(
            f"{len(missing)} of {len(keys)} images that {protocol} names are not in {images}, among them {missing[0]}",
            "Unpack all of LFW, or rename pairs.txt to use the folder without its protocol",
        )
    people = number_identities([key.split("/")[0] for key in keys], numeric=False)
    options = replace(options, skip_unreadable=False, face_selection=options.face_selection or "central")
    listing = Listing([files[key] for key in keys], keys, *people)
    faces = ImageFiles(listing, "LFW", options, align=partial(_align, options=options))
    faces.left_out = [(key, "View 2 does not use it") for key in sorted(set(files) - set(keys))]
    faces.pairs = view2(path, faces)
    return faces


def view2(path: Path | str | None = None, faces: FaceDataset | None = None) -> Pairs:
    """Return View 2: ten folds of 300 genuine and 300 impostor pairs of ``faces``, of ``lfw(path)`` if None."""
    protocol = find_lfw(path)[1]
    keys = view2_keys(protocol) if faces is None else faces.keys
    places = {key: index for index, key in enumerate(keys)}
    pairs = read_pairs(protocol)
    if missing := [key for pair in pairs for key in pair[:2] if key not in places]:
        what = f"{len(missing)} images of {protocol} are not in the face set, among them {missing[0]}"
        raise GdrdError(what, "Give the set that lfw() returns for the same folder")
    columns = zip(*((places[a], places[b], same, fold) for a, b, same, fold in pairs), strict=True)
    return Pairs(*map(np.array, columns))


def view2_keys(protocol: Path) -> list[str]:
    """Return the sorted names of the images that pairs.txt uses: "Aaron_Eckhart/Aaron_Eckhart_0001"."""
    return sorted({key for pair in read_pairs(protocol) for key in pair[:2]})


def read_pairs(protocol: Path) -> list[tuple[str, str, bool, int]]:
    """Read pairs.txt: (first image, second image, genuine, fold) of each pair.

    Its first line gives the number of folds F (left out if 1) and of genuine pairs P in each; then follow F times
    P lines "name, number, number" and P lines "name, number, other name, number".
    """
    try:
        lines = [line.split() for line in read_text(protocol).splitlines() if line.strip()]
        *folds, count = (int(number) for number in lines[0])
        total = folds[0] if folds else 1
    except (OSError, ValueError, IndexError) as error:
        raise GdrdError(f"{protocol} is not a list of LFW pairs", AGAIN) from error
    if len(lines) - 1 != 2 * total * count:
        raise GdrdError(f"{protocol} has {len(lines) - 1} pairs, not the {2 * total * count} of its first line", AGAIN)
    pairs = []
    for number, words in enumerate(lines[1:]):
        genuine = number // count % 2 == 0
        if len(words) != (3 if genuine else 4) or not all(word.isdigit() for word in words[1 : 4 if genuine else 2]):
            raise GdrdError(f"Pair {number + 1} of {protocol} is damaged: {' '.join(words)[:60]}", AGAIN)
        a, b = _key(*words[:2]), _key(words[-2] if len(words) == 4 else words[0], words[-1])
        pairs.append((a, b, genuine, number // (2 * count)))
    return pairs


def find_lfw(path: Path | str | None = None) -> tuple[Path, Path]:
    """Return the folder of LFW's images and its pairs.txt. Known layouts: LFW's own archives and scikit-learn's."""
    if path is not None:
        roots = [Path(path)]
    else:
        shared = os.environ.get("GDRD_FACES")
        home = Path(os.environ.get("SCIKIT_LEARN_DATA") or Path.home() / "scikit_learn_data") / "lfw_home"
        roots = ([Path(shared, "lfw")] if shared else []) + [home]
    for root in roots:
        if found := _find_below(root):
            return found
    if path is not None:
        raise GdrdError(f"{path} is not a folder of LFW", WHERE)
    if found := _find_below(_download()):
        return found
    raise GdrdError("The downloaded LFW is not whole", f"Delete {roots[-1]} and try again")


def is_lfw(path: Path) -> bool:
    """Whether a folder has a pairs.txt, damaged or not, and images, or one beside it that fits its images."""
    if (path / "pairs.txt").is_file():
        return any(file.suffix.lower() in SUFFIXES for file in path.rglob("*"))
    if not (path.parent / "pairs.txt").is_file():
        return False
    try:
        return _find_below(path) is not None
    except GdrdError:
        return any(_is_name_of_lfw(folder.name) for folder in path.glob("*/"))


def shows_lfw(faces: FaceDataset) -> bool:
    """Whether a face set has a key of LFW ("Aaron_Eckhart/Aaron_Eckhart_0001"), or half of its people are LFW's."""
    for index in range(0, len(faces), max(1, len(faces) // SAMPLE)):
        found = re.search(r"([^/]+)/([^/]+)_\d{4}(\.\w+)?$", faces.keys[index])
        if found and found[1] == found[2] and _is_name_of_lfw(found[1]):
            return True
    people = np.unique(faces.labels[faces.labels >= 0])[:SAMPLE]
    names = identities_of(faces)
    known = sum(_is_name_of_lfw(PurePosixPath(names[person]).name) for person in people)
    return known >= max(2, len(people) / 2)


@cache
def _names_of_lfw() -> frozenset[int]:
    return frozenset(np.fromfile(data_folder() / NAMES_FILE, "<u4").tolist())


def _is_name_of_lfw(name: str) -> bool:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "little") in _names_of_lfw()


def _find_below(root: Path) -> tuple[Path, Path] | None:
    places = (root / "pairs.txt", root.parent / "pairs.txt", *sorted(root.glob("*/pairs.txt")))
    protocol = next((file for file in places if file.is_file()), None)
    if protocol is None:
        return None
    for key in view2_keys(protocol)[:20]:  # some may be missing
        for pattern in ("", "*/", "*/*/"):
            for file in root.glob(f"{pattern}{glob.escape(key)}.*"):
                if file.suffix.lower() in SUFFIXES:
                    return file.parent.parent, protocol
    if protocol.parent == root:
        raise GdrdError(f"None of the images that {protocol} names is in {root}", AGAIN)
    return None


def _download() -> Path:
    from sklearn.datasets import fetch_lfw_people, get_data_home

    try:
        # Downloads everything (230 MB, SHA-256 checked), and decodes only the one person with 500 images.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about trying again; the error below says what came of it
            fetch_lfw_people(min_faces_per_person=500, resize=0.1, n_retries=1)
    except (OSError, RuntimeError) as error:
        what = f"LFW is not on this machine and cannot be downloaded ({type(error).__name__})"
        raise GdrdError(what, WHERE) from error
    return Path(get_data_home()) / "lfw_home"


def _align(files: Sequence[Path], options: ReadOptions) -> Iterator[np.ndarray | GdrdError]:
    faces = align_many(files, face_selection=options.face_selection, progress=options.progress)
    for file, face in zip(files, faces, strict=True):
        if isinstance(face, GdrdError):
            image = read_image(file)  # raises if the file itself is damaged
            face = crop(image, USUAL_LANDMARKS + np.array(image.shape[1::-1]) / 2 - 0.5)
        yield face


def _key(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}"

"""Image files as a face set: crops and aligned faces are decoded when asked for, photographs are aligned once."""

import shutil
import zlib
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, PngImagePlugin

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import align_many, is_crop, nameless, square
from gdrd_lab.datasets.aligned_cache import VERSION, AlignFiles, aligned_copy, report_failed
from gdrd_lab.datasets.base import FaceDataset, ReadOptions
from gdrd_lab.datasets.fingerprint import file_digests
from gdrd_lab.datasets.listing import Listing, list_images
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write
from gdrd_lab.io.cache import checksum
from gdrd_lab.io.images import read_image
from gdrd_lab.io.threads import in_threads

# Text entry of the PNG files that this project writes: they are aligned, whatever their size.
ALIGNED_ENTRY = "gdrd-aligned"


class ImageFiles(FaceDataset):
    """N image files as a face set.

    Crops (``alignment.yunet.is_crop``) and images that this project aligned are decoded when they are asked for, in
    their own resolution. All other images are photographs: they are aligned once, into one file of the cache folder.
    With ``check`` every image that is not aligned here is decoded once, so that a damaged one is reported now.
    """

    def __init__(
        self, listing: Listing, name: str, options: ReadOptions, *, align: AlignFiles | None = None, check: bool = True
    ) -> None:
        files, keys, labels, left_out = listing.files, listing.keys, listing.labels, listing.left_out
        sides = [_side(file, options) for file in files]
        photographs = [index for index, side in enumerate(sides) if side is None]
        others = [index for index, side in enumerate(sides) if side is not None]
        align = align or partial(align_many, face_selection=options.face_selection, progress=options.progress)
        problems: dict[int, str] = {}
        places = np.full(len(files), -1)
        if photographs:
            names = [keys[index] for index in photographs]
            chosen = Listing([files[index] for index in photographs], names, labels[photographs])
            self._aligned = aligned_copy(chosen, name, align, options.face_selection)
            reasons = dict(self._aligned.failed)
            problems = {index: reasons[keys[index]] for index in photographs if keys[index] in reasons}
            places[[index for index in photographs if index not in problems]] = np.arange(len(self._aligned))
        if check or options.skip_unreadable:
            problems |= _damaged(files, others, options.progress)
        failed = [*left_out, *((keys[index], problems[index]) for index in sorted(problems))]
        report_failed(failed, len(files) + len(left_out), name, options.skip_unreadable and len(problems) < len(files))
        good = [index for index in range(len(files)) if index not in problems]
        found = {sides[index] or TEMPLATE_SIZE for index in good}
        super().__init__(name, max(found), labels[good], [keys[index] for index in good], listing.identities)
        self.mixed, self.left_out = len(found) > 1, failed
        self.files, self._places = [files[index] for index in good], places[good]
        self._salt = zlib.crc32(repr((VERSION, options.face_selection)).encode())
        self.notes = [*listing.notes, *(_repeated(self) if check else [])]

    def __getitem__(self, index: int) -> np.ndarray:
        place = int(self._places[index])
        return self._aligned[place] if place >= 0 else square(read_image(self.files[index]))

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face's file and of how it is aligned."""
        return file_digests(self.files, np.where(self._places >= 0, self._salt, 0))


class FolderFaces(ImageFiles):
    """The images of a folder as a face set, see ``listing.identities_of_folders`` for the person that each shows."""

    def __init__(self, path: Path | str, options: ReadOptions = ReadOptions(), *, check: bool = True) -> None:
        super().__init__(list_images(Path(path)), Path(path).resolve().name, options, check=check)


def write_faces(faces: FaceDataset, out: Path | str) -> None:
    """Write a face set as PNG files that ``FolderFaces`` reads back: a folder per identity, unknown ones in ``out``."""
    for index, (key, label) in enumerate(zip(faces.keys, faces.labels, strict=True)):
        parts = [part for part in PurePosixPath(key.replace("\\", "/")).parts if part not in ("/", "..")]
        if label >= 0 and len(parts) < 2:
            parts = [f"{label:05d}", *parts]
        write_face(Path(out, *parts[:-1], f"{parts[-1]}.png"), faces[index])


def write_face(path: Path, face: np.ndarray) -> None:
    """Write one aligned face, uint8 (S, S, 3), as a PNG file that says it is aligned; whole or not at all."""
    entry = PngImagePlugin.PngInfo()
    entry.add_text(ALIGNED_ENTRY, "yes")
    with atomic_write(path, "Choose another folder", sync=False) as file:
        Image.fromarray(face).save(file, "PNG", pnginfo=entry)


def align_folder(
    source: Path | str, out: Path | str, options: ReadOptions = ReadOptions(align="always"), size: int = TEMPLATE_SIZE
) -> tuple[int, list[tuple[str, str]]]:
    """Align the photographs below a folder into PNG files of ``size`` pixels and the same names below ``out``.

    Return the number of faces written, and (name, reason) of each photograph left out. A ``pairs.txt`` of LFW is copied
    too, so that View 2 can be scored on the aligned faces.
    """
    source, out = Path(source), Path(out)
    found = list_images(source)
    if out.resolve().is_relative_to(source.resolve()):
        raise GdrdError(f"{out} lies in {source}, whose images it would join", "Choose a folder elsewhere")
    refused = []
    how, which = options.align, options.face_selection
    faces = align_many(found.files, face_selection=which, align=how, size=size, progress=options.progress)
    for key, face in zip(found.keys, faces, strict=True):
        if isinstance(face, GdrdError):
            refused.append((key, face.what))
        else:
            write_face(out / f"{key}.png", face)
    if (source / "pairs.txt").is_file() and len(refused) < len(found.files):
        shutil.copyfile(source / "pairs.txt", out / "pairs.txt")
    return len(found.files) - len(refused), [*refused, *found.left_out]


def _side(file: Path, options: ReadOptions) -> int | None:
    """Return the side in pixels of an image file that is taken as a face, or None for a photograph."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            aligned = ALIGNED_ENTRY in image.info
    except Exception:  # damaged: the reason is given when it is read
        return TEMPLATE_SIZE
    whole = options.align == "never" or (options.align == "auto" and (aligned or is_crop(height, width)))
    return max(width, height) if whole else None


def _damaged(files: Sequence[Path], indices: Sequence[int], progress: bool) -> dict[int, str]:
    """Read image files; return why, for those that cannot be used."""
    chosen = [files[index] for index in indices]
    found = in_threads(read_image, chosen, "checking", progress=progress and len(indices) >= 1000)
    results = zip(indices, chosen, found, strict=True)
    return {index: nameless(image, file).what for index, file, image in results if isinstance(image, GdrdError)}


def _repeated(faces: ImageFiles) -> list[str]:
    """Return sentences on files of the same content, and on those that are given to different people."""
    same: dict[str, list[int]] = defaultdict(list)
    for index, file in enumerate(faces.files):
        same[checksum(file)].append(index)
    groups = [indices for indices in same.values() if len(indices) > 1]
    mixed = [indices for indices in groups if len(set(faces.labels[indices]) - {-1}) > 1]
    notes = []
    for found, what in ((groups, "in the set more than once"), (mixed, "given to more than one person")):
        if found:
            examples = "; ".join(" = ".join(faces.keys[index] for index in indices[:3]) for indices in found[:3])
            notes.append(f"Photographs {what}: {len(found)} ({examples})")
    return notes

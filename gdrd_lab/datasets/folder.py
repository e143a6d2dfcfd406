"""Folders of face images: one folder per identity, or a flat folder of unknown identities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from PIL import Image, PngImagePlugin
from tqdm.auto import tqdm

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import FaceSelection, align_many
from gdrd_lab.datasets.aligned_cache.cache import aligned_copy, report
from gdrd_lab.datasets.base import FaceDataset, Subset
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import atomic_write
from gdrd_lab.io.images import SUFFIXES, read_image

# Text entry of the PNG files this project writes: they are aligned, whatever their size.
MARK = "gdrd-aligned"


class ImageFiles(FaceDataset):
    """A face set of image files that are aligned already, decoded when they are asked for.

    Args:
        files: N paths.
        keys: N names.
        labels: (N,) identities, -1 where unknown.
        name: what messages and tables call the set.
        size: side of every image in pixels.
    """

    def __init__(self, files: Sequence[Path], keys: Sequence[str], labels: np.ndarray, name: str, size: int) -> None:
        super().__init__(name, size, labels, keys)
        self.files = files

    def __getitem__(self, index: int) -> np.ndarray:
        image = read_image(self.files[index])
        if image.shape[:2] != (self.size, self.size):
            raise GdrdError(
                f"{self.files[index]} is {image.shape[1]} x {image.shape[0]} pixels, but aligned faces of {self.name} "
                f"are {self.size} x {self.size}",
                "Have the folder aligned (align=True, or `gdrd faces align`)",
            )
        return image


class FolderFaces(FaceDataset):
    """The images of a folder as a face set.

    The identity of an image is the folder it lies in; images directly in ``path`` have none (-1). Photographs are
    aligned once, and their faces kept in one file in the cache folder; aligned images are decoded when asked for.

    Args:
        path: the folder.
        align: False takes the images as aligned faces, all of one size; True aligns them all; "auto" leaves images
            of 112 x 112 and those this project wrote as they are, and aligns all others.
        face_selection: the face to take from a photograph with several, see ``Aligner.align``.
        skip_unreadable: leave out images that cannot be used, with a warning that says how many.
        check: decode every aligned image once, so that a damaged one is reported now and not in the middle of a run.
        progress: show progress bars.

    Raises:
        GdrdError: no such folder, no images in it, or images that cannot be used, all named in one line.
    """

    def __init__(
        self,
        path: Path | str,
        align: bool | Literal["auto"] = "auto",
        *,
        face_selection: FaceSelection = None,
        skip_unreadable: bool = False,
        check: bool = True,
        progress: bool = True,
    ) -> None:
        path = Path(path)
        files, keys, labels = list_images(path)
        name = path.resolve().name
        size = _aligned_size(files) if align == "auto" else None
        self._faces: FaceDataset
        if align is True or (align == "auto" and size is None):
            run = partial(
                align_many,
                face_selection=face_selection,
                progress=progress,
                align="auto" if align == "auto" else "always",
            )
            settings = (face_selection, align)
            self._faces = aligned_copy(files, keys, labels, name, run, *settings, skip_unreadable=skip_unreadable)
        else:
            size = size or next((side for file in files if (side := _side(file)[0])), TEMPLATE_SIZE)
            self._faces = ImageFiles(files, keys, labels, name, size)
            if check or skip_unreadable:
                self._faces = _checked(self._faces, skip_unreadable, progress)
        super().__init__(name, self._faces.size, self._faces.labels, self._faces.keys)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._faces[index]


def list_images(path: Path) -> tuple[list[Path], list[str], np.ndarray]:
    """Return the image files below a folder, their keys and their labels (N,): the folder an image lies in, or -1.

    Keys are paths relative to the folder without the ending; the ending stays where two would be equal. Hidden files
    and folders are left out.

    Raises:
        GdrdError: no such folder, or no images in it.
    """
    if not path.is_dir():
        problem = "is a file, not a folder of images" if path.exists() else "does not exist"
        raise GdrdError(f"{path} {problem}", "Name a folder of images, or of one folder per identity")
    files = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        shown = [name for name in names if not name.startswith(".")]
        files += [Path(folder, name) for name in shown if os.path.splitext(name)[1].lower() in SUFFIXES]
    if not files:
        raise GdrdError(
            f"{path} has no images in it", "Name a folder of JPEG or PNG files, or of one folder per identity"
        )
    files.sort(key=lambda file: file.relative_to(path).as_posix())
    keys = [file.relative_to(path).with_suffix("").as_posix() for file in files]
    if len(set(keys)) < len(keys):
        keys = [file.relative_to(path).as_posix() for file in files]
    owners = [_identity(PurePosixPath(key).parent) for key in keys]
    identities = {owner: label for label, owner in enumerate(sorted(set(owners) - {"."}))}
    return files, keys, np.array([identities.get(owner, -1) for owner in owners], np.int64)


def _identity(folder: PurePosixPath) -> str:
    # Parts of a set as Hugging Face image folders have them: the same name in two parts is the same person.
    split = len(folder.parts) > 1 and folder.parts[0] in ("train", "validation", "val", "test")
    return (PurePosixPath(*folder.parts[1:]) if split else folder).as_posix()


def write_faces(faces: FaceDataset, out: Path | str) -> None:
    """Write a face set as PNG files that ``FolderFaces`` reads back: a folder per identity, unknown ones in ``out``.

    Raises:
        GdrdError: the folder cannot be written.
    """
    for index, (key, label) in enumerate(zip(faces.keys, faces.labels, strict=True)):
        parts = [part for part in PurePosixPath(key.replace("\\", "/")).parts if part not in ("/", "..")]
        if label >= 0 and len(parts) < 2:
            parts = [f"{label:05d}", *parts]
        write_face(Path(out, *parts[:-1], f"{parts[-1]}.png"), faces[index])


def write_face(path: Path, face: np.ndarray) -> None:
    """Write one aligned face, uint8 (S, S, 3), as a PNG file that says it is aligned; whole or not at all.

    Raises:
        GdrdError: the file cannot be written.
    """
    note = PngImagePlugin.PngInfo()
    note.add_text(MARK, "yes")
    with atomic_write(path, "Choose another folder", sync=False) as file:
        Image.fromarray(face).save(file, "PNG", pnginfo=note)


def _side(file: Path) -> tuple[int, bool]:
    """Return the side of a square image (0 if it is none or unreadable) and whether it is known to be aligned."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            return (width if width == height else 0), width == height == TEMPLATE_SIZE or MARK in image.info
    except Exception:  # damaged: said when it is read
        return 0, True


def _aligned_size(files: Sequence[Path]) -> int | None:
    """Return the side of the images if all are known to be aligned, else None."""
    sides = set()
    for file in files:
        side, aligned = _side(file)
        if not aligned:
            return None
        sides.add(side)
    sides.discard(0)
    return sides.pop() if len(sides) == 1 else None


def _checked(faces: ImageFiles, skip_unreadable: bool, progress: bool) -> FaceDataset:
    def problem(index: int) -> str | None:
        try:
            faces[index]
        except GdrdError as error:
            return error.what.replace(f"{faces.files[index]} ", "The image ", 1)
        return None

    hide = not progress or len(faces) < 1000
    with ThreadPoolExecutor(2) as pool, tqdm(total=len(faces), desc="checking", unit="image", disable=hide) as bar:
        problems = []
        for found in pool.map(problem, range(len(faces))):
            problems.append(found)
            bar.update()
    failed = [(faces.keys[index], found) for index, found in enumerate(problems) if found]
    if len(failed) == len(faces):
        skip_unreadable = False
    report(failed, len(faces), faces.name, skip_unreadable)
    good = [index for index, found in enumerate(problems) if not found]
    return Subset(faces, good) if failed else faces


def align_folder(
    source: Path | str,
    out: Path | str,
    *,
    face_selection: FaceSelection = None,
    size: int = TEMPLATE_SIZE,
    progress: bool = True,
) -> tuple[int, list[tuple[str, str]]]:
    """Align the photographs below a folder into PNG files of the same names below ``out``.

    Args:
        source: folder of photographs, or of folders of them.
        out: folder that receives the faces; made if need be.
        face_selection: see ``Aligner.align``.
        size: side of the faces in pixels.
        progress: show a progress bar.

    Returns:
        The number of faces written, and (name, reason) of each photograph left out.

    Raises:
        GdrdError: ``source`` has no images, ``out`` lies in it, or ``out`` cannot be written.
    """
    from gdrd_lab.datasets.folder import list_images, write_face

    source, out = Path(source), Path(out)
    files, keys, _ = list_images(source)
    if out.resolve().is_relative_to(source.resolve()):
        raise GdrdError(f"{out} lies in {source}, whose images it would join", "Choose a folder elsewhere")
    refused = []
    for key, face in zip(
        keys, align_many(files, face_selection=face_selection, size=size, progress=progress), strict=True
    ):
        if isinstance(face, GdrdError):
            refused.append((key, face.what))
        else:
            write_face(out / f"{key}.png", face)
    return len(files) - len(refused), refused

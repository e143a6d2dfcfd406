"""Uploads: read once, aligned, and deleted from the disk at once; what is left is a face in the user's session."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.faces.align import Detection, crop
from gdrd_lab.faces.template import TEMPLATE_SIZE
from gdrd_lab.images import read_image
from gdrd_lab.page import models
from gdrd_lab.page.face import Face
from gdrd_lab.page.pictures import photograph_link

MAX_BYTES = 20_000_000
MAX_FILES = 60
MAX_FACES = 30


@dataclass(frozen=True)
class Photograph:
    """An uploaded photograph and the faces found in it, left to right."""

    image: np.ndarray
    faces: tuple[Detection, ...]

    @property
    def largest(self) -> int:
        """The number of the largest face."""
        return int(np.argmax([face.box[2] * face.box[3] for face in self.faces]))


@dataclass
class Session:
    """What one user's page holds; nobody else's can reach it, and it goes when the page is closed."""

    faces: dict[int, Face] = field(default_factory=dict)
    photographs: dict[int, Photograph] = field(default_factory=dict)
    gallery: object = None


def upload_folder() -> Path:
    """Return the folder that uploads arrive in."""
    from gradio.utils import get_upload_folder

    return Path(get_upload_folder()).resolve()


def forget(path: str | Path) -> None:
    """Delete an uploaded file, and its folder if that is then empty; a file anywhere else is left alone."""
    file = Path(path)
    if not file.resolve().is_relative_to(upload_folder()):
        return
    file.unlink(missing_ok=True)
    if file.parent.resolve() != upload_folder():
        try:
            file.parent.rmdir()
        except OSError:  # another file is in it
            return


def read_upload(path: str | Path) -> np.ndarray:
    """Read an uploaded image, uint8 (H, W, 3), and delete the file, usable or not.

    Raises:
        GdrdError: it is too large or no image; the sentence holds no path of this machine.
    """
    try:
        try:
            size = os.path.getsize(path)
            content = Path(path).read_bytes() if size <= MAX_BYTES else b""
        except (OSError, ValueError) as error:
            raise GdrdError("The file cannot be read", "Give one image file such as JPEG or PNG") from error
        if size > MAX_BYTES:
            raise GdrdError(
                f"The file has {size / 1e6:.0f} MB; {MAX_BYTES // 1_000_000} MB is the limit",
                "Give a smaller copy of it",
            )
        return read_image(content)
    finally:
        forget(path)


def find_faces(image: np.ndarray) -> Photograph:
    """Find the faces of a photograph; an image of 112 x 112 pixels without one is taken as aligned already.

    Raises:
        GdrdError: there is no face.
    """
    found = models.aligner().detect(image)
    if not found and image.shape[:2] != (TEMPLATE_SIZE, TEMPLATE_SIZE):
        raise GdrdError("No face was found in the image", "Use a photograph that shows a face upright and in full")
    return Photograph(image, tuple(found[:MAX_FACES]))


def aligned_face(path: str | Path) -> np.ndarray:
    """Read an upload and return its largest face, aligned: uint8 (112, 112, 3)."""
    image = read_upload(path)
    if image.shape[:2] == (TEMPLATE_SIZE, TEMPLATE_SIZE):
        return image
    photograph = find_faces(image)
    return crop(image, photograph.faces[photograph.largest].landmarks)


def chosen_face(photograph: Photograph, number: int | None = None) -> Face:
    """Return face ``number`` from the left, the largest if None, as the page's face."""
    if not photograph.faces:
        return Face(photograph.image, "your picture, taken as aligned")
    number = photograph.largest if number is None else number
    if not 0 <= number < len(photograph.faces):
        raise GdrdError(f"There is no face {number + 1}", f"Choose one from 1 to {len(photograph.faces)}")
    face = photograph.faces[number]
    side = round(float(max(face.box[2:])))
    return Face(crop(photograph.image, face.landmarks), "your photograph", side=side)


def take(session: Session | None, slot: int, path: str) -> Session:
    """Return the session with an upload's largest face on side ``slot``.

    Raises:
        GdrdError: the upload cannot be used; the session is as before.
    """
    session = session or Session()
    photograph = find_faces(read_upload(path))
    face = chosen_face(photograph)
    return Session({**session.faces, slot: face}, {**session.photographs, slot: photograph}, session.gallery)


def pick(session: Session, slot: int, number: int) -> Session:
    """Return the session with another face of the photograph on side ``slot``."""
    if slot not in session.photographs:
        raise GdrdError("There is no photograph to choose from", "Upload one first")
    return Session(
        {**session.faces, slot: chosen_face(session.photographs[slot], number)}, session.photographs, session.gallery
    )


def drop(session: Session | None, slot: int) -> Session:
    """Return the session without the upload on side ``slot``."""
    session = session or Session()
    faces = {key: value for key, value in session.faces.items() if key != slot}
    photographs = {key: value for key, value in session.photographs.items() if key != slot}
    return Session(faces, photographs, session.gallery)


def found_html(session: Session | None, slot: int) -> str:
    """Return the photograph with every face framed and numbered; "" without a photograph."""
    photograph = session.photographs.get(slot) if session else None
    if session is None or photograph is None:
        return ""
    height, width = photograph.image.shape[:2]
    count = len(photograph.faces)
    said = {0: "Taken as an aligned face", 1: "1 face found"}.get(count, f"{count} faces found; choose one below")
    frames = "".join(
        f'<span class="gdrd-frame" style="left:{100 * f.box[0] / width:.1f}%;top:{100 * f.box[1] / height:.1f}%;'
        f'width:{100 * f.box[2] / width:.1f}%;height:{100 * f.box[3] / height:.1f}%">{k + 1}</span>'
        for k, f in enumerate(photograph.faces)
    )
    return (
        f'<div class="gdrd-found"><img src="{photograph_link(photograph.image)}" alt="your photograph">{frames}</div>'
        f"<p>{escape(said)}. The file is deleted already.</p>"
    )

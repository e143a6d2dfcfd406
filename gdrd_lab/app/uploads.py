"""Uploads: read once, aligned, and deleted from the disk at once; what is left is a face in the user's session."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import crop
from gdrd_lab.app import models
from gdrd_lab.app.face import Face
from gdrd_lab.app.html import photograph_link
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image

MAX_BYTES = 20_000_000
MAX_FILES = 60
MAX_FACES = 30


@dataclass(frozen=True)
class Photograph:
    """What is kept of an uploaded photograph: its faces, and a small picture to choose among them.

    Args:
        preview: data link of the small picture.
        boxes: (K, 4) left, top, width, height of each face as shares of the picture, left to right.
        faces: the K faces, aligned; one without a box where the picture was taken as aligned.
        largest: number of the largest.
    """

    preview: str
    boxes: np.ndarray
    faces: tuple[Face, ...]
    largest: int = 0


@dataclass
class Session:
    """What one page holds, out of reach of any other; Gradio drops it within an hour after the page is closed."""

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
    found = models.aligner().detect(image)[:MAX_FACES]
    preview, aligned = photograph_link(image), image.shape[:2] == (TEMPLATE_SIZE, TEMPLATE_SIZE)
    if not found and aligned:
        return Photograph(preview, np.zeros((0, 4)), (Face(image, "your picture, taken as aligned"),))
    if not found:
        raise GdrdError("No face was found in the image", "Use a photograph that shows a face upright and in full")
    boxes = np.array([face.box for face in found])
    faces = [
        Face(crop(image, face.landmarks), "your photograph", side=round(float(max(face.box[2:])))) for face in found
    ]
    height, width = image.shape[:2]
    largest = int(np.argmax(boxes[:, 2] * boxes[:, 3]))
    return Photograph(preview, boxes / [width, height, width, height], tuple(faces), largest)


def aligned_face(path: str | Path) -> np.ndarray:
    """Read an upload and return its largest face, aligned: uint8 (112, 112, 3)."""
    image = read_upload(path)
    if image.shape[:2] == (TEMPLATE_SIZE, TEMPLATE_SIZE):
        return image
    photograph = find_faces(image)
    return photograph.faces[photograph.largest].image


def take(session: Session | None, slot: int, path: str) -> Session:
    """Return the session with an upload's largest face on side ``slot``.

    Raises:
        GdrdError: the upload cannot be used; the session is as before.
    """
    session = session or Session()
    photograph = find_faces(read_upload(path))
    face = photograph.faces[photograph.largest]
    return Session({**session.faces, slot: face}, {**session.photographs, slot: photograph}, session.gallery)


def pick(session: Session, slot: int, number: int) -> Session:
    """Return the session with another face of the photograph on side ``slot``."""
    if slot not in session.photographs:
        raise GdrdError("There is no photograph to choose from", "Upload one first")
    faces = session.photographs[slot].faces
    if not 0 <= number < len(faces):
        raise GdrdError(f"There is no face {number + 1}", f"Choose one from 1 to {len(faces)}")
    return Session({**session.faces, slot: faces[number]}, session.photographs, session.gallery)


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
    count = len(photograph.boxes)
    said = {0: "Taken as an aligned face", 1: "1 face found"}.get(count, f"{count} faces found; choose one below")
    frames = "".join(
        f'<span class="gdrd-frame" style="left:{x:.1f}%;top:{y:.1f}%;width:{w:.1f}%;height:{h:.1f}%">{k}</span>'
        for k, (x, y, w, h) in enumerate(100 * photograph.boxes, 1)
    )
    return (
        f'<div class="gdrd-found"><img src="{photograph.preview}" alt="your photograph">{frames}</div>'
        f"<p>{escape(said)}. The file is deleted already.</p>"
    )

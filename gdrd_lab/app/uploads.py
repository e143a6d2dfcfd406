"""Uploads: each file is read once, aligned and deleted at once. Only the face stays, in the session of its user."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import Aligner, crop
from gdrd_lab.app.gallery import Face, Gallery, once
from gdrd_lab.app.html import photograph_link
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS, Calibration, embeddings_at
from gdrd_lab.io.images import read_image
from gdrd_lab.models.recogniser import Recogniser

MAX_BYTES = 20_000_000
MAX_FILES = 60
MAX_FACES = 30
MIN_FILES = 4

aligner = once(Aligner)


@dataclass(frozen=True)
class Photograph:
    """What is kept of an uploaded photograph: its faces, and a small picture to choose among them.

    Args:
        preview: data link of the small picture.
        boxes: (K, 4) left, top, width and height of each face as shares of the picture, from left to right.
        faces: the K aligned faces; one face without a box if the picture was taken as aligned.
        largest: number of the largest face.
    """

    preview: str
    boxes: np.ndarray
    faces: tuple[Face, ...]
    largest: int = 0


@dataclass(frozen=True)
class Session:
    """The faces of one user. Other users cannot reach them. Gradio deletes them an hour after the page is closed.

    Args:
        faces: uploaded faces by slot (0 or 1).
        photographs: the photographs they come from.
        gallery: the user's own faces for the map.
    """

    faces: dict[int, Face] = field(default_factory=dict)
    photographs: dict[int, Photograph] = field(default_factory=dict)
    gallery: Gallery | None = None


def upload_folder() -> Path:
    """Return the folder that receives uploads."""
    from gradio.utils import get_upload_folder

    return Path(get_upload_folder()).resolve()


def forget(path: str | Path) -> None:
    """Delete an uploaded file, and its folder if that is then empty. A file elsewhere is not deleted."""
    file = Path(path)
    if not file.resolve().is_relative_to(upload_folder()):
        return
    file.unlink(missing_ok=True)
    if file.parent.resolve() != upload_folder():
        try:
            file.parent.rmdir()
        except OSError:  # the folder holds another file
            return


def read_upload(path: str | Path) -> np.ndarray:
    """Read an uploaded image, uint8 (H, W, 3), and delete the file whether it can be used or not."""
    try:
        try:
            size = os.path.getsize(path)
            content = Path(path).read_bytes() if size <= MAX_BYTES else b""
        except (OSError, ValueError) as error:
            raise GdrdError("The file cannot be read", "Give one image file such as JPEG or PNG") from error
        if size > MAX_BYTES:
            raise GdrdError(
                f"The file has {size / 1e6:.0f} MB; the limit is {MAX_BYTES // 1_000_000} MB", "Give a smaller copy"
            )
        image = read_image(content)
    finally:
        forget(path)
    if not np.ptp(image, axis=(0, 1)).any():
        raise GdrdError("No face was found: all pixels of the image have the same colour", "Give another image")
    return image


def find_faces(image: np.ndarray) -> Photograph:
    """Find the faces of a photograph. An image of 112 x 112 pixels without a detected face is taken as aligned."""
    found = aligner().detect(image)[:MAX_FACES]
    preview, aligned = photograph_link(image), image.shape[:2] == (TEMPLATE_SIZE, TEMPLATE_SIZE)
    if not found and aligned:
        return Photograph(preview, np.zeros((0, 4)), (Face(image, "your picture, taken as aligned"),))
    if not found:
        raise GdrdError("No face was found in the image", "Use a photograph that shows a face upright and in full")
    boxes = np.array([face.box for face in found])
    faces = [
        Face(crop(image, face.landmarks), "your photograph", width=round(float(max(face.box[2:])))) for face in found
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


def add_upload(session: Session | None, slot: int, path: str) -> Session:
    """Return the session with the largest face of an upload in ``slot``."""
    session = session or Session()
    photograph = find_faces(read_upload(path))
    face = photograph.faces[photograph.largest]
    return replace(session, faces={**session.faces, slot: face}, photographs={**session.photographs, slot: photograph})


def pick_face(session: Session, slot: int, number: int) -> Session:
    """Return the session with another face of the photograph in ``slot``."""
    if slot not in session.photographs:
        raise GdrdError("There is no photograph to choose from", "Upload one first")
    faces = session.photographs[slot].faces
    if not 0 <= number < len(faces):
        raise GdrdError(f"There is no face {number + 1}", f"Choose one from 1 to {len(faces)}")
    return replace(session, faces={**session.faces, slot: faces[number]})


def remove_upload(session: Session | None, slot: int) -> Session:
    """Return the session without the upload in ``slot``."""
    session = session or Session()
    faces = {key: face for key, face in session.faces.items() if key != slot}
    photographs = {key: photograph for key, photograph in session.photographs.items() if key != slot}
    return replace(session, faces=faces, photographs=photographs)


def found_html(session: Session | None, slot: int) -> str:
    """Return the photograph with a numbered frame around every face; "" without a photograph."""
    photograph = session.photographs.get(slot) if session else None
    if photograph is None:
        return ""
    count = len(photograph.boxes)
    message = {0: "Taken as an aligned face", 1: "1 face found"}.get(count, f"{count} faces found; choose one below")
    frames = "".join(
        f'<span class="gdrd-frame" style="left:{x:.1f}%;top:{y:.1f}%;width:{w:.1f}%;height:{h:.1f}%">{k}</span>'
        for k, (x, y, w, h) in enumerate(100 * photograph.boxes, 1)
    )
    return (
        f'<div class="gdrd-found"><img src="{photograph.preview}" alt="your photograph">{frames}</div>'
        f"<p>{escape(message)}. The file has been deleted.</p>"
    )


def own_gallery(
    paths: Sequence[str], names: Sequence[str], recognisers: Sequence[Recogniser]
) -> tuple[Gallery, list[str]]:
    """Align and embed a user's photographs. The files are deleted as soon as they are read.

    Returns:
        The gallery, and a line for each photograph that was left out.
    """
    found: dict[bytes, str] = {}
    images, refused = [], []
    try:
        if len(paths) > MAX_FILES:
            raise GdrdError(f"{len(paths)} files are too many for the app", f"Give at most {MAX_FILES}")
        for path, name in zip(paths, names, strict=True):
            try:
                image = aligned_face(path)
            except GdrdError as error:
                refused.append(f"{name} was left out: {error.what}.")
                continue
            if image.tobytes() in found:
                refused.append(f"{name} was left out: it shows the same picture as {found[image.tobytes()]}.")
                continue
            found[image.tobytes()] = name
            images.append(image)
    finally:
        for path in paths:
            forget(path)
    if len(images) < MIN_FILES:
        reason = f" ({refused[0].rstrip('.')})" if refused else ""
        raise GdrdError(
            f"Only {len(images)} of {len(paths)} files can be used{reason}", f"Give at least {MIN_FILES} photographs"
        )
    keys = list(found.values())
    owners = [_owner(key) for key in keys]
    order = {owner: label for label, owner in enumerate(dict.fromkeys(o for o in owners if o))}
    labels = np.array([order.get(owner, -1) for owner in owners])
    faces = ArrayFaces(np.stack(images), labels, keys, "your photographs")
    known = {
        recogniser.name: Calibration(RESOLUTIONS, embeddings_at(recogniser, faces, options=QUIET), labels)
        for recogniser in recognisers
    }
    return Gallery(faces, known), refused


def _owner(name: str) -> str:
    """Return the identity in a file's name: its folder, or the part before its last "_"; "" if there is neither."""
    path = Path(name)
    if path.parent.name:
        return path.parent.name
    return path.stem.rsplit("_", 1)[0] if "_" in path.stem else ""

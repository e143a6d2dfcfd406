"""Uploads: each file is read once, aligned and deleted at once. Only the face stays, in the session of its user."""

import os
from collections.abc import Sequence
from contextlib import suppress
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

MAX_BYTES, MAX_FACES = 20_000_000, 30  # of one photograph
MIN_FILES, MAX_FILES = 4, 60  # of a gallery
aligner = once(Aligner)


@dataclass(frozen=True)
class Photograph:
    """What is kept of an uploaded photograph: its faces, and a small picture to choose among them."""

    preview: str  # data link of the small picture
    boxes: np.ndarray  # (K, 4) left, top, width and height of each face as shares of the picture, from left to right
    faces: tuple[Face, ...]  # the K aligned faces; one face without a box if the picture was taken as aligned
    largest: int = 0  # number of the largest face


@dataclass(frozen=True)
class Session:
    """The faces of one user. Other users cannot reach them. Gradio deletes them an hour after the page is closed."""

    faces: dict[int, Face] = field(default_factory=dict)  # by slot (0 or 1)
    photographs: dict[int, Photograph] = field(default_factory=dict)  # that the faces come from, by slot
    gallery: Gallery | None = None  # of the user's own faces, for the map


def forget(path: str | Path) -> None:
    """Delete an uploaded file, and its folder if that is then empty. A file elsewhere is not deleted."""
    from gradio.utils import get_upload_folder

    file, folder = Path(path), Path(get_upload_folder()).resolve()
    if not file.resolve().is_relative_to(folder):
        return
    file.unlink(missing_ok=True)
    if file.parent.resolve() != folder:
        with suppress(OSError):  # the folder holds another file
            file.parent.rmdir()


def read_upload(path: str | Path) -> np.ndarray:
    """Read an uploaded image, uint8 (H, W, 3), and delete the file whether it can be used or not."""
    try:
        try:
            size = os.path.getsize(path)
            content = Path(path).read_bytes() if size <= MAX_BYTES else b""
        except (OSError, ValueError) as error:
            raise GdrdError("The file cannot be read", "Give one image file such as JPEG or PNG") from error
        if size > MAX_BYTES:
            what = f"The file has {size / 1e6:.0f} MB; the limit is {MAX_BYTES // 1_000_000} MB"
            raise GdrdError(what, "Give a smaller copy")
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
    boxes, (height, width) = np.array([face.box for face in found]), image.shape[:2]
    crops = [crop(image, face.landmarks) for face in found]
    sides = [round(float(max(face.box[2:]))) for face in found]
    faces = [Face(cut, "your photograph", width=side) for cut, side in zip(crops, sides, strict=True)]
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
    faces = session.photographs[slot].faces
    if not 0 <= number < len(faces):
        raise GdrdError(f"There is no face {number + 1}", f"Choose one from 1 to {len(faces)}")
    return replace(session, faces={**session.faces, slot: faces[number]})


def remove_upload(session: Session | None, slot: int) -> Session:
    """Return the session without the upload in ``slot``."""
    session = session or Session()
    faces, photographs = session.faces.copy(), session.photographs.copy()
    faces.pop(slot, None)
    photographs.pop(slot, None)
    return replace(session, faces=faces, photographs=photographs)


def found_html(session: Session | None, slot: int) -> str:
    """Return the photograph with a numbered frame around every face; "" without a photograph."""
    if session is None or slot not in session.photographs:
        return ""
    photograph = session.photographs[slot]
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
    """Align and embed a user's photographs, deleting each file once read; return them and a line for each left out."""
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
            if (other := found.get(image.tobytes())) is not None:
                refused.append(f"{name} was left out: it shows the same picture as {other}.")
                continue
            found[image.tobytes()] = name
            images.append(image)
    finally:
        for path in paths:
            forget(path)
    if len(images) < MIN_FILES:
        reason = f" ({refused[0].rstrip('.')})" if refused else ""
        what = f"Only {len(images)} of {len(paths)} files can be used{reason}"
        raise GdrdError(what, f"Give at least {MIN_FILES} photographs")
    keys = list(found.values())
    # The identity is the file's folder, or the part of its name before the last "_"; unknown if there is neither.
    owners = [path.parent.name or path.stem.rpartition("_")[0] for path in map(Path, keys)]
    order = list(dict.fromkeys(filter(None, owners)))
    labels = np.array([order.index(owner) if owner else -1 for owner in owners])
    faces = ArrayFaces(np.stack(images), labels, keys, "your photographs")
    tables = {model.name: embeddings_at(model, faces, options=QUIET) for model in recognisers}
    known = {name: Calibration(RESOLUTIONS, table, labels) for name, table in tables.items()}
    return Gallery(faces, known), refused

"""Uploads: each file is read once, aligned and deleted at once. Only the face stays, in the session of its user."""

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from html import escape
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import Aligner, crop
from gdrd_lab.app.gallery import Face, Gallery, once
from gdrd_lab.app.html import notes, photograph_link, progress
from gdrd_lab.app.session import Photograph, Session
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS, Calibration, embeddings_at
from gdrd_lab.io.images import read_image
from gdrd_lab.machine import return_free_memory
from gdrd_lab.models.recogniser import Recogniser

MAX_BYTES, MAX_FACES = 20_000_000, 30  # of one photograph
MIN_FILES, MAX_FILES = 4, 500  # of a gallery
TURNING = 320  # pixels of a photograph in which YuNet compares directions; larger faces confuse it
UPRIGHT = 0.91  # YuNet's confidence that no face on its side or upside down reaches
MOST_PIXELS = 12_000_000  # of a photograph in memory; the detector sees at most 1600 x 1600
Result = TypeVar("Result")
reader = once(partial(ThreadPoolExecutor, 1, "photographs"))


def one_at_a_time(function: Callable[[str], Result], path: str) -> Result:
    """Call a function in the thread that reads the photographs of all users, so that only one of them is in memory.

    Threads keep memory of their own. What this one has freed is given back to the system.
    """

    def call() -> Result:
        try:
            return function(path)
        finally:
            return_free_memory()

    return reader().submit(call).result()


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
        image = read_image(content, MOST_PIXELS)
    finally:
        forget(path)
    if not np.ptp(image, axis=(0, 1)).any():
        raise GdrdError("No face was found: all pixels of the image have the same colour", "Give another image")
    return image


def find_faces(image: np.ndarray) -> Photograph:
    """Find the faces of a photograph. An image of 112 x 112 pixels without a detected face is taken as aligned."""
    found = Aligner().detect(image)
    preview, aligned = photograph_link(image), image.shape[:2] == (TEMPLATE_SIZE, TEMPLATE_SIZE)
    if not found and aligned:
        return Photograph(preview, np.zeros((0, 4)), (Face(image, "your picture, taken as aligned"),))
    if not found:
        raise GdrdError("No face was found in the image", "Use a photograph that shows a face upright and in full")
    if _turned(image):
        raise GdrdError("The face is upside down or on its side", "Turn the photograph upright and give it again")
    areas = np.array([face.box[2] * face.box[3] for face in found])
    numbers = np.sort(np.argsort(-areas, kind="stable")[:MAX_FACES])  # of the largest faces, from left to right
    kept, (height, width) = [found[number] for number in numbers], image.shape[:2]
    boxes = np.array([face.box for face in kept]) / [width, height, width, height]
    crops = [(crop(image, face.landmarks), round(float(max(face.box[2:])))) for face in kept]
    faces = tuple(Face(cut, "your photograph", width=side) for cut, side in crops)
    largest, left_out = int(np.argmax(areas[numbers])), len(found) - len(kept)
    return Photograph(preview, boxes, faces, tuple(numbers.tolist()), largest, left_out)


def _turned(image: np.ndarray) -> bool:
    """Return whether a face is found with more confidence after the photograph is turned; of upright faces none is."""
    picture = Image.fromarray(image)
    picture.thumbnail((TURNING, TURNING), reducing_gap=2.0)
    small, best, aligner = np.asarray(picture), [], Aligner()
    for quarter in range(4):
        found = aligner.detect(np.ascontiguousarray(np.rot90(small, quarter)))
        best.append(max((face.score for face in found), default=0.0))
        if best[0] > UPRIGHT:
            return False
    return max(best) > best[0] + 0.02


def uploaded_face(path: str | Path) -> Face:
    """Read an upload and return its largest face."""
    return find_faces(read_upload(path)).face


def aligned_face(path: str | Path) -> np.ndarray:
    """Read an upload and return its largest face, aligned: uint8 (112, 112, 3)."""
    image = read_upload(path)
    if image.shape[:2] == (TEMPLATE_SIZE, TEMPLATE_SIZE):
        return image
    return find_faces(image).face.image


def add_upload(session: Session, slot: int, path: str) -> None:
    """Use the largest face of an upload in ``slot``, unless a newer upload for the slot came meanwhile."""
    ticket = session.ticket(slot)
    session.put(slot, one_at_a_time(lambda file: find_faces(read_upload(file)), path), ticket)


def found_html(session: Session, slot: int) -> str:
    """Return the photograph with a numbered frame around every face; "" without a photograph."""
    photograph = session.photographs.get(slot)
    if photograph is None:
        return ""
    count = len(photograph.boxes)
    message = {0: "Taken as an aligned face", 1: "1 face found"}.get(count, f"{count} faces found; choose one below")
    if photograph.left_out:
        message = f"The {count} largest faces are shown; choose one below. {photograph.left_out} more are not shown"
    frames = "".join(
        f'<span class="gdrd-frame" style="left:{x:.1f}%;top:{y:.1f}%;width:{w:.1f}%;height:{h:.1f}%">{k + 1}</span>'
        for k, (x, y, w, h) in zip(photograph.numbers, 100 * photograph.boxes, strict=True)
    )
    several = " several" if count > 1 else ""  # large enough to choose in
    return (
        f'<div class="gdrd-found{several}"><img src="{photograph.preview}" alt="your photograph">{frames}</div>'
        f"<p>{escape(message)}. The file has been deleted.</p>"
    )


def own_gallery(
    paths: Sequence[str], names: Sequence[str], recognisers: Sequence[Recogniser]
) -> Generator[tuple[str, Gallery | None], None, None]:
    """Align and embed a user's photographs, deleting each file once read. Yield the progress (HTML), last the gallery.

    The last HTML, and that before an error, names each file that was left out, with the reason.
    """
    found: dict[bytes, str] = {}
    images, refused = [], []
    try:
        if len(paths) > MAX_FILES:
            raise GdrdError(f"{len(paths)} files are too many for the app", f"Give at most {MAX_FILES}")
        for k, (path, name) in enumerate(zip(paths, names, strict=True)):
            yield progress(k / len(paths), "Photographs", f"Reading photograph {k + 1} of {len(paths)}"), None
            try:
                image = one_at_a_time(aligned_face, path)
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
        yield notes(refused), None
        what = f"Only {len(images)} of {len(paths)} files can be used"
        raise GdrdError(what, f"Give at least {MIN_FILES} photographs")
    keys = list(found.values())
    # The identity is the file's folder, or the part of its name before the last "_"; unknown if there is neither.
    owners = [path.parent.name or path.stem.rpartition("_")[0] for path in map(Path, keys)]
    order = list(dict.fromkeys(filter(None, owners)))
    labels = np.array([order.index(owner) if owner else -1 for owner in owners])
    faces = ArrayFaces(np.stack(images), labels, keys, "your photographs")
    tables: dict[str, list[np.ndarray]] = {model.name: [] for model in recognisers}
    steps = list(product(recognisers, RESOLUTIONS))
    for k, (model, size) in enumerate(steps):
        yield progress(k / len(steps), "Embeddings", f"{model.name} embeds {len(images)} faces at {size} px"), None
        tables[model.name].append(embeddings_at(model, faces, [size], QUIET)[0])
    known = {name: Calibration(RESOLUTIONS, np.stack(table), labels) for name, table in tables.items()}
    said = f'<p role="status">The map shows {len(images)} faces of yours; the files have been deleted.</p>'
    yield said + notes(refused), Gallery(faces, known, order)

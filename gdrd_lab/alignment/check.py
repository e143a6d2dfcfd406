"""Whether faces that are taken as aligned look aligned."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE, TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import Aligner, check_image

SAMPLE = 24
SEEN_AT = 64  # pixels; at this size YuNet also finds most faces in poor light
# Median offset, in pixels of a 112 px face. Measured: CelebA, UTKFace and LFW aligned by this project 2.1 to 2.5,
# Extended Yale B (one alignment a person) 3.6, LFW's centre resized to 112 px 5.2, LFW resized to 112 px 6.3.
LARGEST_OFFSET = 4.5


def landmark_offset(faces: Iterable[np.ndarray], aligner: Aligner | None = None) -> float | None:
    """Return how far the landmarks of faces lie from the ArcFace template: the median over faces, in pixels of 112.

    Offset of a face: mean of |x - x'| and |y - y'| over its five landmarks.

    Args:
        faces: uint8 (S, S, 3) each; about 24 are enough, 10 ms each.
        aligner: the detector; a new one if None.

    Returns:
        None where fewer than three faces, or fewer than half, are found.
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

"""Faces found by YuNet and aligned to the ArcFace template."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from gdrd_lab.alignment.template import TEMPLATE_SIZE
from gdrd_lab.alignment.yunet import Aligner, FaceSelection
from gdrd_lab.io.images import read_image


def align(
    photograph: str | Path | bytes | BinaryIO | np.ndarray,
    *,
    face_selection: FaceSelection = None,
    size: int = TEMPLATE_SIZE,
) -> np.ndarray:
    """Find the face in a photograph and align it to the ArcFace template.

    Args:
        photograph: path, file contents or open binary file of an image, or an array, uint8 (H, W, 3), RGB.
        face_selection: the face to take where there are several: "largest", "central", or its number from the left,
            counted from 0; None refuses to choose.
        size: width and height S of the result in pixels.

    Returns:
        uint8 (S, S, 3), RGB.

    Example:
        >>> import gdrd_lab as gl
        >>> photograph = gl.synthetic_faces(1, 1, size=112)[0]
        >>> gl.align(photograph).shape
        (112, 112, 3)
    """
    image = photograph if isinstance(photograph, np.ndarray) else read_image(photograph)
    return Aligner().align(image, face_selection, size)

"""The ArcFace template: where the five landmarks of an aligned face lie, and the map that brings them there."""

import numpy as np

# Eye, eye, nose, mouth corner, mouth corner, left to right in the image; (x, y) in pixels of a 112 x 112 face.
# Source: ArcFace, Deng et al., CVPR 2019 (arXiv 1801.07698), its reference code.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)
TEMPLATE_SIZE = 112


def template(size: int = TEMPLATE_SIZE) -> np.ndarray:
    """Return the five landmarks (5, 2) of an aligned face of ``size`` pixels; pixel centres are whole numbers."""
    return (TEMPLATE + 0.5) * (size / TEMPLATE_SIZE) - 0.5


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the similarity (2, 3) that maps ``source`` (N, 2) onto ``target`` (N, 2) best in least squares.

    With points as complex numbers, z -> a z + b, a = sum(conj(z - mean z) (w - mean w)) / sum |z - mean z|^2: turned,
    scaled and moved, never mirrored. Source: Umeyama, PAMI 1991, whose solution this is in two dimensions.
    """
    z, w = (np.asarray(points, np.float64) @ np.array([1, 1j]) for points in (source, target))
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])

"""Which faces are enrolled in a gallery and which are probes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gdrd_lab.errors import GdrdError

Array = np.ndarray


@dataclass(frozen=True)
class Enrolment:
    """Which faces are enrolled and which are probes: indices into a face set, disjoint."""

    gallery: Array
    probes: Array


def enrol(labels: Array, per_identity: int = 1, *, seed: int = 0, distractors: bool = False) -> Enrolment:
    """Enrol ``per_identity`` faces of every identity, drawn at random; its other faces are the probes.

    Faces of unknown identity (label -1) are left out.

    Args:
        labels: (N,) identity of each face.

    Example:
        >>> enrolment = enrol(np.array([0, 0, 1, 1, 1]))
        >>> len(enrolment.gallery), len(enrolment.probes)
        (2, 3)
    """
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    shuffled = random.permutation(np.flatnonzero(labels >= 0))
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    names, starts, counts = np.unique(labels[shuffled], return_index=True, return_counts=True)
    short = names[counts <= per_identity]
    if len(short) and not distractors:
        raise GdrdError(
            f"{len(short)} of {len(names)} identities have {per_identity} face(s) or fewer (the first: {short[0]}): "
            "no probe is left of them",
            "Add faces of them, remove them, or keep them as distractors (distractors=True)",
        )
    # Position of each face within its identity, in the shuffled order.
    position = np.arange(len(shuffled)) - np.repeat(starts, counts)
    gallery, probes = shuffled[position < per_identity], shuffled[position >= per_identity]
    if not len(probes):
        raise GdrdError("No face is left as a probe", f"Give at least one identity with {per_identity + 1} faces")
    return Enrolment(np.sort(gallery), np.sort(probes))

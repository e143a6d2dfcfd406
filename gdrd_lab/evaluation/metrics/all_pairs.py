"""Verification on all pairs of a face set, in blocks: rates as low as the number of pairs allows."""

import math
from collections.abc import Sequence

import numpy as np

from gdrd_lab.datasets.embed import comparable
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.identification import clustered_error

Array = np.ndarray


def tar_at_far_of_all_pairs(
    probe: Array, gallery: Array, labels: Array, fars: Sequence[float], block: int = 512
) -> tuple[list[tuple[float, float]], int]:
    """Return (TAR, standard error clustered by person) at each FAR, and the number of impostor pairs.

    Every face is compared with every other one: each pair once if ``probe`` is ``gallery``, and otherwise both ways.
    The threshold is that of ``verification.threshold_at_far``; only the highest impostor scores are kept, so memory
    does not grow with the number of pairs.

    Args:
        probe: (N, d) unit embeddings of the faces as shown.
        gallery: (N, d) unit embeddings of the same faces as enrolled.
        labels: (N,) identities; faces of unknown identity (-1) are left out.
        fars: false accept rates; NaN where there are fewer than 1 / FAR impostor pairs.
    """
    known = np.flatnonzero(labels >= 0)
    same, labels = probe is gallery, np.asarray(labels)[known]
    probe, gallery = comparable(probe[known], gallery[known])
    sizes = np.bincount(labels)
    genuine_pairs = int((sizes * (sizes - 1)).sum())
    impostors = (len(known) * (len(known) - 1) - genuine_pairs) // (1 + same)
    if not genuine_pairs or not impostors:
        raise GdrdError("All pairs need two people, and two faces of one of them", "Give a larger set")
    allowed = [math.floor(far * impostors + 1e-9) for far in fars]
    keep = min(max(allowed) + 1, impostors)
    highest, scores, people = np.zeros(0, np.float32), [], []
    for start in range(0, len(known), block):
        rows = np.arange(start, min(start + block, len(known)))
        table = probe[rows] @ gallery.T
        later = np.arange(len(known)) > rows[:, None] if same else np.arange(len(known)) != rows[:, None]
        mates = labels[rows][:, None] == labels
        scores.append(table[mates & later])
        people.append(labels[rows][np.nonzero(mates & later)[0]])
        found = np.concatenate([highest, table[~mates & later]])
        highest = np.partition(found, len(found) - keep)[-keep:] if len(found) > keep else found
    highest, genuine, person = np.sort(highest)[::-1], np.concatenate(scores), np.concatenate(people)
    out = []
    for count in allowed:
        accepted = genuine > (highest[count] if count < len(highest) else -np.inf)
        out.append((float(accepted.mean()), clustered_error(accepted, person)) if count else (math.nan, math.nan))
    return out, impostors

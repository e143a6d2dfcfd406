"""Which faces are compared: pairs to verify, in folds, or a gallery and its probes."""

from dataclasses import dataclass
from functools import cache
from itertools import combinations, islice

import numpy as np

from gdrd_lab.errors import GdrdError


@dataclass(frozen=True)
class Pairs:
    """P pairs of faces of one face set."""

    first: np.ndarray  # (P,) int64 indices
    second: np.ndarray  # (P,) int64 indices
    genuine: np.ndarray  # (P,) bool, whether a pair shows one identity
    fold: np.ndarray  # (P,) int64, the fold from 0 that a pair belongs to

    def __post_init__(self) -> None:
        if len({len(part) for part in (self.first, self.second, self.genuine, self.fold)}) != 1:
            raise GdrdError("The parts of Pairs differ in length", "Give one entry of each per pair")

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Enrolment:
    """Which faces are enrolled and which are probes: indices into a face set, disjoint."""

    gallery: np.ndarray
    probes: np.ndarray


def enrol(labels: np.ndarray, per_identity: int = 1, *, seed: int = 0, distractors: bool = False) -> Enrolment:
    """Enrol ``per_identity`` faces of every identity in ``labels`` (N,), drawn at random; its others are the probes.

    Faces of unknown identity (label -1) are left out.
    """
    labels = np.asarray(labels)
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(labels >= 0))
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    names, starts, counts = np.unique(labels[shuffled], return_index=True, return_counts=True)
    short = names[counts <= per_identity]
    if len(short) and not distractors:
        what = f"{len(short)} of {len(names)} identities have {per_identity} face(s) or fewer (the first: {short[0]})"
        do = "Add faces of them, remove them, or keep them as distractors (distractors=True)"
        raise GdrdError(f"{what}: no probe is left of them", do)
    # Position of each face within its identity, in the shuffled order.
    position = np.arange(len(shuffled)) - np.repeat(starts, counts)
    gallery, probes = shuffled[position < per_identity], shuffled[position >= per_identity]
    if not len(probes):
        raise GdrdError("No face is left as a probe", f"Give at least one identity with {per_identity + 1} faces")
    return Enrolment(np.sort(gallery), np.sort(probes))


def folds_that_fit(labels: np.ndarray, most: int = 10) -> int:
    """Return how many folds these identities (N,) can fill, 2 to ``most``."""
    identities, counts = np.unique(labels[labels >= 0], return_counts=True)
    return max(2, min(most, int((counts > 1).sum()), len(identities) // 2))


def random_pairs(labels: np.ndarray, folds: int = 10, per_fold: int = 300, seed: int = 0) -> Pairs:
    """Draw pairs for a set without a protocol: ``per_fold`` genuine and as many impostor pairs in each fold, as in LFW.

    As in LFW, identities are divided among the folds, so that nobody is in two of them. No pair is drawn twice. A fold
    with fewer than ``per_fold`` different pairs gets all there are, as many genuine as impostor.

    Args:
        labels: (N,) identities; faces of unknown identity (-1) are in no pair.
        folds: number of folds.
        per_fold: genuine pairs in each.
        seed: of the draw.

    Raises:
        GdrdError: some fold gets no genuine or no impostor pair.

    Example:
        >>> pairs = random_pairs(np.repeat(np.arange(8), 3), folds=2, per_fold=5)
        >>> len(pairs), int(pairs.genuine.sum())
        (20, 10)
    """
    labels = np.asarray(labels)
    identities, counts = np.unique(labels[labels >= 0], return_counts=True)
    random = np.random.default_rng(seed)
    several = random.permutation(identities[counts > 1])
    single = random.permutation(identities[counts == 1])
    if len(several) < folds or len(identities) < 2 * folds:
        need = f"{folds} folds of pairs need {folds} identities with two faces and {2 * folds} in all"
        do = "Use fewer folds, or add images of the same identities"
        raise GdrdError(f"{need}, but there are {len(several)} and {len(identities)}", do)
    parts = []
    for fold in range(folds):
        members = np.concatenate([several[fold::folds], single[folds - 1 - fold :: folds]])
        faces = np.flatnonzero(np.isin(labels, members))
        genuine = _genuine(labels, faces, per_fold, random)
        impostor = _impostor(labels, faces, len(genuine), random)
        pairs = np.concatenate([genuine[: len(impostor)], impostor])
        same = np.arange(len(pairs)) < len(impostor)
        parts.append((pairs[:, 0], pairs[:, 1], same, np.full(len(pairs), fold)))
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _genuine(labels: np.ndarray, faces: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Up to ``most`` different pairs of one identity; each identity's first pair comes before anybody's second."""
    by_identity = faces[np.argsort(labels[faces], kind="stable")]
    ends = np.flatnonzero(np.diff(labels[by_identity])) + 1
    turns, ties, drawn = [], [], []
    for own in np.split(by_identity, ends):
        own = random.permutation(own)
        pairs = own[_first_combinations(len(own), 2 * most)]
        drawn.append(pairs[random.permutation(len(pairs))])
        turns.append(np.arange(len(pairs)))
        ties.append(random.integers(2**31, size=len(pairs)))
    pairs, ranks = np.concatenate(drawn), (np.concatenate(ties), np.concatenate(turns))
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0], *ranks))[:most]]


@cache
def _first_combinations(count: int, most: int) -> np.ndarray:
    """The first pairs of ``count`` places, (P, 2); only ``most``, because 10,000 faces have 50 million pairs."""
    return np.array(list(islice(combinations(range(count), 2), most)), np.int64).reshape(-1, 2)


def _impostor(labels: np.ndarray, faces: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Up to ``most`` different pairs of two identities."""
    drawn: dict[tuple[int, int], None] = {}
    for _ in range(20):
        couples = np.sort(random.choice(faces, (4 * most, 2)), axis=1)
        for first, second in couples[labels[couples[:, 0]] != labels[couples[:, 1]]]:
            drawn.setdefault((int(first), int(second)))
        if len(drawn) >= most:
            break
    return np.array(list(drawn)[:most], np.int64).reshape(-1, 2)

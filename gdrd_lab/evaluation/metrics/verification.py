"""Verification: are two faces the same person? Functions of scores and of which pairs are genuine.

A pair is accepted if score >= threshold. FAR is the share of impostor pairs accepted, TAR the share of genuine pairs
accepted. Scores are cosine similarities here; any score that is larger for more similar faces can be used.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.identification import clustered_error

Array = np.ndarray


@dataclass(frozen=True)
class AccuracyResult:
    """Accuracy under the LFW protocol; arrays are (F,), one entry per fold."""

    mean: float
    standard_error: float
    per_fold: Array
    thresholds: Array


@dataclass(frozen=True)
class Roc:
    """A ROC curve: false and true accept rates (T,) in rising order, the falling thresholds, and the pair counts."""

    far: Array
    tar: Array
    thresholds: Array
    genuine: int
    impostors: int


def accuracy_at(scores: Array, genuine: Array, threshold: float) -> float:
    """Return the share of pairs (P,) that are decided correctly at a threshold."""
    return float(np.mean((scores >= threshold) == genuine))


def best_threshold(scores: Array, genuine: Array) -> float:
    """Return the threshold that decides most pairs correctly, by exact search over every distinct decision.

    Candidates are half-way between neighbouring scores, and at both ends; of equally good ones the middle is returned.
    """
    scores, genuine = _checked(scores, genuine)
    order = np.argsort(scores)
    ordered, truth = scores[order], genuine[order]
    # right[k]: pairs decided correctly when the k lowest scores are rejected.
    right = np.concatenate([[0], np.cumsum(np.where(truth, -1, 1))])
    boundaries = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1], [True]]))
    best = boundaries[right[boundaries] == right[boundaries].max()]
    k = int(best[len(best) // 2])
    if k == 0:
        return float(ordered[0])
    if k == len(ordered):
        return float(np.nextafter(ordered[-1], np.inf))
    middle = (ordered[k - 1] + ordered[k]) / 2
    return float(middle if middle > ordered[k - 1] else ordered[k])


def lfw_accuracy(scores: Array, genuine: Array, fold: Array) -> AccuracyResult:
    """Accuracy (View 2 of LFW): each fold is scored at the threshold that is best on the other folds.

    mean = sum_f a_f / F,   standard error = std(a_f, F - 1 degrees of freedom) / sqrt(F)

    ``scores``, ``genuine`` and ``fold`` (any integers, at least two different) are (P,).
    Source: Huang et al., Labeled Faces in the Wild (UMass TR 07-49), section 2.
    """
    scores, genuine = _checked(scores, genuine)
    fold = np.asarray(fold)
    folds = np.unique(fold)
    if fold.shape != scores.shape or len(folds) < 2:
        what = f"{len(folds)} fold(s) in {fold.shape} for {len(scores)} pairs"
        raise GdrdError(what, "Give one fold number per pair, at least two folds")
    per_fold, thresholds = np.zeros(len(folds)), np.zeros(len(folds))
    for i, number in enumerate(folds):
        held_out = fold == number
        thresholds[i] = best_threshold(scores[~held_out], genuine[~held_out])
        per_fold[i] = accuracy_at(scores[held_out], genuine[held_out], thresholds[i])
    error = float(per_fold.std(ddof=1) / math.sqrt(len(folds)))
    return AccuracyResult(float(per_fold.mean()), error, per_fold, thresholds)


def roc(scores: Array, genuine: Array) -> Roc:
    """Return the ROC curve at every threshold, from "accept nothing" to "accept everything"."""
    from sklearn.metrics import roc_curve

    scores, genuine = _checked(scores, genuine)
    far, tar, thresholds = roc_curve(genuine, scores, drop_intermediate=False)
    return Roc(far, tar, thresholds, int(genuine.sum()), int((~genuine).sum()))


def auc(scores: Array, genuine: Array) -> float:
    """Area under the ROC curve: mean over genuine g and impostor i of [s_g > s_i] + [s_g = s_i] / 2."""
    scores, genuine = _checked(scores, genuine)
    impostors = np.sort(scores[~genuine])
    beaten = np.searchsorted(impostors, scores[genuine], "left") + np.searchsorted(impostors, scores[genuine], "right")
    return float(beaten.mean() / 2 / len(impostors))


def eer(scores: Array, genuine: Array) -> float:
    """Equal error rate: the rate at which FAR = 1 - TAR, on straight lines between the points of the ROC curve."""
    curve = roc(scores, genuine)
    gap = curve.far + curve.tar - 1  # rises from -1 to 1
    k = int(np.argmax(gap >= 0))
    share = -gap[k - 1] / (gap[k] - gap[k - 1])
    return float(curve.far[k - 1] + share * (curve.far[k] - curve.far[k - 1]))


def threshold_at_far(scores: Array, genuine: Array, far: float) -> float:
    """Return the lowest threshold with a FAR of at most ``far``; NaN with fewer than 1 / ``far`` impostor pairs."""
    scores, genuine = _checked(scores, genuine)
    if not 0 < far <= 1:
        raise GdrdError(f"{far} is not a false accept rate", "Choose one above 0 and at most 1, such as 0.001")
    impostors = np.sort(scores[~genuine])[::-1]
    allowed = math.floor(far * len(impostors) + 1e-9)
    if allowed < 1:
        return math.nan
    if allowed >= len(impostors):
        return float(scores.min())
    above = scores[scores > impostors[allowed]]
    return float(above.min() if len(above) else np.nextafter(impostors[allowed], np.inf))


def tar_at_far(scores: Array, genuine: Array, fars: Sequence[float]) -> Array:
    """Return the TAR at the ``threshold_at_far`` of each of ``fars``, without interpolation; NaN where that is NaN."""
    scores, genuine = _checked(scores, genuine)
    accepted = scores[genuine]
    thresholds = [threshold_at_far(scores, genuine, far) for far in fars]
    return np.array([math.nan if math.isnan(t) else float(np.mean(accepted >= t)) for t in thresholds])


def tar_at_far_of_all_pairs(
    probe: Array, gallery: Array, labels: Array, fars: Sequence[float], block: int = 512
) -> tuple[list[tuple[float, float]], int]:
    """Return (TAR, standard error clustered by person) at each FAR, and the number of impostor pairs.

    Every face is compared with every other one: each pair once if ``probe`` is ``gallery``, and otherwise both ways.
    The threshold is that of ``threshold_at_far``; only the highest impostor scores are kept, so memory
    does not grow with the number of pairs.

    Args:
        probe: (N, d) unit embeddings of the faces as shown.
        gallery: (N, d) unit embeddings of the same faces as enrolled.
        labels: (N,) identities; faces of unknown identity (-1) are left out.
        fars: false accept rates; NaN where there are fewer than 1 / FAR impostor pairs.
    """
    known = np.flatnonzero(labels >= 0)
    same, labels = probe is gallery, np.asarray(labels)[known]
    probe, gallery = probe[known], gallery[known]
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
    require_finite_scores(np.concatenate([highest, genuine]))
    out = []
    for count in allowed:
        accepted = genuine > (highest[count] if count < len(highest) else -np.inf)
        out.append((float(accepted.mean()), clustered_error(accepted, person)) if count else (math.nan, math.nan))
    return out, impostors


def error_versus_discard(
    scores: Array, genuine: Array, quality: Array, far: float = 0.01, shares: Sequence[float] = (0, 0.1, 0.2, 0.3, 0.5)
) -> Array:
    """Return the false non-match rate (len(shares),) at one threshold as the pairs of lowest quality are discarded.

    The threshold is that of ``far`` on all pairs; of each share the genuine pairs of lowest quality are left out.

    Args:
        scores: (P,).
        genuine: (P,) bool.
        quality: (P,) quality of each pair, the lower one of its two faces.

    Source: Grother and Tabassi, Performance of biometric quality measures (IEEE TPAMI 2007).
    """
    if not all(0 <= share < 1 for share in shares) or len(quality) != len(scores):
        raise GdrdError("Shares of pairs to discard lie from 0 to below 1, with one quality a pair", "Correct them")
    genuine = np.asarray(genuine, bool)
    rejected = np.asarray(scores)[genuine] < threshold_at_far(scores, genuine, far)
    ordered = rejected[np.argsort(np.asarray(quality)[genuine], kind="stable")]
    return np.array([ordered[int(share * len(ordered)) :].mean() for share in shares])


def bootstrap(
    statistic: Callable[[Array, Array], float],
    scores: Array,
    genuine: Array,
    *,
    identities: Array | None = None,
    samples: int = 200,
    seed: int = 0,
) -> Array:
    """Return ``statistic(scores, genuine)`` on resampled pairs: (samples,), NaN where one kind of pair is missing.

    ``identities`` (P, 2) are the two people of each pair. If given, people are resampled (w_a copies of person a, so
    that a pair of a and b appears w_a w_b times, and w_a times where a = b), because pairs that share people are
    correlated: the vertex bootstrap of Fogliato, Patil and Perona (arXiv 2306.01198). None resamples each kind of pair.
    """
    found = resamples(scores, genuine, identities=identities, samples=samples, seed=seed)
    return np.array([statistic(*pairs) if pairs[1].any() and not pairs[1].all() else math.nan for pairs in found])


def resamples(
    scores: Array, genuine: Array, *, identities: Array | None = None, samples: int = 200, seed: int = 0
) -> Iterator[tuple[Array, Array]]:
    """Yield the scores and kinds of resampled pairs, see ``bootstrap``; one kind of pair may be missing."""
    scores, genuine = _checked(scores, genuine)
    random = np.random.default_rng(seed)
    if identities is None:
        kinds = [np.flatnonzero(genuine), np.flatnonzero(~genuine)]
    else:
        people, codes = np.unique(np.asarray(identities), return_inverse=True)
        codes = codes.reshape(-1, 2)
    for _ in range(samples):
        if identities is None:
            rows = np.concatenate([random.choice(kind, len(kind)) for kind in kinds])
        else:
            copies = np.bincount(random.integers(0, len(people), len(people)), minlength=len(people))
            a, b = copies[codes[:, 0]], copies[codes[:, 1]]
            rows = np.repeat(np.arange(len(scores)), np.where(codes[:, 0] == codes[:, 1], a, a * b))
        yield scores[rows], genuine[rows]


def interval(values: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile confidence interval of bootstrap ``values`` without NaN."""
    kept = values[~np.isnan(values)]
    low, high = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2]) if len(kept) else (math.nan, math.nan)
    return float(low), float(high)


def spread(values: Array) -> float:
    """Bootstrap standard error: the standard deviation of ``values`` without NaN; NaN with fewer than two."""
    kept = values[~np.isnan(values)]
    return float(kept.std(ddof=1)) if len(kept) > 1 else math.nan


def require_finite_scores(scores: Array) -> None:
    """Raise GdrdError unless every score is finite."""
    if bad := int((~np.isfinite(scores)).sum()):
        what = f"{bad} of {len(scores)} scores are not finite"
        raise GdrdError(what, "Check the recogniser: its embeddings hold NaN or infinity")


def _checked(scores: Any, genuine: Any) -> tuple[Array, Array]:
    """Return scores as float64 and genuine as bool, both (P,); raise GdrdError where nothing can be measured."""
    scores, genuine = np.asarray(scores, np.float64), np.asarray(genuine).astype(bool)
    if scores.ndim != 1 or scores.shape != genuine.shape:
        what = f"Scores {scores.shape} and genuine {genuine.shape} differ in shape"
        raise GdrdError(what, "Give one of each per pair")
    if not genuine.any():
        raise GdrdError("There are no genuine pairs", "Add a second face of at least one person")
    if genuine.all():
        raise GdrdError("There are no impostor pairs", "Add faces of a second person")
    require_finite_scores(scores)
    return scores, genuine

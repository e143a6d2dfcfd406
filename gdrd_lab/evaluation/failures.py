"""The hardest pairs of a recogniser in numbers and words (no face is shown), and its agreement with other networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gdrd_lab.datasets.base import FaceDataset, batches
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import Array, lfw_accuracy
from gdrd_lab.evaluation.protocol import pair_scores
from gdrd_lab.evaluation.results import read_rows
from gdrd_lab.transforms.resize import luma


@dataclass(frozen=True)
class Failure:
    """A pair that a recogniser decides wrongly."""

    kind: str  # "genuine" (rejected) or "impostor" (accepted)
    pair: int  # its number in the protocol, from 0
    fold: int  # from 0
    score: float
    threshold: float  # of the fold, chosen on the other folds
    sharp: float  # score of the native faces by the reference model
    words: str  # see ``describe``


@dataclass(frozen=True)
class Failures:
    """The hardest pairs, and the rank correlation of the scores with those of reference models on native faces."""

    method: str
    data: str
    resolution: int
    errors: int
    pairs: int
    hardest: tuple[Failure, ...]
    agreement: dict[str, float]


def image_statistics(dataset: FaceDataset) -> dict[str, Array]:
    """Measure every face, (N,) by name: brightness and contrast (mean and standard deviation of the luma, 0 to 1),
    detail (mean absolute Laplacian), side light (mean of the right half minus that of the left), asymmetry (mean
    absolute difference from the mirror image).
    """
    names = ("brightness", "contrast", "detail", "side light", "asymmetry")
    out: dict[str, Array] = {name: np.zeros(len(dataset)) for name in names}
    for indices, faces in batches(dataset, 256):
        light = luma(faces)[:, 0]
        half = light.shape[-1] // 2
        laplacian = light.diff(n=2, dim=1)[:, :, 1:-1] + light.diff(n=2, dim=2)[:, 1:-1]
        out["brightness"][indices] = light.mean((1, 2)).numpy()
        out["contrast"][indices] = light.std((1, 2)).numpy()
        out["detail"][indices] = laplacian.abs().mean((1, 2)).numpy()
        out["side light"][indices] = (light[:, :, half:].mean((1, 2)) - light[:, :, :half].mean((1, 2))).numpy()
        out["asymmetry"][indices] = (light - light.flip(-1)).abs().mean((1, 2)).numpy()
    return out


def describe(found: Mapping[str, Array], pairs: Pairs) -> list[str]:
    """Describe each pair by the ``image_statistics`` in which its faces differ more than those of nine in ten pairs."""
    texts: list[list[str]] = [[] for _ in range(len(pairs))]
    ranks = []
    for name, values in found.items():
        one, two = values[pairs.first], values[pairs.second]
        difference = np.abs(one - two)
        limit = np.quantile(difference, 0.9)
        ranks.append(difference.argsort().argsort() / len(difference))
        for k in np.flatnonzero(difference > limit):
            texts[k].append(f"{name} {one[k]:.2f} against {two[k]:.2f}")
    alike = np.max(ranks, axis=0) < 0.5
    plain = np.where(alike, "alike in light, contrast and detail", "nothing measured is unusual")
    return ["; ".join(differences) or str(plain[k]) for k, differences in enumerate(texts)]


def failures(
    method: str,
    data: str,
    pairs: Pairs,
    embeddings: Array,
    references: Mapping[str, Array],
    words: Sequence[str],
    *,
    resolution: int,
    count: int = 5,
) -> Failures:
    """Find the pairs that a recogniser decides most wrongly, described by ``words`` (see ``describe``).

    ``embeddings`` (N, d) are of the degraded faces. ``references`` are those of the native faces by reference models;
    the score of the first is reported for each pair.
    """
    from scipy.stats import spearmanr

    if not references:
        raise GdrdError("There is no recogniser to compare with", "Give embeddings of the native faces")
    scores = pair_scores(embeddings, embeddings, pairs)
    hr = {name: pair_scores(known, known, pairs) for name, known in references.items()}
    thresholds = lfw_accuracy(scores, pairs.genuine, pairs.fold).thresholds
    margin = scores - thresholds[pairs.fold]
    wrong = np.where(pairs.genuine, -margin, margin)
    first = next(iter(hr.values()))
    hardest: list[Failure] = []
    for kind, chosen in (("genuine", pairs.genuine), ("impostor", ~pairs.genuine)):
        order = np.argsort(np.where(chosen, -wrong, np.inf))[:count]
        for k in (int(index) for index in order if wrong[index] > 0 and chosen[index]):
            fold = int(pairs.fold[k])
            numbers = (float(scores[k]), float(thresholds[fold]), float(first[k]))
            hardest.append(Failure(kind, k, fold, *numbers, words[k]))
    agreement = {name: float(spearmanr(scores, known).statistic) for name, known in hr.items()}
    # At the threshold itself a pair is accepted.
    errors = int(((margin >= 0) != pairs.genuine).sum())
    return Failures(method, data, resolution, errors, len(pairs), tuple(hardest), agreement)


def read_failures(path: Path | str) -> list[Failures]:
    """Read the rows that ``results.write_rows`` wrote."""

    def build(hardest: Sequence[dict[str, Any]], **row: Any) -> Failures:
        return Failures(**row, hardest=tuple(Failure(**failure) for failure in hardest))

    return read_rows(path, build, "failures", "gdrd failures")

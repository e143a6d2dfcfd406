"""Where a recogniser fails: its hardest pairs in words and numbers, and whether other recognisers agree with it.

No face is shown: a reader learns what the pair is like from measures of the sharp faces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import lfw_accuracy
from gdrd_lab.evaluation.protocol import pair_scores
from gdrd_lab.evaluation.results import read_rows

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.datasets.pairs import Pairs

Array = np.ndarray
# A difference is worth a word when it is larger than in nine of ten pairs.
UNUSUAL = 0.9


@dataclass(frozen=True)
class Failure:
    """A pair that a recogniser decides wrongly.

    Args:
        kind: "genuine" (rejected) or "impostor" (accepted).
        pair: number of the pair in the protocol, from 0.
        fold: its fold, from 0.
        score: the recogniser's.
        threshold: of the fold, chosen on the other folds.
        sharp: the reference's score of the sharp faces.
        words: what is unusual about the pair.
    """

    kind: str
    pair: int
    fold: int
    score: float
    threshold: float
    sharp: float
    words: str


@dataclass(frozen=True)
class Failures:
    """The hardest pairs and the rank correlation of the scores with those of other recognisers on sharp faces."""

    method: str
    data: str
    resolution: int
    errors: int
    pairs: int
    hardest: tuple[Failure, ...]
    agreement: dict[str, float]


def image_statistics(dataset: FaceDataset) -> dict[str, Array]:
    """Measure every face: brightness and contrast (mean and deviation of luminance, 0 to 1), detail (mean absolute
    Laplacian), side light (right half's mean less the left's), asymmetry (mean difference from the mirror image).

    Returns:
        {name: (N,)}.
    """
    from gdrd_lab.datasets.base import batches

    out: dict[str, Array] = {
        name: np.zeros(len(dataset)) for name in ("brightness", "contrast", "detail", "side light", "asymmetry")
    }
    for indices, faces in batches(dataset, 256):
        light = (faces * faces.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
        half = light.shape[-1] // 2
        laplacian = light.diff(n=2, dim=1)[:, :, 1:-1] + light.diff(n=2, dim=2)[:, 1:-1]
        out["brightness"][indices] = light.mean((1, 2)).numpy()
        out["contrast"][indices] = light.std((1, 2)).numpy()
        out["detail"][indices] = laplacian.abs().mean((1, 2)).numpy()
        out["side light"][indices] = (light[:, :, half:].mean((1, 2)) - light[:, :, :half].mean((1, 2))).numpy()
        out["asymmetry"][indices] = (light - light.flip(-1)).abs().mean((1, 2)).numpy()
    return out


def describe(found: Mapping[str, Array], pairs: Pairs) -> list[str]:
    """Say of each pair in which measures its two faces differ more than in nine of ten pairs, or hardly at all."""
    said: list[list[str]] = [[] for _ in range(len(pairs))]
    ranks = []
    for name, values in found.items():
        one, two = values[pairs.first], values[pairs.second]
        difference = np.abs(one - two)
        limit = np.quantile(difference, UNUSUAL)
        ranks.append(difference.argsort().argsort() / len(difference))
        for k in np.flatnonzero(difference > limit):
            said[k].append(f"{name} {one[k]:.2f} against {two[k]:.2f}")
    alike = np.max(ranks, axis=0) < 0.5
    plain = np.where(alike, "alike in light, contrast and detail", "nothing measured is unusual")
    return ["; ".join(words) or str(plain[k]) for k, words in enumerate(said)]


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
    """Find the pairs a recogniser is most wrong about.

    Args:
        method: the recogniser's name.
        data: the face set's name.
        pairs: P pairs.
        embeddings: (N, d) unit embeddings of the degraded faces.
        references: {name: (N, d)} unit embeddings of the sharp faces by other recognisers; the first one's score is
            told of each pair.
        words: (P,) what is said of each pair, see ``describe``.
        resolution: of the degraded faces, to be written down.
        count: pairs of each kind.

    Raises:
        GdrdError: no reference.
    """
    from scipy.stats import spearmanr

    if not references:
        raise GdrdError("There is no recogniser to compare with", "Give embeddings of the sharp faces")
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
    """Read the rows that ``report.write_rows`` wrote.

    Raises:
        GdrdError: the file is missing or damaged.
    """

    def build(row: dict[str, Any]) -> Failures:
        return Failures(**{**row, "hardest": tuple(Failure(**failure) for failure in row["hardest"])})

    return read_rows(path, build, "failures", "gdrd failures")

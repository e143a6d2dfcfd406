"""Sweeps: every recogniser, degradation and setting, each face embedded once per recogniser and degradation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.gallery import Enrolment, enrol
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics import verification
from gdrd_lab.evaluation.metrics.identification import clustered_error
from gdrd_lab.evaluation.metrics.retrieval import retrieve
from gdrd_lab.evaluation.protocol import SHARP, check_pairs, identify_embeddings, verify_embeddings
from gdrd_lab.transforms.degradation import Degradation

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.datasets.pairs import Pairs
    from gdrd_lab.models.recogniser import Recogniser

Array = np.ndarray


class Setting(StrEnum):
    """Which side is degraded: both faces, or the probe only (the gallery being sharp).

    In the last setting the sharp gallery is embedded by the discriminative teacher: a student lives in its teacher's
    space, so that a gallery enrolled by the teacher need not be enrolled again.
    """

    SAME = "same resolution"
    GALLERY = "sharp gallery"
    TEACHER = "sharp gallery by the teacher"


@dataclass(frozen=True)
class Score:
    """One number with all that is needed to read and to repeat it.

    Args:
        method: the recogniser's name.
        data: the face set's name.
        setting: see ``Setting``.
        resolution: side in pixels of the degraded faces.
        degradation: the fields of ``Degradation``.
        metric: accuracy, AUC, EER, TAR@FAR=0.001, rank-1, mAP, recall@5 ...
        value: in [0, 1]; NaN where the data are too few to measure it.
        spread: its standard error (folds for accuracy, bootstrap over pairs for AUC, EER and TAR, clustered by person
            for the rest).
        n: comparisons (pairs, probes or queries) behind it; impostor pairs for TAR@FAR.
        seed: of degradations, enrolment and bootstrap.
        commit: of the code.
        seconds: spent embedding the degraded faces and scoring this setting.
    """

    method: str
    data: str
    setting: str
    resolution: int
    degradation: dict[str, Any]
    metric: str
    value: float
    spread: float
    n: int
    seed: int
    commit: str
    seconds: float


@dataclass(frozen=True)
class MetricConfig:
    """What a sweep measures.

    Args:
        pairs: pairs to verify; None leaves verification out.
        fars: false accept rates to report a TAR for.
        both_ways: in the sharp-gallery setting, compare each pair with the parts exchanged too.
        identification: measure rank-k; one face of each identity is enrolled.
        distractors: keep identities with a single face in the gallery instead of raising an error.
        retrieval: measure mAP and recall@k.
        ks: the k of rank-k and recall@k.
        bootstrap: resamplings behind the spread of AUC, EER and TAR@FAR; 0 leaves it NaN.
    """

    pairs: Pairs | None = None
    fars: tuple[float, ...] = (0.01, 0.001)
    both_ways: bool = False
    identification: bool = False
    distractors: bool = False
    retrieval: bool = False
    ks: tuple[int, ...] = (1, 5)
    bootstrap: int = 100


@dataclass
class _Values:
    """Metric, value, spread and n, in the order they are measured."""

    rows: list[tuple[str, float, float, int]] = field(default_factory=list)

    def add(self, metric: str, value: float, spread: float, n: int) -> None:
        self.rows.append((metric, float(value), float(spread), int(n)))


def resolutions(sizes: Iterable[int], base: Degradation = SHARP) -> list[Degradation]:
    """One degradation per resolution in ``sizes`` (pixels), otherwise as ``base``."""
    return [replace(base, resolution=size) for size in sizes]


def severities(base: Degradation, name: str, values: Iterable[float]) -> list[Degradation]:
    """One degradation per value of the field ``name`` (such as "occlusion"), otherwise as ``base``.

    Raises:
        GdrdError: there is no such field, or a value is out of its range.
    """
    if name not in asdict(base):
        raise GdrdError(f"There is no degradation called {name}", f"Choose one of {', '.join(asdict(base))}")
    whole = name in ("resolution", "jpeg")
    changes: list[dict[str, Any]] = [{name: int(value) if whole else value} for value in values]
    return [replace(base, **change) for change in changes]


def sweep(
    recognisers: Sequence[Recogniser],
    dataset: FaceDataset,
    degradations: Sequence[Degradation],
    metrics: MetricConfig,
    options: EmbedOptions = EmbedOptions(),
    *,
    settings: Sequence[Setting] = (Setting.SAME, Setting.GALLERY),
    teacher: Recogniser | None = None,
) -> list[Score]:
    """Measure every recogniser on every degradation in every setting.

    Args:
        recognisers: networks with different names.
        dataset: N aligned faces.
        degradations: see ``resolutions`` and ``severities``.
        metrics: what to measure.
        options: how faces are embedded; its seed is that of degradations, enrolment and bootstrap too. With ``flip``
            the methods' names end in ", flips averaged".
        settings: which of the two faces is degraded.
        teacher: embeds the gallery of ``Setting.TEACHER``, which only its own students have (``teacher_name``).

    Raises:
        GdrdError: nothing to measure, names that repeat, or data that cannot answer a measure; raised before the
            first face is embedded.
    """
    from tqdm.auto import tqdm

    from gdrd_lab.io.provenance import commit

    seed = options.seed
    enrolment = _prepare(recognisers, dataset, degradations, metrics, seed)
    labels, code, scores = np.asarray(dataset.labels), commit(), []
    known: dict[str, Array] = {}

    def hr(recogniser: Recogniser) -> Array:
        """Embed the native faces, once for each recogniser and for a student's teacher."""
        if recogniser.name not in known:
            known[recogniser.name] = embed_all(recogniser, dataset, SHARP, options)
        return known[recogniser.name]

    total = len(recognisers) * len(degradations)
    with tqdm(total=total, desc=dataset.name, disable=not options.progress, leave=False) as bar:
        for recogniser in recognisers:
            owners = {Setting.GALLERY: recogniser}
            method = recogniser.name + (", flips averaged" if options.flip else "")
            if teacher is not None and getattr(recogniser, "teacher_name", None) == teacher.name:
                owners[Setting.TEACHER] = teacher
            for degradation in degradations:
                bar.set_postfix_str(f"{recogniser.name}, {degradation.describe()}")
                began = time.perf_counter()
                sizes = (None, dataset.size)
                native = replace(degradation, resolution=None) == SHARP and degradation.resolution in sizes
                probe = hr(recogniser) if native else embed_all(recogniser, dataset, degradation, options)
                embedding_seconds = time.perf_counter() - began
                for setting in settings:
                    if setting == Setting.TEACHER and setting not in owners:
                        continue
                    gallery = hr(owners[setting]) if setting in owners else probe
                    began = time.perf_counter()
                    both = metrics.both_ways and setting != Setting.SAME
                    rows = _measure(probe, gallery, labels, replace(metrics, both_ways=both), enrolment, seed)
                    seconds = round(embedding_seconds + time.perf_counter() - began, 3)
                    place = (method, dataset.name, str(setting), degradation.resolution or dataset.size)
                    scores += [Score(*place, asdict(degradation), *row, seed, code, seconds) for row in rows]
                bar.update()
    return scores


def _prepare(
    recognisers: Sequence[Recogniser],
    dataset: FaceDataset,
    degradations: Sequence[Degradation],
    metrics: MetricConfig,
    seed: int,
) -> Enrolment | None:
    """Find every error before the first face is embedded; return who is enrolled."""
    names = [recogniser.name for recogniser in recognisers]
    if not names or not degradations or not (metrics.pairs is not None or metrics.identification or metrics.retrieval):
        raise GdrdError("There is nothing to measure", "Give recognisers, degradations and at least one measure")
    if len(set(names)) < len(names):
        raise GdrdError(f"Recognisers share a name: {', '.join(names)}", "Give each its own name")
    constant = np.ones((len(dataset), 1), np.float32)
    enrolment = None
    if metrics.identification:
        enrolment = enrol(dataset.labels, seed=seed, distractors=metrics.distractors)
    if metrics.pairs is not None:
        check_pairs(dataset, metrics.pairs)
    _measure(constant, constant, np.asarray(dataset.labels), replace(metrics, bootstrap=0), enrolment, seed)
    return enrolment


def _measure(
    probe: Array, gallery: Array, labels: Array, metrics: MetricConfig, enrolment: Enrolment | None, seed: int
) -> list[tuple[str, float, float, int]]:
    """Score one setting; ``probe`` and ``gallery`` are (N, d) embeddings of all faces."""
    out = _Values()
    if metrics.pairs is not None:
        _verification(out, probe, gallery, metrics.pairs, metrics, seed)
    if enrolment is not None:
        named = identify_embeddings(probe, gallery, labels, enrolment)
        for k in metrics.ks:
            error = clustered_error(named.ranks <= k, named.labels)
            out.add(f"rank-{k}", named.rank_k(k), error, len(named.ranks))
    if metrics.retrieval:
        found = retrieve(probe, gallery, labels)
        people = labels[found.queries]
        precision = found.average_precision
        out.add("mAP", found.mean_average_precision, clustered_error(precision, people), len(people))
        for k in metrics.ks:
            out.add(f"recall@{k}", found.recall(k), clustered_error(found.first_rank <= k, people), len(people))
    return out.rows


def _verification(out: _Values, probe: Array, gallery: Array, pairs: Pairs, metrics: MetricConfig, seed: int) -> None:
    result = verify_embeddings(probe, gallery, pairs, fars=metrics.fars, both_ways=metrics.both_ways)
    scores, genuine = result.scores, result.genuine
    out.add("accuracy", result.accuracy.mean, result.accuracy.standard_error, len(scores))

    def error(statistic: Any) -> float:
        values = verification.bootstrap(statistic, scores, genuine, samples=metrics.bootstrap, seed=seed)
        return verification.spread(values)

    out.add("AUC", result.auc, error(verification.auc), len(scores))
    out.add("EER", result.eer, error(verification.eer), len(scores))
    for far, tar in zip(result.fars, result.tar_at_far, strict=True):
        name, impostors = f"TAR@FAR={far:g}", int((~genuine).sum())
        spread = np.nan if np.isnan(tar) else error(lambda s, g, far=far: verification.tar_at_far(s, g, [far])[0])
        out.add(name, tar, spread, impostors)

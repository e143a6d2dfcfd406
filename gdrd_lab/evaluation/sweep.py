"""Sweeps over recognisers, degradations and settings; each face is embedded once per recogniser and degradation."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.datasets.pairs import Enrolment, Pairs, enrol
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics import verification
from gdrd_lab.evaluation.metrics.identification import clustered_error, identified
from gdrd_lab.evaluation.metrics.retrieval import Array, retrieve
from gdrd_lab.evaluation.protocol import SHARP, check_pairs, identify_embeddings, verify_embeddings
from gdrd_lab.io.paths import commit
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.transforms.degradation import Degradation

Row = tuple[str, float, float, int]  # metric, value, spread and n


class Setting(StrEnum):
    """Which faces are degraded: both, or the probe only, with a native gallery by the recogniser or by its teacher."""

    SAME = "same resolution"
    GALLERY = "sharp gallery"
    TEACHER = "sharp gallery by the teacher"


@dataclass(frozen=True)
class Score:
    """One number, with everything needed to interpret and to reproduce it."""

    method: str  # the recogniser's name
    data: str  # the face set's name
    setting: str  # see ``Setting``
    resolution: int  # of the degraded faces, in pixels
    degradation: dict[str, Any]  # the fields of ``Degradation``
    metric: str  # accuracy, AUC, EER, TAR@FAR=0.001, rank-1, mAP, recall@5 and so on
    value: float  # in [0, 1]; NaN where the data are too few to measure it
    spread: float  # standard error: of folds for accuracy, by bootstrap for AUC, EER and TAR, else clustered by person
    n: int  # comparisons (pairs, probes or queries) behind it; impostor pairs for TAR@FAR
    seed: int  # of degradations, enrolment and bootstrap
    commit: str  # of the code
    seconds: float  # spent embedding the degraded faces and scoring this setting
    samples: int = 0  # faces seen in training, all stages together, where an ablation knows it


@dataclass(frozen=True)
class MetricConfig:
    """What a sweep measures."""

    pairs: Pairs | None = None  # pairs to verify; None leaves verification out
    fars: tuple[float, ...] = (0.01, 0.001)  # false accept rates to report a TAR for
    per_fold: bool = False  # also report the accuracy of each fold of the pairs, to pair the folds of two methods
    both_ways: bool = False  # with a sharp gallery, also score each pair with its faces exchanged
    identification: bool = False  # measure rank-k; one face of each identity is enrolled
    distractors: bool = False  # enrol identities with a single face instead of raising an error
    retrieval: bool = False  # measure mAP and recall@k
    all_pairs: bool = False  # measure TAR at FARs down to 1e-5 on all pairs of the set
    open_set: bool = False  # measure TPIR at FPIRs; half of the identities are not enrolled
    ks: tuple[int, ...] = (1, 5)  # the k of rank-k and recall@k
    bootstrap: int = 100  # resamplings for the spread of AUC, EER and TAR@FAR; with 0 it is NaN


def resolutions(sizes: Iterable[int], base: Degradation = SHARP) -> list[Degradation]:
    """Return one degradation per resolution in ``sizes`` (pixels), otherwise like ``base``."""
    return [replace(base, resolution=size) for size in sizes]


def severities(base: Degradation, name: str, values: Iterable[float]) -> list[Degradation]:
    """Return one degradation per value of the field ``name`` (such as "occlusion"), otherwise like ``base``."""
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

    ``options.seed`` is that of degradations, enrolment and bootstrap too. With ``options.flip`` the methods' names end
    in ", flips averaged". ``teacher`` embeds the gallery of ``Setting.TEACHER``, which only its own students have.
    """
    seed = options.seed
    enrolment = _prepare(recognisers, dataset, degradations, metrics, seed)
    labels, code, scores = np.asarray(dataset.labels), commit(), []
    known: dict[tuple[type, str], Array] = {}  # another class of the same name is another network

    def hr(recogniser: Recogniser) -> Array:
        key = (type(recogniser), recogniser.name)
        if key not in known:
            known[key] = embed_all(recogniser, dataset, SHARP, options)
        return known[key]

    total = len(recognisers) * len(degradations)
    with tqdm(total=total, desc=dataset.name, disable=not options.progress, leave=False) as bar:
        for recogniser in recognisers:
            owners = {Setting.GALLERY: recogniser}
            method = method_name(recogniser, options)
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
    """Raise every error that the inputs allow to foresee; return who is enrolled."""
    measures = metrics.pairs is not None or metrics.identification or metrics.retrieval
    if not recognisers or not degradations or not measures:
        raise GdrdError("There is nothing to measure", "Give recognisers, degradations and at least one measure")
    require_unique_names(recognisers)
    above = sorted({d.resolution for d in degradations if d.resolution is not None and d.resolution > dataset.size})
    if above:
        what = f"The faces of {dataset.name} have {dataset.size} px, too few for {', '.join(map(str, above))} px"
        raise GdrdError(what, f"Choose resolutions up to {dataset.size}")
    labels = np.asarray(dataset.labels)
    enrolment = enrol(labels, seed=seed, distractors=metrics.distractors) if metrics.identification else None
    if metrics.pairs is not None:
        check_pairs(dataset, metrics.pairs)
    constant = np.ones((len(dataset), 1), np.float32)
    _measure(constant, constant, labels, replace(metrics, bootstrap=0), enrolment, seed)
    return enrolment


def method_name(recogniser: Recogniser, options: EmbedOptions) -> str:
    """Return what results call a recogniser."""
    return recogniser.name + (", flips averaged" if options.flip else "")


def require_unique_names(recognisers: Sequence[Recogniser]) -> None:
    """Raise GdrdError if two recognisers have one name, because results are found by it."""
    names = [recogniser.name for recogniser in recognisers]
    if len(set(names)) < len(names):
        remedy = "Set the attribute name of each, or load them with load_models and NAME=PATH"
        raise GdrdError(f"Recognisers share a name: {', '.join(names)}", remedy)


def _measure(
    probe: Array, gallery: Array, labels: Array, metrics: MetricConfig, enrolment: Enrolment | None, seed: int
) -> list[Row]:
    """Score one setting; ``probe`` and ``gallery`` are (N, d) embeddings of all faces."""
    out: list[Row] = []
    if metrics.pairs is not None:
        out += _verification(probe, gallery, metrics.pairs, metrics, seed)
    if enrolment is not None:
        named = identify_embeddings(probe, gallery, labels, enrolment)
        for k in metrics.ks:
            error = clustered_error(named.ranks <= k, named.labels)
            out.append((f"rank-{k}", named.rank_k(k), error, len(named.ranks)))
    if metrics.all_pairs:
        fars = (1e-3, 1e-4, 1e-5)
        rates, impostors = verification.tar_at_far_of_all_pairs(probe, gallery, labels, fars)
        out += [(f"all pairs, TAR@FAR={far:g}", *rate, impostors) for far, rate in zip(fars, rates, strict=True)]
    if metrics.open_set:
        out += _open_set(probe, gallery, labels, seed)
    if metrics.retrieval:
        found = retrieve(probe, gallery, labels)
        people = labels[found.queries]
        precision = found.average_precision
        out.append(("mAP", found.mean_average_precision, clustered_error(precision, people), len(people)))
        for k in metrics.ks:
            error = clustered_error(found.first_rank <= k, people)
            out.append((f"recall@{k}", found.recall(k), error, len(people)))
    return out


def _open_set(probe: Array, gallery: Array, labels: Array, seed: int) -> list[Row]:
    """Enrol one face of half of the identities; the others' faces are the non-mated probes."""
    people = np.unique(labels[labels >= 0])
    enrolled = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
    task = enrol(np.where(np.isin(labels, enrolled), labels, -1), seed=seed, distractors=True)
    strangers = (labels >= 0) & ~np.isin(labels, enrolled)
    mated = probe[task.probes], labels[task.probes], probe[strangers]
    fpirs = (0.1, 0.01)
    hits = identified(*mated, gallery[task.gallery], labels[task.gallery], fpirs, rank=1)
    return [
        (f"TPIR@FPIR={fpir:g}", float(hit.mean()), clustered_error(hit, mated[1]), len(hit))
        for fpir, hit in zip(fpirs, hits, strict=True)
    ]


def _verification(probe: Array, gallery: Array, pairs: Pairs, metrics: MetricConfig, seed: int) -> list[Row]:
    result = verify_embeddings(probe, gallery, pairs, fars=metrics.fars, both_ways=metrics.both_ways)
    scores, genuine = result.scores, result.genuine

    def error(statistic: Any) -> float:
        values = verification.bootstrap(statistic, scores, genuine, samples=metrics.bootstrap, seed=seed)
        return verification.spread(values)

    out: list[Row] = [
        ("accuracy", result.accuracy.mean, result.accuracy.standard_error, len(scores)),
        ("AUC", result.auc, error(verification.auc), len(scores)),
        ("EER", result.eer, error(verification.eer), len(scores)),
    ]
    if metrics.per_fold:
        sizes = np.unique(pairs.fold, return_counts=True)[1] * (len(scores) // len(pairs.fold))
        folds = enumerate(zip(result.accuracy.per_fold.tolist(), sizes.tolist(), strict=True), 1)
        out += [(f"accuracy, fold {number}", value, np.nan, size) for number, (value, size) in folds]
    for far, tar in zip(result.fars, result.tar_at_far.tolist(), strict=True):
        spread = np.nan if np.isnan(tar) else error(lambda s, g, far=far: verification.tar_at_far(s, g, [far])[0])
        out.append((f"TAR@FAR={far:g}", tar, spread, int((~genuine).sum())))
    return out

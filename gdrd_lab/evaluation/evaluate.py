"""Evaluation in one call: recognisers, faces and resolutions in, a table of scores out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gdrd_lab.datasets.base import FaceDataset, identities_of, subset
from gdrd_lab.datasets.embed import EmbedOptions
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.datasets.registry import open_pairs
from gdrd_lab.datasets.split import overlap, set_names, split_records
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.discard import discard_scores
from gdrd_lab.evaluation.photographs import verify_photographs
from gdrd_lab.evaluation.protocol import SHARP
from gdrd_lab.evaluation.results import Scores, collect
from gdrd_lab.evaluation.sweep import MetricConfig, Setting, sweep
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.degradation import Degradation


def evaluate(
    recognisers: Recogniser | Sequence[Recogniser],
    dataset: FaceDataset,
    resolutions: Sequence[int] = (8, 16, 32, 112),
    *,
    degradation: Degradation = SHARP,
    further: Sequence[Degradation] = (),
    settings: Sequence[Setting | str] = (Setting.SAME, Setting.GALLERY),
    pairs: Pairs | None = None,
    unseen: bool = False,
    identification: bool = False,
    retrieval: bool = False,
    all_pairs: bool = False,
    open_set: bool = False,
    quality: bool = False,
    photographs: FaceDataset | None = None,
    options: EmbedOptions = EmbedOptions(),
) -> Scores:
    """Score recognisers on a face set at several resolutions.

    Args:
        recognisers: one, or several with different names. Your own needs ``name``, ``embedding_size`` and
            ``embed(faces)``, which turns faces (N, 3, H, W), RGB in [0, 1], into embeddings (N, embedding_size).
        dataset: N aligned faces with identities.
        resolutions: in pixels; those above the size of the faces are left out, and a note says so.
        degradation: what else happens to the faces at every resolution; its own resolution is not used.
        further: degradations to measure after them.
        settings: which of the two faces is degraded; a ``Setting`` or its name in lower case: "same", "gallery" or
            "teacher" (for students of SFace).
        pairs: pairs to verify; None takes View 2 for LFW, the file's own pairs for a .bin file, and otherwise random
            pairs in up to 10 folds.
        unseen: leave out the people that a student was trained on, as far as its metadata record them.
        identification: also measure rank-1 and rank-5.
        retrieval: also measure mean average precision and recall@k.
        all_pairs: also measure TAR at FARs of 1e-3, 1e-4 and 1e-5 on all pairs of the set.
        open_set: also measure open-set identification: TPIR at FPIRs, half of the identities being enrolled.
        quality: also measure the false non-match rate as the pairs of lowest quality are discarded.
        photographs: the same faces as photographs that are not aligned; also measure accuracy and detection rate where
            the whole photograph is reduced before its face is found and aligned.
        options: how the faces are embedded; its seed is that of pairs, degradations and bootstrap too.

    Returns:
        Scores that print as a table; ``to_frame()`` gives a DataFrame, ``save(path)`` writes JSON and CSV.

    Raises:
        GdrdError: the data cannot answer a measure, names repeat, or embeddings are not finite.

    Example:
        >>> from gdrd_lab.datasets.embed import QUIET
        >>> from gdrd_lab.datasets.synthetic import synthetic_faces
        >>> from gdrd_lab.models.registry import load_model
        >>> scores = evaluate(load_model("student"), synthetic_faces(10, 2), [8, 16], options=QUIET)
        >>> sorted({score.resolution for score in scores if score.metric == "accuracy"})
        [8, 16]
    """
    several = list(recognisers) if isinstance(recognisers, Sequence) else [recognisers]
    if unseen:
        dataset = unseen_part(several, dataset)
    sizes = [size for size in dict.fromkeys(resolutions) if size <= dataset.size]
    above = ", ".join(map(str, sorted(set(resolutions) - set(sizes))))
    known = {name: member for member in Setting for name in (member.name.lower(), member.value)}
    if unknown := [setting for setting in settings if setting not in known]:
        raise GdrdError(f"There is no setting called {unknown[0]}", "Choose among same, gallery and teacher")
    chosen = [known[setting] for setting in settings]
    teacher = load_model("sface") if Setting.TEACHER in chosen else None
    pairs = open_pairs(dataset, options.seed) if pairs is None else pairs
    which: dict[str, Any] = {"identification": identification, "retrieval": retrieval}
    metrics = MetricConfig(pairs, distractors=True, all_pairs=all_pairs, open_set=open_set, **which)
    degradations = [replace(degradation, resolution=size) for size in sizes or resolutions]
    scores = sweep(several, dataset, [*degradations, *further], metrics, options, settings=chosen, teacher=teacher)
    if quality:
        scores += discard_scores(several, dataset, pairs, sizes, options)
    if photographs is not None:
        same = np.flatnonzero(np.isin(photographs.keys, dataset.keys))
        scores += verify_photographs(several, subset(photographs, same, dataset.name), pairs, sizes, options)
    remarks = overlap_notes(several, dataset, " --unseen (in Python unseen=True) leaves them out.")
    if above:
        remarks.append(f"{above} px left out: the faces of {dataset.name} have {dataset.size} px.")
    return collect(scores, remarks=remarks)


def overlap_notes(recognisers: Sequence[Recogniser], dataset: FaceDataset, remedy: str = "") -> list[str]:
    """Return a sentence for each recogniser that was trained on people of the face set, or may have been."""
    out, total = [], len(np.unique(dataset.labels[dataset.labels >= 0]))
    for recogniser in recognisers:
        metadata = getattr(recogniser, "metadata", {})
        records = split_records(metadata)
        if people := {name for record in records for name in overlap(record, dataset)}:
            out.append(
                f"{recogniser.name}, or what it learned from, was trained on {len(people)} of the {total} people of "
                f"{dataset.name}: its scores do not show how it recognises new people.{remedy}"
            )
        elif not records and set_names(str(metadata.get("data", ""))) & set_names(dataset.name) - {""}:
            out.append(
                f"{recogniser.name} was trained on {metadata['data']} and does not record on which people: its scores "
                f"on {dataset.name} may not show how it recognises new people."
            )
    return out


def unseen_part(recognisers: Sequence[Recogniser], dataset: FaceDataset) -> FaceDataset:
    """Return the faces of people that none of the recognisers records as trained on; unknown people stay."""
    records = split_records(*(getattr(recogniser, "metadata", {}) for recogniser in recognisers))
    seen, names = {name for record in records for name in overlap(record, dataset)}, identities_of(dataset)
    kept = [k for k, label in enumerate(dataset.labels) if label < 0 or names[label] not in seen]
    return dataset if len(kept) == len(dataset) else subset(dataset, kept, f"{dataset.name} (held out)")

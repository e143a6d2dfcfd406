"""The sentence above each results table, computed from the scores in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import hypot, isnan

from gdrd_lab.evaluation.benchmarks import Metric
from gdrd_lab.evaluation.failures import Failures
from gdrd_lab.evaluation.metrics.image_quality import QualityRow
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.evaluation.tables import label


def best(scores: Sequence[Score]) -> str:
    """Name the best method at each degradation, and the methods that differ from it by less than two standard errors.

    Degradations at which less than two thirds of the methods were measured are left out.
    """
    methods = {score.method for score in scores}
    columns: dict[str, list[Score]] = {}
    for score in sorted(scores, key=lambda score: score.resolution):
        columns.setdefault(label(score), []).append(score)
    winners: dict[str, list[Score]] = {}
    ties: dict[str, list[Score]] = {}
    for found in columns.values():
        if 3 * len(found) <= 2 * len(methods):
            continue
        first = max(found, key=lambda score: score.value)
        winners.setdefault(first.method, []).append(first)
        for other in found:
            if other is not first and first.value - other.value < _two_errors(first.spread, other.spread):
                ties.setdefault(other.method, []).append(other)
    named = [f"{name} at {_places(found)} ({_percent([s.value for s in found])})" for name, found in winners.items()]
    tied = [f"{name} ({_places(found)})" for name, found in ties.items()]
    within = f" Within two standard errors of the best: {listed(tied)}." if tied else ""
    return f"Best: {listed(named)}.{within}"


def change(scores: Sequence[Score], others: Sequence[Score]) -> str:
    """Say how many points each method gains over ``others``, the same methods without mirror images."""
    parts, errors = [], [0.0]
    for score in scores:
        name = score.method.removesuffix(", flips averaged")
        plain = next((other for other in others if (other.method, label(other)) == (name, label(score))), None)
        if plain is not None:
            parts.append(f"{100 * (score.value - plain.value):+.1f} points for {name} at {label(score)}")
            errors.append(_two_errors(score.spread, plain.spread))
    if not parts:
        return best(scores)
    return f"{listed(parts)}. Two standard errors of such a difference are at most {100 * max(errors):.1f} points."


def loss(scores: Sequence[Score], name: str) -> str:
    """Say what the strongest degradation of a kind (a field of ``Degradation``) costs each method."""
    ends: dict[str, list[Score]] = {}
    for score in scores:
        ends.setdefault(score.method, []).append(score)
    parts = [
        f"{100 * (found[-1].value - found[0].value):+.1f} points for {method}, to {100 * found[-1].value:.1f} %"
        for method, found in ends.items()
    ]
    return f"At {name} {scores[-1].degradation[name]:g}: {'; '.join(parts)}."


def cameras(scores: Sequence[Score]) -> str:
    """Name the best method through each camera, and what the camera costs against the clean one."""
    clean = {(s.method, s.resolution): s.value for s in scores if s.degradation["camera"] == "clean"}
    parts = []
    for camera in dict.fromkeys(score.degradation["camera"] for score in scores):
        found = [s for s in scores if s.degradation["camera"] == camera]
        text = best([replace(s, degradation=s.degradation | {"camera": "clean"}) for s in found])
        parts.append(f"{camera.capitalize()} camera, b{text[1:]}")
        lost: dict[str, list[float]] = {}
        for score in found:
            if (score.method, score.resolution) in clean:
                lost.setdefault(score.method, []).append(100 * (clean[score.method, score.resolution] - score.value))
        if lost and camera != "clean":
            costs = [f"{name} {min(points):.1f} to {max(points):.1f} points" for name, points in lost.items()]
            parts.append(f"It costs {listed(costs)}.")
    return " ".join(parts)


def rates(scores: Sequence[Score]) -> str:
    """Name the best method at the lowest false rate of each kind, through the clean camera."""
    lowest: dict[str, list[Score]] = {}
    for score in scores:
        if score.degradation["camera"] == "clean" and not isnan(score.value):
            lowest.setdefault(score.metric, []).append(score)
    kinds = {name.split("=")[0]: name for name in sorted(lowest, key=lambda name: -float(name.split("=")[1]))}
    parts = (f"{name} (n = {lowest[name][0].n:,}), b{best(lowest[name])[1:]}" for name in kinds.values())
    return " ".join(["With the clean camera:", *parts])


def discarded(rows: Mapping[str, Mapping[float, Score]]) -> str:
    """Say how the errors of each row {percent discarded: score} change where a fifth of the pairs is discarded."""
    parts = [
        f"from {100 * found[0].value:.1f} to {100 * found[20].value:.1f} % for {name}" for name, found in rows.items()
    ]
    return f"Discarding 20 % changes the rejected genuine pairs {listed(parts)}."


def benchmark(methods: Mapping[str, Sequence[Metric]]) -> str:
    """Name the best methods by each metric of a benchmark; metrics of its subsets are left out."""
    parts = []
    for name in dict.fromkeys(one.name for found in methods.values() for one in found if "subset" not in one.name):
        rows = [(one.value, one.spread, m) for m, found in methods.items() for one in found if one.name == name]
        top, error, _ = max(rows)
        near = [method for value, other, method in sorted(rows)[::-1] if top - value <= _two_errors(error, other)]
        parts.append(f"{name.removeprefix('rank-1, ')}: {listed(near, 'or')} ({100 * top:.1f} %)")
    return f"Best: {'; '.join(parts)}. Methods within two standard errors of the best are named with it."


def people(rows: Mapping[str, Mapping[str, Metric]]) -> str:
    """Say in which groups each method errs least and most, from {group: {"method, FMR": metric}}; the first is all."""
    parts = []
    for rate in dict.fromkeys(name for found in rows.values() for name in found):
        ordered = sorted((found[rate].value, group) for group, found in list(rows.items())[1:] if rate in found)
        ends = (f"{100 * value:.2f} % for {group}" for value, group in (ordered[0], ordered[-1]))
        parts.append(f"{rate}: {' to '.join(ends)}")
    return f"{'; '.join(parts)}."


def ablated(rows: Mapping[str, Mapping[str, Metric]], baselines: Sequence[str]) -> str:
    """Name the best trained rows, and the best of the models that were not trained here."""
    parts = []
    trained = [name for name in rows if name not in baselines]
    for kind, names in (("rows trained here", trained), ("baselines", [name for name in rows if name in baselines])):
        columns = dict.fromkeys(column for name in names for column in rows[name])
        winners: dict[str, list[float]] = {}
        for column in columns:
            value, winner = max((rows[name][column].value, name) for name in names if column in rows[name])
            winners.setdefault(winner, []).append(value)
        named = [
            f"{name}, in {len(values)} of {len(columns)} columns ({_percent(sorted({min(values), max(values)}), 'to')})"
            for name, values in winners.items()
        ]
        if named:
            parts.append(f"Best of the {kind}: {'; '.join(named)}.")
    return " ".join(parts)


def super_resolved(rows: Sequence[QualityRow]) -> str:
    """Say which methods are nearest to the high-resolution face by each measure at each resolution."""
    parts = []
    for resolution in dict.fromkeys(row.resolution for row in rows):
        winners: dict[str, list[str]] = {}
        chosen = [row for row in rows if row.resolution == resolution]
        for measure, sign in {"PSNR": 1, "SSIM": 1, "identity": 1, "KID": -1}.items():
            name = measure.lower()
            if any(getattr(row.quality, name) is None for row in chosen):
                continue
            found = [(sign * getattr(r.quality, name), getattr(r.quality, f"{name}_spread"), r.method) for r in chosen]
            top, spread, _ = max(found)
            near = [name for value, other, name in found if value == top or top - value < _two_errors(spread, other)]
            winners.setdefault(" or ".join(near), []).append(measure)
        best_by = [f"{names} by {listed(measures)}" for names, measures in winners.items()]
        parts.append(f"at {resolution} px {listed(best_by)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def cheaper(work: Mapping[str, float], speeds: Mapping[str, float]) -> str:
    """Say how each method compares with the first in ``work`` (multiply-adds) and ``speeds`` (images per second)."""
    (first, full), *others = work.items()
    parts = [
        f"{name}: {100 * cost / full:.0f} % of its multiply-adds, {speeds[name] / speeds[first]:.1f} times its images/s"
        for name, cost in others
    ]
    return f"{'; '.join(parts)}."


def taught(found: Mapping[str, Mapping[str, Mapping[int, tuple[float, float]]]]) -> str:
    """Say where rows with L_gen differ, from {reference: {row: {resolution: (mean difference, half interval)}}}."""
    lead, parts = "", []
    for reference, rows in found.items():
        kinds: dict[str, dict[str, dict[int, float]]] = {}
        for row, sizes in rows.items():
            name = re.sub("L_gen, |, then [^,]*", "", row)  # frozen or not, and the teacher
            for size, (mean, reach) in sizes.items() if row.startswith("L_gen") else ():
                kind = ("it hurts", "no difference can be told", "it helps")[1 + (mean > reach) - (-mean > reach)]
                kinds.setdefault(kind, {}).setdefault(name, {})[size] = 100 * mean
        texts = []
        for kind, where in sorted(kinds.items()):
            points = [value for values in where.values() for value in values.values()]
            ends = " to ".join(dict.fromkeys(f"{value:+.1f}" for value in (min(points), max(points))))
            places = "; ".join(f"{name} at {listed([*map(str, values)])} px" for name, values in where.items())
            texts.append(f"{kind} ({places}: {ends} points)")
        if texts:
            some = ("In part" if texts[1:] else "Yes") if "it helps" in kinds else ""
            lead = lead or some or ("No" if "it hurts" in kinds else "Not measurably")
            parts.append(f"against {reference} {listed(texts)}")
    unknown = "This cannot be told: it takes a row with L_gen and one that it is compared with, two seeds of each."
    return f"{lead}: {'; '.join(parts)}." if parts else unknown


def failed(found: Failures) -> str:
    """Say how many pairs are decided wrongly, and how the scores agree with the reference models'."""
    agreement = listed([f"{value:.3f} with {name}" for name, value in found.agreement.items()])
    share = 100 * found.errors / found.pairs
    return (
        f"{found.errors} of {found.pairs} ({share:.1f} %); the hardest are listed. The rank correlation of its scores "
        f"with those of the reference models on native faces is {agreement}."
    )


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Join parts as English does: "a, b and c"."""
    return f" {word} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _two_errors(first: float, second: float) -> float:
    """Return two standard errors of a difference; an unknown error counts as 0."""
    return 2 * hypot(*(0 if isnan(error) else error for error in (first, second)))


def _places(scores: Sequence[Score]) -> str:
    """Name the degradations of some scores: "8 and 16 px"."""
    labels = [label(score) for score in scores]
    short = [text.removesuffix(" px") for text in labels]
    return f"{listed(short)} px" if all(text.isdecimal() for text in short) else listed(labels)


def _percent(values: Sequence[float], word: str = "and") -> str:
    return listed([f"{100 * value:.1f}" for value in values], word) + " %"

"""The section of the results page on what the student was meant to reach, with what it missed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gdrd_lab.evaluation.benchmarks import read_benchmark
from gdrd_lab.evaluation.photographs import SETTING
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.reports.markdown import answered, grid, scores_of
from gdrd_lab.transforms.degradation import Degradation

STUDENT, TEACHER = "student", "SFace"
LFW = {8: 0.865, 16: 0.948}
BELOW_TEACHER = {32: 0.015, 112: 0.015}  # at most so much below the teacher's accuracy on LFW
DEGRADED = {
    "noise": (0.1, 0.78), "jpeg": (20, 0.78), "blur": (4, 0.88), "illumination": (0.8, 0.83), "occlusion": (0.3, 0.76)
}  # fmt: skip
YALEB = {"sharp": 0.93, "16 px": 0.65}
LOW_ALIGNED = 0.02  # at most so much is lost on photographs that are aligned at 16 px


def aims(found: Mapping[str, Sequence[Path]]) -> str:
    """Return a table of the aims whose result files there are ("" without any), given as {section: its files}."""
    rows = [row for part in (_lfw, _degraded, _yaleb, _photographs) for row in part(found)]
    if not rows:
        return ""
    lines = [
        [what, f"{100 * aim:.1f}", f"{100 * value:.1f} ± {100 * spread:.1f}", "met" if value >= aim else "missed"]
        for what, aim, value, spread in rows
    ]
    missed = sum(line[-1] == "missed" for line in lines)
    answer = (
        f"{len(lines) - missed} of {len(lines)} aims were met. They were set before the student was trained for "
        "cameras. [MODELS.md](MODELS.md) says what was tried."
    )
    table = grid(["%", "aim, at least", "measured", "result"], lines)
    return answered("What should the student reach, and does it?", answer, table)


Row = tuple[str, float, float, float]  # what, aim, measured, standard error


def _scores(files: Sequence[Path]) -> list[Score]:
    return [score for score in scores_of(files) if score.metric == "accuracy"]


def _at(scores: Sequence[Score], method: str, how: Degradation, setting: str = Setting.SAME) -> Score | None:
    place = method, asdict(how), setting
    return next((s for s in scores if (s.method, s.degradation, s.setting) == place), None)


def _lfw(found: Mapping[str, Sequence[Path]]) -> Iterator[Row]:
    scores = _scores(found["lfw.json"])
    for size in (*LFW, *BELOW_TEACHER):
        student, teacher = (_at(scores, name, Degradation(size)) for name in (STUDENT, TEACHER))
        if student and size in LFW:
            yield f"LFW, {size} px", LFW[size], student.value, student.spread
        elif student and teacher:
            what = f"LFW, {size} px: {TEACHER} less {100 * BELOW_TEACHER[size]:.1f} points"
            yield what, teacher.value - BELOW_TEACHER[size], student.value, student.spread


def _degraded(found: Mapping[str, Sequence[Path]]) -> Iterator[Row]:
    scores = _scores(found["robustness.json"])
    for name, (severity, aim) in DEGRADED.items():
        if score := _at(scores, STUDENT, Degradation(16, **{name: severity})):  # type: ignore[arg-type]
            yield f"Held-out people, 16 px, {name} {severity:g}", aim, score.value, score.spread


def _yaleb(found: Mapping[str, Sequence[Path]]) -> Iterator[Row]:
    for metric in read_benchmark(*found["yaleb.json"]).get(STUDENT, []):
        if (aim := YALEB.get(metric.name.removeprefix("rank-1, "))) is not None:
            yield f"Extended Yale B, rank-1, {metric.name.removeprefix('rank-1, ')}", aim, metric.value, metric.spread


def _photographs(found: Mapping[str, Sequence[Path]]) -> Iterator[Row]:
    scores, place = _scores(found["photographs.json"]), (STUDENT, SETTING, 16)
    for low in [score for score in scores if (score.method, score.setting, score.resolution) == place]:
        if full := _at([score for score in scores if score.data == low.data], STUDENT, Degradation(16)):
            what = f"{low.data}, aligned at 16 px: less {100 * LOW_ALIGNED:.1f} points than at full resolution"
            yield what, full.value - LOW_ALIGNED, low.value, low.spread

"""The ablation that ships in data/results, row by row and seed by seed, for lesson 6."""

from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Score, Setting
from gdrd_lab.io.paths import data_folder
from gdrd_lab.reports.markdown import files_of


def ablation_scores() -> list[Score]:
    """Return the scores of every shipped ablation file."""
    return [score for file in files_of(data_folder() / "results" / "ablation.json") for score in read_json(file)]


def ablation_runs(
    resolution: int = 16, metric: str = "accuracy", setting: Setting = Setting.SAME
) -> dict[str, dict[int, float]]:
    """Return {row: {seed: score}} of the rows that were trained with several seeds; the others are baselines."""
    runs: dict[str, dict[int, float]] = {}
    for score in ablation_scores():
        if (score.resolution, score.metric, score.setting) == (resolution, metric, setting):
            runs.setdefault(score.method, {})[score.seed] = score.value
    return {name: values for name, values in runs.items() if len(values) > 1}

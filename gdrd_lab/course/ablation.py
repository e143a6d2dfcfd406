"""The ablation that ships in data/results, row by row and seed by seed, for lesson 6."""

from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Setting
from gdrd_lab.io.paths import data_folder
from gdrd_lab.reports.markdown import files_of


def ablation_runs(resolution: int = 16, metric: str = "accuracy") -> dict[str, dict[int, float]]:
    """Return {row: {seed: score}}, both faces at a resolution, of the rows that were trained with several seeds."""
    runs: dict[str, dict[int, float]] = {}
    for score in (s for file in files_of(data_folder() / "results" / "ablation.json") for s in read_json(file)):
        if (score.resolution, score.metric, score.setting) == (resolution, metric, Setting.SAME):
            runs.setdefault(score.method, {})[score.seed] = score.value
    return {name: values for name, values in runs.items() if len(values) > 1}

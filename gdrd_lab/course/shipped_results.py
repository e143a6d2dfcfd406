"""The results that ship in data/results, for lesson 6: the ablation run by run, scores, and metrics of benchmarks."""

from gdrd_lab.evaluation.benchmarks import Metric, read_benchmark
from gdrd_lab.evaluation.sweep import Score
from gdrd_lab.io.paths import data_folder
from gdrd_lab.reports.ablation import runs_of
from gdrd_lab.reports.markdown import files_of, scores_of


def shipped_scores(name: str) -> list[Score]:
    """Return the scores of the result files of a name, such as "lfw", "robustness" or "ablation"."""
    return scores_of(files_of(data_folder() / "results" / f"{name}.json"))


def shipped_metrics(name: str) -> dict[str, list[Metric]]:
    """Return {method: metrics} of the result files of a benchmark, "yaleb" or "utkface"."""
    return read_benchmark(*files_of(data_folder() / "results" / f"{name}.json"))


def ablation_runs(
    resolution: int = 16, metric: str = "accuracy", name: str = "ablation"
) -> dict[str, dict[int, list[float]]]:
    """Return {row: {seed: [score]}}, both faces at a resolution, of rows with several seeds in the files of a name."""
    runs = runs_of(shipped_scores(name), resolution, metric)
    return {row: values for row, values in runs.items() if len(values) > 1}

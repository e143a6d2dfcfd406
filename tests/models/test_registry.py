"""What `list_models` says is what the results files and the networks say."""

import pytest

from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Setting
from gdrd_lab.experiments.benchmark.cost import multiply_adds, parameter_count
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.diffusion.pipeline import load_generative
from gdrd_lab.models.registry import list_models, load_model, shipped_generative

METHODS = {"sface": "SFace", "paper-student": "student, paper recipe", "super-resolved": "SFace on super-resolved"}


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_scores_are_those_of_the_results(model) -> None:
    scores = [s for file in sorted((data_folder() / "results").glob("lfw-*.json")) for s in read_json(file).scores]
    measured = {
        score.resolution: score.value
        for score in scores
        if (score.method, score.metric, score.setting)
        == (METHODS.get(model.name, model.name), "accuracy", Setting.SAME)
    }
    assert set(model.lfw) == set(measured) & {8, 16, 32, 112}
    assert all(abs(model.lfw[size] - measured[size]) < 0.0005001 for size in model.lfw)


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_cost_is_the_network_s(model) -> None:
    network = load_model("sface" if model.name == "super-resolved" else model.name)
    size = {"dlib": 150, "super-resolved": 112}.get(model.name, 16)
    parameters, work = parameter_count(network), multiply_adds(network, size)
    if model.name == "super-resolved":
        pipeline = load_generative(shipped_generative())
        side = pipeline.size // pipeline.unshuffle
        parameters += parameter_count(pipeline.unet)
        work += multiply_adds(pipeline.unet, (6 * pipeline.unshuffle**2, side, side), 0)
    assert model.parameters == pytest.approx(parameters / 1e6, rel=0.005)
    assert model.multiply_adds == pytest.approx(work / 1e6, rel=0.001)


def test_the_list_prints_as_a_table_with_a_row_for_each_model() -> None:
    rows = repr(list_models()).splitlines()
    assert [row.split()[0] for row in rows] == ["name", *(model.name for model in list_models())]
    assert rows[1].split()[1:11] == ["8-32", "px", "7.1", "M", "84", "M", "86.7", "95.1", "96.4", "96.2"]

"""The model cards: their headings, and recorded commands that the command line still takes."""

import json
import re
import shlex

import pytest

from gdrd_lab.cli import parser
from gdrd_lab.io.paths import data_folder
from gdrd_lab.training.recipes import load_recipe, override

HEADINGS = ["Intended use", "Training data", "Training procedure", "Evaluation", "Limitations"]
RUNS = {name: card for name, card in json.loads((data_folder() / "MODELS.json").read_text()).items() if name != "about"}
COMMANDS = [run["command"] for card in RUNS.values() for run in card["runs"]]


def test_every_card_has_the_usual_headings_in_their_order() -> None:
    cards = re.split(r"^## ", (data_folder() / "MODELS.md").read_text(), flags=re.MULTILINE)[1:]
    assert len(cards) == 5
    for card in cards:
        assert re.findall(r"^### (.*)", card, flags=re.MULTILINE) == HEADINGS, card[:40]
    assert re.findall(r"^## (.*)", (data_folder() / "FACE_MODEL.md").read_text(), flags=re.MULTILINE) == HEADINGS


def test_every_shipped_model_has_its_runs_recorded() -> None:
    folders = {file.parent for file in data_folder().rglob("*.safetensors") if file.parent != data_folder()}
    assert {folder.relative_to(data_folder()).parts[0] for folder in folders} | {"fine-tuned", "face_model"} == set(
        RUNS
    )


@pytest.mark.parametrize("command", [command for command in COMMANDS if "synthetic_faces" not in command])
def test_recorded_commands_are_valid(command: str) -> None:
    """Every option and every setting exists in this version."""
    words = shlex.split(re.sub(r"^(gdrd|torchrun .* -m gdrd_lab) ", "", command))
    arguments = parser().parse_args(words)
    if words[0] == "train":
        override(load_recipe(arguments.config), arguments.set)


@pytest.mark.parametrize("name", ["student", "student-paper", "assistant"])
def test_the_last_run_is_what_the_weights_say(name: str) -> None:
    last = [run for run in RUNS[name]["runs"] if "steps" in run][-1]
    metadata = json.loads((data_folder() / name / "facts.json").read_text())
    loop = metadata["config"]["loop"]
    assert (last["steps"], last["batch_size"], last["seed"]) == (loop["steps"], loop["batch_size"], metadata["seed"])
    assert all(run["samples"] == run["steps"] * run["batch_size"] for run in RUNS[name]["runs"] if "samples" in run)
    card = (data_folder() / "MODELS.md").read_text()
    assert f"{metadata['faces']:,} " in card

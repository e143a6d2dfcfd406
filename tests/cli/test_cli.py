"""The command line: help without heavy imports, one-line errors, and the whole path at the smallest size."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gdrd_lab.cli import COMMANDS, evaluate, main, parser
from gdrd_lab.datasets.embedding_file import read_embeddings
from gdrd_lab.datasets.folder import write_faces
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.evaluation.results import read_json
from gdrd_lab.evaluation.sweep import Setting
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.camera import PRESETS


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_or_parsing_loads_nothing_heavy() -> None:
    heavy = {"torch", "diffusers", "cv2", "sklearn", "gradio", "matplotlib", "onnx", "pandas"}
    assert not heavy & loaded_by("import gdrd_lab")
    assert not heavy & loaded_by("from gdrd_lab.cli import parser; parser()")


@pytest.mark.parametrize("command", ["", *(module.__name__.rsplit(".", 1)[1] for module in COMMANDS)])
def test_help_reads(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parser().parse_args([*command.split(), "--help"])
    assert stop.value.code == 0
    assert "usage: gdrd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["evaluate", "--data", "/nowhere"], "no faces named /nowhere"),
        (["evaluate", "--resolutions", "2"], "resolution=2 is out of range"),
        (["evaluate", "--methods", "nobody"], "'nobody' is neither a recogniser nor a folder"),
        (["train", "all", "--config", "huge"], "'huge' is not a recipe"),
        (["train", "all", "--set", "head.x=1"], "sets nothing"),
        (["train", "all", "--init-from", "data/student"], "--init-from cannot be used with all"),
    ],
)
def test_errors_are_one_line_with_a_remedy(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GDRD_FACES", raising=False)
    assert main([*argv, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gdrd: ") and message in error and error.count("\n") == 1


def test_sample_embed_and_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_faces(synthetic_faces(identities=3, per_identity=2, size=112), tmp_path / "faces")
    out = tmp_path / "out" / "e.parquet"
    assert main(["embed", str(tmp_path / "faces"), str(out), "--model", "sface", "--resolution", "16"]) == 0
    keys, identities, embeddings, metadata = read_embeddings(out)
    assert len(keys) == 6 and list(identities) == [0, 0, 1, 1, 2, 2]
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert metadata["model"] == "SFace" and metadata["resolution"] == "16"
    assert main(["faces", "info", str(tmp_path / "faces")]) == 0
    assert "identities" in capsys.readouterr().out


def test_evaluate_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [
        "evaluate",
        "--methods",
        "student",
        "--resolutions",
        "16",
        "--settings",
        "same",
        "--out",
        str(tmp_path / "r"),
        "--quiet",
    ]
    assert main(argv) == 0
    report = read_json(tmp_path / "r.json")
    accuracy = next(score for score in report.scores if score.metric == "accuracy")
    assert 0.5 < accuracy.value <= 1 and accuracy.n > 100
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    assert accuracy.commit.rstrip("+") == head[:12]
    assert f"{accuracy.value * 100:.2f}" in capsys.readouterr().out
    assert (tmp_path / "r.csv").exists()


def test_train_all_smoke_then_its_student_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    steps = [f"{stage}.loop.steps=2" for stage in ("generative", "backbone", "head")]
    run = tmp_path / "run"
    assert main(["train", "all", "--config", "smoke", "--out", str(run), "--quiet", "--set", *steps]) == 0
    assert (run / "student" / "student.safetensors").exists()
    assert (
        main(["train", "all", "--config", "smoke", "--out", str(run), "--quiet", "--seed", "5", "--set", *steps]) == 2
    )


def test_torchrun_takes_no_option_of_ours_for_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    from torch.distributed.run import get_args_parser

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    options = sorted(set(re.findall(r"(?<![\w-])--[a-z-]+", capsys.readouterr().out)) - {"--help"})
    assert {"--init-from", "--assistant", "--validation-split", "--out"} <= set(options)
    for option in options:
        argv = ["train", "head", option, "1"]
        told = get_args_parser().parse_args(["--standalone", "--nproc-per-node", "2", "-m", "gdrd_lab", *argv])
        assert told.training_script_args == argv, option


def test_best_recipe_learns_from_the_shipped_assistant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path / "cache"))
    write_faces(synthetic_faces(identities=4, per_identity=2, size=112), tmp_path / "faces")
    sizes = [f"{stage}.loop.{name}" for stage in ("stem", "head") for name in ("steps=1", "batch_size=4")]
    argv = ["train", "head", "--config", "best", "--data", str(tmp_path / "faces"), "--out", str(tmp_path / "run")]
    assert main([*argv, "--quiet", "--set", "stem.measured=1", *sizes]) == 0
    losses = (tmp_path / "run/checkpoints/head/losses.csv").read_text().splitlines()[0].split(",")
    assert {"kd", "assistant"} <= set(losses)


def test_doctor_finds_the_shipped_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for line in ("SFace", "YuNet", "student (shipped)", "synthetic faces"):
        assert line in out


def test_a_folder_whose_name_holds_a_dot_is_a_folder(tmp_path: Path) -> None:
    for name in ("run-0.1", "run-0.2"):
        assert main(["export", "student", str(tmp_path / name), "--name", name]) == 0
    assert [load_model(str(tmp_path / name)).name for name in ("run-0.1", "run-0.2")] == ["run-0.1", "run-0.2"]


def test_weights_of_two_students_are_averaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["export", "student", str(tmp_path / "mean"), "--average-with"]
    assert main([*argv, "student", "--share", "0.7"]) == 0
    assert load_model(str(tmp_path / "mean")).metadata["averaged"] == {"with": "student", "share": 0.7}
    assert main([*argv, "sface"]) == 2
    assert "Only weights of two students can be averaged" in capsys.readouterr().err


def test_choices_that_are_repeated_to_keep_torch_away_are_the_library_s() -> None:
    assert {"clean", *evaluate.CAMERAS} == set(PRESETS)
    assert {*evaluate.SETTINGS} == {member.name.lower() for member in Setting}

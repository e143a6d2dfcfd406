"""A run is continued only with the inputs and settings that it began with, and one training writes to a folder."""

import csv
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import workers
from helpers.drawn_faces import save

from gdrd_lab.cli import main
from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.split import split_identities, split_record
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import pipeline, recipes
from gdrd_lab.training.config import LoopConfig, Recipe
from gdrd_lab.training.data import Batch, StepBatches
from gdrd_lab.training.preemption import Preempted, catch_sigterm
from gdrd_lab.training.run import RunOptions, exclusive
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.training.stages.diffusion import build_pipeline
from gdrd_lab.training.trainer import run
from gdrd_lab.transforms.augmentation import AugmentConfig

SHAPE = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)


class Teacher:
    name, embedding_size = "flat", 128

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(pixels.flatten(1)[:, :128] - 0.5, dim=1)


def noise(seed: int) -> ArrayFaces:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 16, 3), np.uint8)
    return ArrayFaces(pixels, np.arange(12) % 4, name="noise")


@pytest.fixture(scope="module")
def faces() -> ArrayFaces:
    return noise(0)


def short(**changes: Any) -> Recipe:
    loop = LoopConfig(1, 4, 1e-3, ema=0.0, **changes)
    smoke = recipes.smoke()
    parts: dict[str, Any] = {
        "generative": replace(smoke.generative, loop=loop, size=16, channels=(16, 16)),
        "backbone": replace(smoke.backbone, loop=loop),
        "head": replace(smoke.head, loop=loop, queue=0),
    }
    parts = {name: replace(config, resolutions=(8,)) for name, config in parts.items()}
    return replace(smoke, student=SHAPE, **parts)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two generative teachers of one shape."""
    folder = tmp_path_factory.mktemp("teachers")
    for seed in range(2):
        torch.manual_seed(seed)
        build_pipeline(short().generative).save_pretrained(folder / str(seed))
    return [folder / "0", folder / "1"]


@pytest.fixture
def trained(faces: ArrayFaces, teachers: list[Path], tmp_path: Path) -> Path:
    """A run with backbone and head."""
    pipeline.train_backbone(short(), faces, tmp_path, teachers[0], False)
    pipeline.train_head(short(), faces, tmp_path, Teacher(), progress=False)
    return tmp_path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return Student.load(folder).state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_another_teacher_and_then_another_backbone_are_refused_until_their_checkpoints_are_deleted(
    faces: ArrayFaces, teachers: list[Path], trained: Path
) -> None:
    backbone, student = weights(trained / "backbone"), weights(trained / "student")
    with pytest.raises(GdrdError, match=r"\(generative\).*delete \S+/checkpoints/backbone to train this stage anew"):
        pipeline.train_backbone(short(), faces, trained, teachers[1], False)
    shutil.rmtree(trained / "checkpoints" / "backbone")
    pipeline.train_backbone(short(), faces, trained, teachers[1], False)
    assert not same(weights(trained / "backbone"), backbone)
    with pytest.raises(GdrdError, match=r"\(start\).*delete \S+/checkpoints/head to train"):
        pipeline.train_head(short(), faces, trained, Teacher(), progress=False)
    assert same(weights(trained / "student"), student)
    shutil.rmtree(trained / "checkpoints" / "head")
    pipeline.train_head(short(), faces, trained, Teacher(), progress=False)
    assert not same(weights(trained / "student"), student)


def test_a_result_whose_stage_is_trained_anew_is_not_used(
    faces: ArrayFaces, teachers: list[Path], trained: Path
) -> None:
    (facts,) = trained.glob("checkpoints/backbone/step-*/facts.json")
    whole = facts.read_text()
    for change in ({"step": 0}, {"inputs": {"generative": "of another teacher"}}):
        facts.write_text(json.dumps(json.loads(whole) | change))
        with pytest.raises(GdrdError, match=r"is not the result of .*Finish that stage first: gdrd train backbone"):
            pipeline.train_head(short(), faces, trained, Teacher(), progress=False)
    facts.write_text(whole)
    pipeline.train_head(short(), faces, trained, Teacher(), progress=False)


def test_a_teacher_of_the_same_weights_in_another_place_is_the_same_run(
    faces: ArrayFaces, teachers: list[Path], trained: Path
) -> None:
    before = weights(trained / "backbone")
    shutil.copytree(teachers[0], trained / "moved")
    pipeline.train_backbone(short(), faces, trained, trained / "moved", False)
    assert same(weights(trained / "backbone"), before)


def test_other_faces_of_the_same_name_and_number_are_refused(teachers: list[Path], trained: Path) -> None:
    for other in (noise(1), ArrayFaces(noise(0).images, np.arange(12) % 3, name="noise")):  # pixels, labels
        with pytest.raises(GdrdError, match=r"settings \(faces"):
            pipeline.train_head(short(), other, trained, Teacher(), progress=False)
    with pytest.raises(GdrdError, match=r"checkpoints/backbone/\S+ was made from .* \(faces\)"):  # before stage 1
        pipeline.train_all(short(), noise(1), trained, Teacher(), False, generative=trained / "nowhere")


def test_another_recogniser_is_refused(faces: ArrayFaces, trained: Path) -> None:
    class Other(Teacher):
        """Of the same name, with other weights."""

        def embed(self, pixels: torch.Tensor) -> torch.Tensor:
            return super().embed(pixels.flip(-1))

    with pytest.raises(GdrdError, match=r"settings \(recogniser\)"):
        pipeline.train_head(short(), faces, trained, Other(), progress=False)


def test_a_checkpoint_without_fingerprints_is_refused(faces: ArrayFaces, trained: Path) -> None:
    (facts,) = trained.glob("checkpoints/head/step-*/facts.json")
    metadata = json.loads(facts.read_text())
    del metadata["inputs"]
    facts.write_text(json.dumps(metadata))
    with pytest.raises(GdrdError, match="earlier version, which did not record its faces"):
        pipeline.train_head(short(), faces, trained, Teacher(), progress=False)


def test_who_was_held_out_is_recorded(faces: ArrayFaces, teachers: list[Path], tmp_path: Path) -> None:
    rest, held_out = split_identities(faces, 0.5)
    record = split_record(rest, held_out, 0.5)
    pipeline.train_backbone(short(), faces, tmp_path, teachers[0], False)
    recipe = short()
    pipeline.train_head(recipe, rest, tmp_path, Teacher(), progress=False, options=RunOptions(split=record))
    metadata = Student.load(tmp_path / "student").metadata
    assert metadata["split"] == record and metadata["split"]["held_out_people"] == 2
    assert [split["trained_people"] for split in metadata["upstream_splits"]] == [4]  # the backbone saw everybody
    assert metadata["inputs"].keys() == {"faces", "recogniser", "assistant", "start"}


def test_a_second_training_into_a_folder_is_refused(
    faces: ArrayFaces, teachers: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdrd_lab.training.run.WAIT_SECONDS", 0.1)
    with exclusive(tmp_path), pytest.raises(GdrdError, match="Another training writes to"):
        pipeline.train_backbone(short(), faces, tmp_path, teachers[0], False)
    pipeline.train_backbone(short(), faces, tmp_path, teachers[0], False)  # free again


@workers.LINUX
def test_the_lock_of_a_killed_training_is_free(tmp_path: Path) -> None:
    process = workers.start(workers.hold, tmp_path)
    workers.wait_for(lambda: (tmp_path / "held").exists())
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with exclusive(tmp_path):
        pass


@workers.LINUX
def test_the_processes_of_one_run_share_its_lock(tmp_path: Path) -> None:
    workers.start_several(2, workers.share_lock, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(faces: ArrayFaces, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GdrdError, match=r"cannot be written \(Not a directory\)"):
        pipeline.train_generative(short(), faces, tmp_path / "file" / "run", False)


def test_a_disk_that_is_full_at_the_start_is_one_line(
    faces: ArrayFaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("accelerate.Accelerator.init_trackers", full)
        with pytest.raises(GdrdError, match=r"No space left on device.*Free disk space"):
            pipeline.train_generative(short(), faces, tmp_path, False)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**20))
    with pytest.raises(GdrdError, match=r"has 1 MB free, and a checkpoint of generative takes \d+ MB.*Free disk space"):
        pipeline.train_generative(short(), faces, tmp_path, False)


def test_l_gen_beside_the_losses_of_the_head(faces: ArrayFaces, teachers: list[Path], tmp_path: Path) -> None:
    """The backbone of a student that is trained whole also learns the generative teacher's features."""
    torch.manual_seed(1)
    Student(SHAPE).save(tmp_path / "start")
    recipe = short()
    head = replace(
        recipe.head,
        freeze_backbone=False,
        freeze_bn_stats=True,
        weight_rcd=0.0,
        weight_cls=0.0,
        loop=replace(recipe.head.loop, steps=40, learning_rate=0.02),
    )
    found = {}
    for weight in (0.0, 1e-6, 20.0):
        out, changed = tmp_path / f"{weight:g}", replace(recipe, head=replace(head, weight_gen=weight))
        start, teacher = tmp_path / "start", teachers[0]
        pipeline.train_head(changed, faces, out, Teacher(), start, False, generative=teacher)
        names, *rows = csv.reader((out / "checkpoints/head/losses.csv").read_text().splitlines())
        found[weight] = {name: [float(row[k]) for row in rows] for k, name in enumerate(names)}
    assert "gen" not in found[0.0] and found[0.0]["kd"][0] == pytest.approx(found[20.0]["kd"][0], abs=1e-6)
    idle, taught = (np.array(found[weight]["gen"]) for weight in (1e-6, 20.0))
    assert idle[0] == pytest.approx(taught[0], abs=1e-6) and idle[0] < 1.0  # the adapter was fitted
    assert taught[-10:].mean() < idle[-10:].mean() - 0.005
    with pytest.raises(GdrdError, match=r"settings \(generative\)"):  # another teacher is another run
        pipeline.train_head(changed, faces, out, Teacher(), start, False, generative=teachers[1])
    with pytest.raises(GdrdError, match="which is frozen"):
        replace(head, weight_gen=1.0, freeze_backbone=True)


class Scale(Stage):
    """One weight, with a loss that a subclass can spoil."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__("head", {"net": torch.nn.Linear(1, 1)})

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"size": self.trained["net"](batch.lr.mean((1, 2, 3))[:, None]).square().mean()}


def fit(stage: Stage, folder: Path, rate: float = 1e-2, adjust: bool = False, steps: int = 4, **changes: Any) -> Any:
    config = LoopConfig(steps, 4, rate, checkpoint_every=2, **changes)
    data = StepBatches(noise(0), 4, (8,), AugmentConfig(), seed=0, steps=steps)
    metadata = {"config": {"loop": vars(config)}, "inputs": {}}
    return run(stage, data, config, folder, metadata, progress=False, adjust=adjust)


def test_the_weighted_sum_is_minimised_and_the_plain_losses_are_written(tmp_path: Path) -> None:
    class Two(Scale):
        """One number between 0, which the first loss wants, and 1, which the second wants."""

        def __init__(self, weights: dict[str, float]) -> None:
            super().__init__()
            self.weights = weights

        def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
            number = self.trained["net"].bias.square().sum()
            return {"low": number, "high": (number - 1).square()}

    ends = []
    for name, weights in (("first", {"low": 1000.0}), ("second", {"high": 1000.0})):
        stage = Two(weights)
        start = float(stage.trained["net"].bias.detach().square())
        fit(stage, tmp_path / name, rate=0.3)
        header, first = (tmp_path / name / "losses.csv").read_text().splitlines()[:2]
        row = dict(zip(header.split(","), map(float, first.split(",")), strict=True))
        assert row["low"] == pytest.approx(start, abs=1e-5) and row["high"] == pytest.approx((start - 1) ** 2, abs=1e-5)
        ends.append(float(stage.trained["net"].bias.detach().square()))
    assert ends[0] < start < ends[1]


def test_a_lower_learning_rate_is_accepted_in_an_explicit_resume_and_recorded(tmp_path: Path) -> None:
    class Breaks(Scale):
        def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
            return {"size": super().forward(batch)["size"] * (torch.nan if batch.step == 2 else 1)}

    with pytest.raises(GdrdError, match=r"not finite at step 2.*--resume --set head.loop.learning_rate=0.005"):
        fit(Breaks(), tmp_path)
    with pytest.raises(GdrdError, match=r"another config.loop.learning_rate\. Add --resume"):
        fit(Scale(), tmp_path, 5e-3)
    with pytest.raises(GdrdError, match=r"settings \(config.loop.ema\)"):  # this is another training
        fit(Scale(), tmp_path, 5e-3, True, ema=0.5)
    log = fit(Scale(), tmp_path, 5e-3, True, clip=2.0)
    expected = {"step": 2, "config.loop.learning_rate": [0.01, 0.005], "config.loop.clip": [1.0, 2.0]}
    assert log.steps == 2 and log.changes == [expected]
    assert fit(Scale(), tmp_path, 5e-3, clip=2.0).changes == [expected]  # kept in the checkpoint
    with pytest.raises(GdrdError, match="other inputs or settings"):  # finished: nothing would be trained
        fit(Scale(), tmp_path, 1e-3, True, clip=2.0)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_weights_that_are_not_finite_after_the_last_step_are_not_saved(tmp_path: Path, ema: float) -> None:
    class Spoils(Scale):
        """A finite loss whose gradient is not: the weights are spoiled by the last step."""

        def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
            loss = super().forward(batch)["size"]
            if batch.step == 3:
                loss.register_hook(lambda gradient: gradient * torch.nan)
            return {"size": loss}

    with pytest.raises(GdrdError, match=r"weights of head are not finite after step 3.*--resume"):
        fit(Spoils(), tmp_path, ema=ema)
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-0000002"]


def test_a_student_that_is_not_finite_is_not_saved(
    faces: ArrayFaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = Student(SHAPE)
    student.head.linear.weight.data[0, 0] = torch.nan
    with pytest.raises(GdrdError, match="not finite"):
        pipeline.save_student(student, tmp_path / "student", {})
    assert not (tmp_path / "student").exists()


def test_sigterm_in_the_last_step_ends_the_run_after_its_checkpoint(tmp_path: Path) -> None:
    class Terminated(Scale):
        def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
            if batch.step == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().forward(batch)

    with pytest.raises(Preempted, match="after step 4 of 4; a checkpoint is written") as caught:
        fit(Terminated(), tmp_path)
    assert caught.value.code == 143 and (tmp_path / "step-0000004").is_dir()
    assert fit(Scale(), tmp_path).steps == 0  # the same call continues with what comes after


def test_sigterm_between_the_last_step_and_the_end_is_not_swallowed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Preempted), catch_sigterm() as stopping:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping()
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_command_line_refuses_another_rate_and_then_resumes_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(12):
        save(tmp_path / "faces" / str(index % 4) / f"{index}.png", noise(0)[index])
    sizes = [f"generative.{name}" for name in ("loop.steps=4", "loop.batch_size=4", "size=16", "channels=[16,16]")]
    few = ["generative.loop.checkpoint_every=2", "generative.resolutions=[8]"]
    argv = ["train", "generative", "--config", "smoke", "--data", str(tmp_path / "faces"), "--aligned", "--quiet"]
    argv += ["--out", str(tmp_path / "run"), "--set", *sizes, *few]
    assert main(argv) == 0
    checkpoints = tmp_path / "run" / "checkpoints" / "generative"
    shutil.rmtree(checkpoints / "step-0000004")
    slower = [*argv, "generative.loop.learning_rate=1e-5"]
    assert main(slower) == 2
    assert "Add --resume to change it" in capsys.readouterr().err
    assert main([*slower, "--resume"]) == 0
    facts = json.loads((tmp_path / "run" / "generative" / "facts.json").read_text())
    assert facts["changes"] == [{"step": 2, "config.loop.learning_rate": [0.0005, 1e-5]}]
    assert facts["split"]["trained_people"] == 4


def test_stage_two_keeps_out_whom_stage_one_did_not_see(tmp_path: Path) -> None:
    """Whatever share is asked for: who is held out from a student is held out from both stages."""
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "generative")
    common = ["--config", "smoke", "--data", "synthetic", "--out", str(tmp_path / "run"), "--quiet"]
    loops = [f"{stage}.loop.steps=1" for stage in ("backbone", "head")]
    for stage, share in (("backbone", "0.3"), ("head", "0.1")):
        teacher = ["--generative", str(tmp_path / "generative")]
        assert main(["train", stage, *common, "--validation-split", share, *teacher, "--set", *loops]) in (0, None)
    facts = [json.loads((tmp_path / "run" / part / "facts.json").read_text()) for part in ("backbone", "student")]
    assert facts[0]["split"]["held_out"] == facts[1]["split"]["held_out"] and facts[0]["split"]["held_out_people"] > 10

"""Models by name: the table is what was measured, and models that are compared have names of their own."""

import json
import zlib
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DModel

from gdrd_lab.errors import GdrdError
from gdrd_lab.experiments.benchmark.cost import multiply_adds
from gdrd_lab.io.paths import data_folder
from gdrd_lab.models.dlib import DlibRecogniser
from gdrd_lab.models.registry import list_models, load_model, load_models, shipped_generative
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.super_resolved import SuperResolved


def test_the_table_is_what_was_measured() -> None:
    scores = [
        s for file in (data_folder() / "results").glob("lfw-*.json") for s in json.loads(file.read_text())["scores"]
    ]
    measured = {
        (score["method"], score["resolution"]): score["value"]
        for score in scores
        if score["metric"] == "accuracy" and score["setting"] == "same resolution"
    }
    rows = json.loads((data_folder() / "results" / "bench.json").read_text())["rows"]
    costs = {row["case"].removesuffix(" multiply-adds"): row["value"] for row in rows}
    unet = UNet2DModel.from_config(UNet2DModel.load_config(shipped_generative() / "unet"))
    costs["super-resolved"] = costs["SFace"] + multiply_adds(unet, (96, 16, 16), 0) / 1e6
    costs["dlib"] = multiply_adds(DlibRecogniser(), 112) / 1e6
    costs["super-resolved-dlib"] = costs["super-resolved"] - costs["SFace"] + costs["dlib"]
    for info in list_models():
        name = {"sface": "SFace", "paper-student": "student, paper recipe"}.get(info.name, info.name)
        if info.lfw:
            assert [measured[name, resolution] for resolution in (16, 112)] == pytest.approx(info.lfw, abs=6e-4)
        assert info.multiply_adds == pytest.approx(costs[name], abs=0.06), name
    table = repr(list_models()).splitlines()
    assert len(table) == 1 + len(list_models()) and table[0].startswith("name ") and "0.924" in table[1]


def test_both_recognisers_read_the_same_super_resolved_faces() -> None:
    faces = torch.rand(2, 3, 16, 16)
    for name, reader in (("super-resolved", "sface"), ("super-resolved-dlib", "dlib")):
        model = load_model(name, steps=1)
        assert isinstance(model, SuperResolved) and model.name == f"{load_model(reader).name} on super-resolved"
        seeds = [zlib.crc32(face.numpy().tobytes(), 0) for face in (faces * 255).round().byte()]
        expected = load_model(reader).embed(model.pipeline(faces, steps=1, seeds=seeds))
        torch.testing.assert_close(model.embed(faces), expected)


def test_models_that_are_compared_have_names_of_their_own(tmp_path: Path) -> None:
    shipped = Student(StudentConfig(16, (2,), (1,), 2, 1))
    mine, other = tmp_path / "my" / "student", tmp_path / "other" / "student"
    shipped.save(mine)
    shipped.save(other)
    assert [m.name for m in load_models(["student", str(mine)])] == ["student", str(mine)]
    assert [m.name for m in load_models([mine, other])] == [str(mine), str(other)]
    assert [m.name for m in load_models([mine])] == ["student"]
    assert [m.name for m in load_models(["student", f"tuned={mine}", "a=sface"])] == ["student", "tuned", "a"]
    (tmp_path / "a=b").mkdir()
    shipped.save(tmp_path / "a=b" / "student")
    assert load_model(tmp_path / "a=b" / "student").name == "student"
    assert load_models([]) == []
    for same in (["student", "student"], [mine, mine], ["x=sface", f"x={mine}"]):
        with pytest.raises(GdrdError, match=r"2 models have the name .*NAME=PATH"):
            load_models(same)
    with pytest.raises(GdrdError, match="neither a recogniser nor a folder"):
        load_model("tuned=nothing")

"""Exported files: the same embeddings at any batch size, the price of 8 bits, and files from elsewhere refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from gdrd_lab.cli import main
from gdrd_lab.datasets.embedding_file import read_embeddings
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.export.check import compare
from gdrd_lab.export.onnx import export_onnx, export_program, input_size, quantise_onnx
from gdrd_lab.models.diffusion.pipeline import load_generative
from gdrd_lab.models.onnx import OnnxRecogniser
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.registry import load_model
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.stages.diffusion import build_pipeline


@pytest.fixture(scope="module")
def student() -> Student:
    return load_model("student")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def file(student: Student, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(student, tmp_path_factory.mktemp("export") / "student.onnx")


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("side", [8, 16, 32, 112])
def test_onnx_gives_the_students_embeddings(student: Student, file: Path, count: int, side: int) -> None:
    exported = OnnxRecogniser(file, threads=1)
    assert isinstance(exported, Recogniser) and exported.name == "student" and exported.embedding_size == 128
    faces = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(side))
    torch.testing.assert_close(exported.embed(faces), student.embed(faces), rtol=0, atol=1e-5)


def test_onnx_file_describes_itself(student: Student, file: Path) -> None:
    graph = onnx.load(str(file)).graph
    (faces,), (embeddings,) = graph.input, graph.output
    shape = [entry.dim_param or entry.dim_value for entry in faces.type.tensor_type.shape.dim]
    side = input_size(student)
    assert (faces.name, shape) == ("faces", ["n", 3, side, side]) and embeddings.name == "embeddings"


def test_int8_is_smaller_and_close(student: Student, file: Path, tmp_path: Path) -> None:
    small = quantise_onnx(file, tmp_path / "int8.onnx", synthetic_faces(identities=8), faces=32)
    assert small.stat().st_size < 0.4 * file.stat().st_size
    found = compare(student, small, resolution=16, identities=20)
    assert 0.97 < found.cosine < 0.999999 and found.accuracy[1] > found.accuracy[0] - 0.1
    assert OnnxRecogniser(small).name == "student int8"
    assert compare(student, file, resolution=16, identities=20).difference < 1e-5


def test_program_runs_anywhere_but_is_not_opened_here(tmp_path: Path) -> None:
    config = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)
    student = Student(config).eval()
    path = export_program(student, tmp_path / "student.pt2")
    module = torch.export.load(str(path)).module()  # what this test wrote itself
    for count in (1, 5):
        faces = torch.rand(count, 3, 32, 32)
        torch.testing.assert_close(module(faces), student.embed(faces), rtol=0, atol=1e-6)
    with pytest.raises(GdrdError, match=r"code hidden in it.*folder or \.onnx file"):
        load_model(str(path))


def test_command_exports_and_embeds(tmp_path: Path, capsys: pytest.CaptureFixture[str], student: Student) -> None:
    out = tmp_path / "a" / "student.onnx"
    assert main(["export", "student", str(out), "--quiet"]) == 0
    assert "MB" in capsys.readouterr().out
    words = ["embed", "synthetic", str(tmp_path / "e.parquet"), "--model", str(out), "--resolution", "16"]
    assert main(words) == 0
    _, _, embeddings, metadata = read_embeddings(tmp_path / "e.parquet")
    assert embeddings.shape == (300, 128) and metadata["model"] == "student"
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_what_cannot_be_exported_or_opened_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["export", "student", str(tmp_path / "x.bin")],
        ["export", "student", str(tmp_path / "x.pt2"), "--int8"],
    ):
        assert main(words) == 2
        assert "no kind of file to export to" in capsys.readouterr().err
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(GdrdError, match="not a recogniser that onnxruntime can run"):
        OnnxRecogniser(tmp_path / "x.onnx")
    with pytest.raises(GdrdError, match="not a recogniser that onnxruntime can run"):
        OnnxRecogniser(tmp_path / "missing.onnx")
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab"]
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(GdrdError, match="not a recogniser"):
        OnnxRecogniser(tmp_path / "other.onnx")
    with pytest.raises(GdrdError, match="does not say which recogniser"):
        quantise_onnx(tmp_path / "other.onnx", tmp_path / "q.onnx", synthetic_faces(identities=2))

    class Whatever:
        name = "whatever"

    with pytest.raises(GdrdError, match="whatever cannot be exported"):
        export_onnx(Whatever(), tmp_path / "w.onnx")


def test_folder_holds_a_generative_teacher_in_half_precision(tmp_path: Path) -> None:
    whole = build_pipeline(recipes.smoke().generative)
    whole.save_pretrained(tmp_path / "run", safe_serialization=True)
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "shipped")]) == 0
    size = {name: sum(f.stat().st_size for f in (tmp_path / name / "unet").iterdir()) for name in ("run", "shipped")}
    assert size["shipped"] < 0.6 * size["run"]
    shipped = load_generative(tmp_path / "shipped")
    lr = torch.rand(2, 3, 16, 16)
    outputs = [pipeline(lr, steps=1, seeds=[0, 1]) for pipeline in (load_generative(tmp_path / "run"), shipped)]
    torch.testing.assert_close(*outputs, rtol=0, atol=0.01)


def test_folder_holds_the_student_in_half_precision_with_its_facts(tmp_path: Path, student: Student) -> None:
    student.teacher_name, student.metadata = "SFace", {"seed": 5}
    student.save(tmp_path / "run")
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "shipped"), "--name", "small one"]) == 0
    shipped = Student.load(tmp_path / "shipped")
    assert (shipped.name, shipped.teacher_name, shipped.metadata["seed"]) == ("small one", "SFace", 5)
    size = {name: (tmp_path / name / "student.safetensors").stat().st_size for name in ("run", "shipped")}
    assert size["shipped"] < 0.6 * size["run"]
    faces = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        assert (shipped.embed(faces) * student.embed(faces)).sum(1).min() > 0.999

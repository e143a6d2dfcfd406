"""Exported files: the same embeddings at any batch size, the price of 8 bits, and files from elsewhere refused."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from diffusers import UNet2DModel

from gdrd_lab.cli import main
from gdrd_lab.datasets.embedding_file import read_embeddings
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.export.check import compare
from gdrd_lab.export.onnx import export_onnx, export_program, input_size, quantise_onnx, split_prelu
from gdrd_lab.models.diffusion.pipeline import load_generative
from gdrd_lab.models.onnx import OnnxRecogniser, open_session
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.registry import load_model
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.checkpoint import read_metadata
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


def prelu_graph(slopes: list[float], conv: bool) -> onnx.ModelProto:
    """A PReLU on its own or after a 1 x 1 convolution with weights and bias."""
    channels, random = len(slopes), np.random.default_rng(0)
    values = {"slope": np.array(slopes, np.float32).reshape(-1, 1, 1)}
    nodes = [onnx.helper.make_node("PRelu", ["x", "slope"], ["y"], "prelu")]
    if conv:
        values |= {"w": random.normal(size=(channels, channels, 1, 1)).astype(np.float32)}
        values |= {"b": random.normal(size=channels).astype(np.float32)}
        nodes = [onnx.helper.make_node("Conv", ["x", "w", "b"], ["z"], "conv"), nodes[0]]
        nodes[1].input[0] = "z"
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, 4, 4]) for name in "xy"]
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("slopes", [[0.25, -0.7, 0.0, 0.975], [0.3, 1.0, 1.5, -2.0]])
@pytest.mark.parametrize(("conv", "scale"), [(True, True), (True, False), (False, True)])
def test_prelu_in_its_fast_form_has_the_same_values(slopes: list[float], conv: bool, scale: bool) -> None:
    model = prelu_graph(slopes, conv)
    x = np.random.default_rng(1).normal(size=(1, 4, 4, 4)).astype(np.float32)
    expected = open_session(model.SerializeToString(), 1).run(None, {"x": x})[0]
    split_prelu(model.graph, scale)
    onnx.checker.check_model(model, full_check=True)
    operators = [node.op_type for node in model.graph.node]
    assert "PRelu" not in operators and operators.count("Mul") == (1 if conv and scale and max(slopes) < 0.99 else 2)
    found = open_session(model.SerializeToString(), 1).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_exported_networks_have_no_slow_operator(student: Student, file: Path, tmp_path: Path) -> None:
    small = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)
    fresh = Student(small).eval()  # equal weights, which the exporter stores once
    for network, path in ((student, file), (fresh, export_onnx(fresh, tmp_path / "fresh.onnx"))):
        operators = {node.op_type for node in onnx.load(str(path)).graph.node}
        assert "Conv" in operators and "PRelu" not in operators
        faces = torch.rand(3, 3, 16, 16)
        torch.testing.assert_close(OnnxRecogniser(path, 1).embed(faces), network.embed(faces), rtol=0, atol=1e-5)


def test_onnxruntime_reports_nothing_to_its_maker(file: Path, tmp_path: Path) -> None:
    """Its wheels since 1.29 keep a queue of reports in the home folder and a session's number in the temporary one."""
    kept_off = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in kept_off}
    for name, at_once in (("reports", "import onnxruntime"), ("silent", "")):
        home = tmp_path / name
        home.mkdir()
        code = f"{at_once}\nfrom gdrd_lab.models.onnx import open_session\nopen_session({str(file)!r}, 1)"
        places = {"HOME": str(home), "TMPDIR": str(home), "MPLCONFIGDIR": str(home / "matplotlib")}
        places |= dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")  # no report leaves this machine
        subprocess.run([sys.executable, "-c", code], check=True, env=environment | places)
    assert (tmp_path / "reports" / ".ses").exists(), "without the switch it reports: it has to be set before the import"
    assert not list((tmp_path / "silent").rglob("*.ses")) and not list((tmp_path / "silent").rglob("*onnxruntime*"))


@pytest.mark.parametrize("words", [["--int8"], []])
def test_a_failed_export_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["export", "student", str(tmp_path / "s.onnx"), *words]) == 2
    assert "onnxruntime is not installed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    student = Student().eval()
    student.head.linear.weight.data[0, 0] = float("nan")
    with pytest.raises(GdrdError, match=r"student cannot be used.*head\.linear\.weight"):
        export_onnx(student, tmp_path / "s.onnx")
    assert not list(tmp_path.iterdir())


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
        assert "not a kind of file to export to" in capsys.readouterr().err
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
    (tmp_path / "run" / "facts.json").write_text('{"split": {"held_out": "0123abcd"}}')
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "shipped")]) == 0
    assert read_metadata(tmp_path / "shipped") == {"split": {"held_out": "0123abcd"}}
    assert not any(str(tmp_path) in file.read_text() for file in (tmp_path / "shipped").rglob("*.json"))
    size = {name: sum(f.stat().st_size for f in (tmp_path / name / "unet").iterdir()) for name in ("run", "shipped")}
    assert size["shipped"] < 0.6 * size["run"]
    shipped = load_generative(tmp_path / "shipped")
    lr = torch.rand(2, 3, 16, 16)
    outputs = [pipeline(lr, steps=1, seeds=[0, 1]) for pipeline in (load_generative(tmp_path / "run"), shipped)]
    torch.testing.assert_close(*outputs, rtol=0, atol=0.01)


def test_a_generative_teacher_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build_pipeline(recipes.smoke().generative).save_pretrained(tmp_path / "run", safe_serialization=True)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(UNet2DModel, "save_pretrained", full)
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "shipped")]) == 2
    assert "No space left" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


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

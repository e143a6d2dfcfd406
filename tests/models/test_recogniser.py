"""The border: what goes into a recogniser, what comes out, and weights that are not finite."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.export.onnx import export_onnx
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, build_scheduler, build_unet
from gdrd_lab.models.dlib import DlibRecogniser
from gdrd_lab.models.onnx import OnnxRecogniser
from gdrd_lab.models.recogniser import check_faces, embed_batch
from gdrd_lab.models.registry import load_model
from gdrd_lab.models.sface import SFace
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.super_resolved import SuperResolved
from gdrd_lab.transforms.resize import downscale, resize

SMALL = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    held = synthetic_faces(identities=4)
    return to_tensor([held[index] for index in range(16)])


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    return Student(SMALL).eval()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x * 255).byte(), r"torch\.uint8.*faces\.float\(\) / 255"),
        (lambda x: x * 255, r"values from .* not from 0 to 1\. Divide pixels 0\.\.255 by 255\.$"),
        (lambda x: x / 255, "by 255 once, not twice"),
        (lambda x: x * 2 - 1, r"become \(faces \+ 1\) / 2"),
        (lambda x: (x - 0.45) / 0.225, "Undo the normalisation"),
        (lambda x: x.permute(0, 2, 3, 1), r"permute\(0, 3, 1, 2\)"),
        (lambda x: x[0], r"one face is face\[None\]"),
        (lambda x: x[:, :1], "batch of RGB faces"),
        (lambda x: x / 0, "not finite"),
        (lambda x: x.log().sqrt(), "not finite"),
    ],
)
@pytest.mark.parametrize("resolution", [8, 112])
def test_another_range_or_form_is_refused_with_a_remedy(
    student: Student, faces: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor], message: str, resolution: int
) -> None:
    with pytest.raises(GdrdError, match=message):
        student.embed(change(resize(faces, resolution)))


def test_every_recogniser_checks(faces: torch.Tensor, tmp_path: Path) -> None:
    exported = OnnxRecogniser(export_onnx(Student(SMALL).eval(), tmp_path / "s.onnx"))
    pipeline = SuperResolutionPipeline(build_unet(32, (16, 32), 1), build_scheduler(), 32)
    for recogniser in (exported, SFace(), DlibRecogniser(), SuperResolved(pipeline, SFace())):
        with pytest.raises(GdrdError, match="not from 0 to 1"):
            recogniser.embed(faces[:2] * 255)


def test_overshoot_and_half_precision_are_accepted(student: Student, faces: torch.Tensor) -> None:
    lr = downscale(faces, 16)
    contrast = ((lr - 0.5) * 2 + 0.5).clamp(0, 1)
    overshooting = torch.nn.functional.interpolate(contrast, 112, mode="bicubic")
    assert overshooting.min() < -0.05 and overshooting.max() > 1.05
    assert torch.equal(check_faces(overshooting), overshooting)
    expected = student.embed(lr)
    for dtype, tolerance in ((torch.float16, 2e-3), (torch.bfloat16, 2e-2), (torch.float64, 1e-5)):
        assert torch.allclose(student.embed(lr.to(dtype)), expected, atol=tolerance)
    assert student.embed(lr[:0]).shape == (0, 128)


def test_bgr_gives_a_warning_and_rgb_none(student: Student, faces: torch.Tensor) -> None:
    for resolution in (8, 112):
        with pytest.warns(UserWarning, match=r"BGR.*flip\(1\)"):
            student.embed(downscale(faces, resolution).flip(1))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            student.embed(downscale(faces, resolution))
            student.embed(faces.mean(1, keepdim=True).expand(-1, 3, -1, -1))  # grey


def test_the_check_lets_gradients_through(student: Student, faces: torch.Tensor) -> None:
    pixels = faces[:2].clone().requires_grad_()
    student.embed(pixels)[:, 0].sum().backward()
    assert pixels.grad is not None and pixels.grad.abs().sum() > 0


class Foreign:
    name, embedding_size = "foreign", 12

    def __init__(self, network: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.network = network

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        return self.network(faces)


def test_a_foreign_recogniser_must_return_unit_vectors_of_its_size(faces: torch.Tensor) -> None:
    def direction(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(downscale(x, 2).flatten(1), dim=1)

    assert embed_batch(Foreign(direction), faces).shape == (16, 12)
    assert embed_batch(Foreign(lambda x: direction(x).half()), faces).shape == (16, 12)
    with pytest.raises(GdrdError, match=r"foreign returned embeddings of length 3 to 3, not 1\. .*normalize"):
        embed_batch(Foreign(lambda x: 3 * direction(x)), faces)
    with pytest.raises(GdrdError, match="length 0"):
        embed_batch(Foreign(lambda x: 0 * direction(x)), faces)
    with pytest.raises(GdrdError, match=r"shape \(16, 11\) for 16 faces.*Return \(N, 12\)"):
        embed_batch(Foreign(lambda x: direction(x)[:, 1:]), faces)


def test_training_mode_is_refused_where_faces_are_scored(faces: torch.Tensor) -> None:
    trained = Student(SMALL)
    trained.embed(faces)  # in a training loop it is meant
    for recogniser in (trained, Foreign(trained)):
        with pytest.raises(GdrdError, match=r"training mode.*eval\(\)"):
            embed_batch(recogniser, faces)
    embed_batch(trained.eval(), faces)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    student = Student(SMALL).eval()
    student.name = "small"
    student.save(tmp_path / "s")
    file = tmp_path / "s" / "student.safetensors"
    tensors = load_file(file)
    tensors["head.linear.weight"][3, 4] = float("nan")
    save_file(tensors, file)
    with pytest.raises(GdrdError, match=r"small \(.*s\).*1 of \d+ values of its tensor head\.linear\.weight"):
        load_model(tmp_path / "s")

    path = export_onnx(student, tmp_path / "s.onnx")
    model = onnx.load(str(path))
    largest = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    values = numpy_helper.to_array(largest).copy()
    values.flat[0] = np.inf
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    onnx.save(model, str(path))
    with pytest.raises(GdrdError, match=rf"small \(.*s\.onnx\).*tensor {largest.name} are not finite"):
        load_model(path)

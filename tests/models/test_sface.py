"""SFace in torch is the SFace of the ONNX file, and differentiable."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.pretrained import SFACE, find
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.sface import SFace, load_sface


@pytest.fixture(scope="module")
def sface() -> SFace:
    return load_sface()


def test_parity_with_onnxruntime(sface: SFace) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = onnx.load(str(find(SFACE)))
    # The file lists its weights among its inputs; onnxruntime wants only the image.
    image = [item for item in model.graph.input if item.name == "data"]
    del model.graph.input[:]
    model.graph.input.extend(image)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options)
    faces = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    expected = np.concatenate([session.run(None, {"data": (face[None] * 255).numpy()})[0] for face in faces])
    with torch.inference_mode():
        ours = sface(faces).numpy()
    assert np.abs(ours - expected).max() < 2e-5


def test_is_a_recogniser_with_unit_embeddings_at_any_resolution(sface: SFace) -> None:
    assert isinstance(sface, Recogniser)
    for size in (8, 16, 64, 112, 150):
        embedding = sface.embed(torch.rand(2, 3, size, size))
        assert embedding.shape == (2, 128)
        assert torch.allclose(embedding.norm(dim=1), torch.ones(2), atol=1e-5)


def test_gradient_reaches_the_pixels_but_no_weight(sface: SFace) -> None:
    faces = torch.rand(1, 3, 112, 112, requires_grad=True)
    sface(faces).sum().backward()
    assert faces.grad is not None and faces.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in sface.parameters())
    assert not sface.training


def test_size_is_the_published_one() -> None:
    assert sum(p.numel() for p in SFace().parameters()) == pytest.approx(9.64e6, rel=0.02)


def test_another_file_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "model.onnx"
    wrong.write_bytes(b"not the model")
    with pytest.raises(GdrdError, match="SHA-256"):
        load_sface(wrong)

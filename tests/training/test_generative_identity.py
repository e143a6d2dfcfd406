"""The identity losses of the generative teacher: their values, their gradients, and the recipe without them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.diffusion.features import block_features
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.recogniser import RecogniserNetwork
from gdrd_lab.models.registry import load_model
from gdrd_lab.models.sface import load_sface
from gdrd_lab.models.student.model import Student
from gdrd_lab.training import recipes
from gdrd_lab.training.checkpoint import read_metadata
from gdrd_lab.training.config import GenerativeConfig
from gdrd_lab.training.data import Batch, StepBatches, step_noise
from gdrd_lab.training.pipeline import train_generative
from gdrd_lab.training.run import weights_fingerprint
from gdrd_lab.training.stages.diffusion import GenerativeStage, one_step
from gdrd_lab.transforms.augmentation import AugmentConfig
from gdrd_lab.transforms.resize import resize

PLAIN = recipes.smoke().generative


@pytest.fixture(scope="module")
def batch() -> Batch:
    return StepBatches(synthetic_faces(6, 1), 6, (16,), PLAIN.augment, 0, 1).part(0, np.arange(6))


STILL = AugmentConfig(flip=False, shift=0, scale=0, rotate=0, colour=0)


def stage(
    identity: float, align: float, teacher: RecogniserNetwork | None, seen: AugmentConfig = STILL, pixel: float = 0.0
) -> GenerativeStage:
    torch.manual_seed(0)
    weighted = replace(PLAIN, weight_identity=identity, weight_align=align, weight_pixel=pixel, identity_augment=seen)
    return GenerativeStage(weighted, 0, teacher)


def test_weights_of_zero_train_as_the_paper_does(batch: Batch) -> None:
    plain, weighted = stage(0, 0, None), stage(2, 1, load_sface())
    assert set(plain.trained) == {"unet"} and plain.frozen == ()
    with torch.no_grad():
        assert set(plain(batch)) == {"denoise"}
        assert torch.equal(plain(batch)["denoise"], weighted(batch)["denoise"])
    paper = recipes.paper().generative
    assert paper.weight_identity == paper.weight_align == paper.weight_pixel == 0


def test_values_follow_the_equations(batch: Batch) -> None:
    """Independently: the UNet on zero noise and on noise, SFace on the enlarged estimate, a matrix on the features."""
    sface = load_sface()
    trained = stage(2, 3, sface, pixel=5).eval()
    with torch.no_grad():
        losses = trained(batch)
        pipeline: SuperResolutionPipeline = trained.pipeline
        target = sface.embed(batch.hr)
        identity, align, pixel = [], [], []
        for row in range(6):
            noise = step_noise(0, 0, [row], (3, 64, 64))[1] * (row % 2)
            condition = resize(batch.lr[row : row + 1], 64) * 2 - 1
            v = pipeline.predict(noise, condition, 999)
            face = (condition - 0.14 * v + 1) / 2  # x_0 = -v where abar is 0
            identity.append(1 - F.cosine_similarity(sface(face), target[row : row + 1]))
            pixel.append(((face - resize(batch.hr[row : row + 1], 64)) ** 2).mean())
            features = block_features(pipeline.unet, pipeline.unet_input(noise, condition), 999)
            mapped = features.flatten(1) @ trained.trained["align"][1].weight.T + trained.trained["align"][1].bias  # type: ignore[index]
            align.append(1 - F.cosine_similarity(mapped, target[row : row + 1]))
    assert float(losses["identity"]) == pytest.approx(float(torch.cat(identity).mean()), rel=1e-3)
    assert trained.weights == {"identity": 2, "align": 3, "pixel": 5}
    assert float(losses["pixel"]) == pytest.approx(float(torch.stack(pixel).mean()), rel=1e-3)
    with torch.no_grad():  # needs no teacher
        assert stage(0, 0, None, pixel=5).eval()(batch)["pixel"] == losses["pixel"]
    assert float(losses["align"]) == pytest.approx(float(torch.cat(align).mean()), rel=1e-3)


def test_the_teacher_reads_an_augmented_estimate(batch: Batch) -> None:
    still, mirrored = stage(2, 1, load_sface()), stage(2, 1, load_sface(), replace(STILL, flip=True))
    with torch.no_grad():
        first, second, again = still(batch), mirrored(batch), mirrored(batch)
    assert first["identity"] != second["identity"] and second["identity"] == again["identity"]
    assert first["align"] == second["align"] and first["denoise"] == second["denoise"]


def test_gradients_reach_the_unet_and_not_the_teacher(batch: Batch) -> None:
    sface = load_sface()
    for name, weights in (("identity", (1.0, 0.0)), ("align", (0.0, 1.0))):
        trained = stage(*weights, sface)
        trained(batch)[name].backward()
        gradient = trained.pipeline.unet.conv_in.weight.grad
        assert gradient is not None and float(gradient.abs().max()) > 0
        assert all(parameter.grad is None for parameter in sface.parameters())
        last = trained.pipeline.unet.conv_out.weight.grad
        assert (last is not None) == (name == "identity")  # the middle block's features do not depend on the decoder


def test_the_estimate_of_a_perfect_network_is_the_face(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = stage(0, 0, None).pipeline

    def predict(x_t: Tensor, condition: Tensor, timestep: Tensor) -> Tensor:
        return -pipeline.clean(batch.hr, batch.lr)

    monkeypatch.setattr(pipeline, "predict", predict)
    face = one_step(pipeline, batch.lr, torch.randn(6, 3, 64, 64))
    assert torch.allclose(face, resize(batch.hr, 64), atol=1e-5)


def test_the_assistants_embedding_of_the_small_face_stands_for_the_teachers(batch: Batch) -> None:
    """Independently: a matrix on the middle features, and SFace on the estimate, against the assistant."""
    sface, assistant = load_sface(), load_model("assistant")
    assert isinstance(assistant, Student)
    config = replace(PLAIN, weight_identity=2, weight_align=3, assistant_targets=True, identity_augment=STILL)
    torch.manual_seed(0)
    trained = GenerativeStage(config, 0, sface, assistant).eval()
    with torch.no_grad():
        losses, target = trained(batch), assistant.embed(batch.lr)
        noise = torch.stack([step_noise(0, 0, [row], (3, 64, 64))[1][0] * (row % 2) for row in range(6)])
        condition = resize(batch.lr, 64) * 2 - 1
        features = block_features(trained.pipeline.unet, trained.pipeline.unet_input(noise, condition), 999)
        mapped = features.flatten(1) @ trained.trained["align"][1].weight.T + trained.trained["align"][1].bias  # type: ignore[index]
        read = sface(resize(one_step(trained.pipeline, batch.lr, noise), 112))
        for name, embedding in (("align", mapped), ("identity", read)):
            expected = float((1 - F.cosine_similarity(embedding, target)).mean())
            assert float(losses[name]) == pytest.approx(expected, rel=2e-3)
        assert torch.equal(losses["denoise"], stage(0, 0, None).eval()(batch)["denoise"])


def test_the_assistant_is_recorded_and_needed(tmp_path: Path) -> None:
    with pytest.raises(GdrdError, match="no assistant"):
        GenerativeStage(replace(PLAIN, weight_align=1, assistant_targets=True), 0, load_sface())
    with pytest.raises(GdrdError, match="no loss has a target"):
        replace(PLAIN, assistant_targets=True)
    loop = replace(PLAIN.loop, steps=1, batch_size=2)
    recipe = replace(recipes.smoke(), generative=replace(PLAIN, loop=loop, weight_align=1, assistant_targets=True))
    train_generative(recipe, synthetic_faces(4, 1), tmp_path, progress=False)
    inputs = read_metadata(tmp_path / "generative")["inputs"]
    assert inputs["assistant"] == weights_fingerprint(load_model("assistant"))


def test_a_teacher_is_needed() -> None:
    with pytest.raises(GdrdError, match="need a discriminative teacher"):
        stage(1, 0, None)
    with pytest.raises(GdrdError, match="out of range"):
        GenerativeConfig(PLAIN.loop, weight_identity=-1)


def test_a_compiled_network_gives_its_features_too(batch: Batch) -> None:
    """The denoising pass compiles the network before the hook of the second pass is there."""
    trained = stage(0, 1, load_sface()).eval()
    with torch.no_grad():
        expected = trained(batch)
        trained.pipeline.unet.compile(backend="eager")
        assert trained(batch) == expected

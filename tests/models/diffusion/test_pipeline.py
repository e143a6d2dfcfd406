"""The generative teacher: sampler, seeds, callbacks, features, files."""

from pathlib import Path

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.diffusion.features import block_features, encoder_blocks, generative_features
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, build_scheduler, build_unet, load_generative
from gdrd_lab.models.diffusion.sampling import sample, start_noise
from gdrd_lab.models.super_resolved import SuperResolved
from gdrd_lab.training.stages.diffusion import velocity_loss


@pytest.fixture(scope="module")
def pipeline() -> SuperResolutionPipeline:
    torch.manual_seed(0)
    unet = build_unet(size=32, channels=(16, 32), layers=1, unshuffle=2)
    return SuperResolutionPipeline(unet.eval(), build_scheduler(), size=32, unshuffle=2)


@pytest.fixture
def lr() -> torch.Tensor:
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_seed_gives_the_same_face_in_any_batch(pipeline: SuperResolutionPipeline, lr: torch.Tensor) -> None:
    together = pipeline(lr, steps=3, seeds=[5, 6, 7])
    alone = torch.cat([pipeline(lr[i : i + 1], steps=3, seeds=[5 + i]) for i in range(3)])
    assert together.shape == (3, 3, 32, 32)
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together, pipeline(lr, steps=3, seeds=[8, 9, 10]), atol=1e-3)


def test_callback_sees_every_step_and_ends_with_the_result(pipeline: SuperResolutionPipeline, lr: torch.Tensor) -> None:
    seen: list[tuple[int, torch.Tensor]] = []
    result = pipeline(lr, steps=4, callback=lambda step, face: seen.append((step, face)))
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    assert torch.equal(seen[-1][1], result)
    assert all(face.min() >= 0 and face.max() <= 1 for _, face in seen)


@pytest.mark.parametrize("steps", [1, 4, 20])
def test_a_perfect_network_recovers_the_data(steps: int) -> None:
    """With the exact velocity, DDIM must end on x_0 whatever the number of steps."""
    scheduler = build_scheduler()
    truth = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(2))

    def exact(noisy: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        alpha = scheduler.alphas_cumprod[timestep]
        noise = (noisy - alpha.sqrt() * truth) / (1 - alpha).sqrt()
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * truth

    noise, generators = start_noise([0, 1], (3, 4, 4))
    *_, out = sample(exact, scheduler, noise, steps, generators)
    assert torch.allclose(out, truth, atol=1e-3)


@pytest.mark.parametrize("scheduler", [DDPMScheduler, DPMSolverMultistepScheduler])
def test_other_diffusers_schedulers_keep_seeds_apart(
    pipeline: SuperResolutionPipeline, lr: torch.Tensor, scheduler: type
) -> None:
    other = SuperResolutionPipeline(pipeline.unet, scheduler(prediction_type="v_prediction"), size=32, unshuffle=2)
    together = other(lr, steps=3, seeds=[5, 6, 7])
    assert torch.allclose(together[1:2], other(lr[1:2], steps=3, seeds=[6]), atol=1e-4)


def test_velocity_loss_is_zero_for_the_exact_velocity_and_matches_the_formula(lr: torch.Tensor) -> None:
    class Exact(SuperResolutionPipeline):
        def predict(self, noisy: torch.Tensor, condition: torch.Tensor, timestep: torch.Tensor | int) -> torch.Tensor:
            alpha = self.scheduler.alphas_cumprod[timestep][:, None, None, None]
            return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean + offset

    model = Exact(build_unet(32, (16, 32), 1, 2), build_scheduler(), 32, 2)
    hr, noise = torch.rand(3, 3, 32, 32), torch.randn(3, 3, 32, 32)
    clean, offset = model.clean(hr, lr), 0.0
    timesteps = torch.tensor([10, 500, 990])
    assert velocity_loss(model, hr, lr, timesteps, noise, 0).item() == pytest.approx(0, abs=1e-9)
    offset = 0.5
    assert velocity_loss(model, hr, lr, timesteps, noise, 0).item() == pytest.approx(0.25, rel=1e-4)
    ratio = (model.scheduler.alphas_cumprod / (1 - model.scheduler.alphas_cumprod))[timesteps].double()
    expected = (0.25 * torch.minimum(ratio, torch.tensor(5.0)) / (ratio + 1) * 6 / 5).mean().item()
    assert velocity_loss(model, hr, lr, timesteps, noise, 5).item() == pytest.approx(expected, rel=1e-4)


def test_features_of_every_block_and_timestep(pipeline: SuperResolutionPipeline, lr: torch.Tensor) -> None:
    assert encoder_blocks(pipeline.unet) == ["down_blocks.0", "down_blocks.1", "mid_block"]
    shapes = [tuple(generative_features(pipeline, lr, block=b).shape) for b in encoder_blocks(pipeline.unet)]
    assert shapes == [(3, 16, 8, 8), (3, 32, 8, 8), (3, 32, 8, 8)]
    clean = generative_features(pipeline, lr)
    assert not clean.requires_grad
    assert not torch.allclose(clean, generative_features(pipeline, lr, timestep=500))
    hr = torch.rand(3, 3, 32, 32)
    assert not torch.allclose(clean, generative_features(pipeline, lr, hr=hr))
    noisy = generative_features(pipeline, lr, timestep=500, seeds=[1, 2, 3])
    assert torch.allclose(noisy[:1], generative_features(pipeline, lr[:1], timestep=500, seeds=[1]), atol=1e-5)


def test_features_are_what_the_full_network_computes(pipeline: SuperResolutionPipeline, lr: torch.Tensor) -> None:
    kept: list[torch.Tensor] = []
    handle = pipeline.unet.mid_block.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.no_grad():
        pipeline.predict(torch.zeros(3, 3, 32, 32), pipeline.condition(lr), 0)
    handle.remove()
    assert torch.allclose(kept[0], generative_features(pipeline, lr), atol=1e-6)


@pytest.mark.parametrize("as_pipeline", [False, True])
def test_any_diffusers_unet_can_stand_in(tmp_path: Path, lr: torch.Tensor, as_pipeline: bool) -> None:
    """A stranger's unconditional 3-channel UNet, alone or in a pipeline of its own, read back from its folder."""
    shape = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, "norm_num_groups": 8}
    torch.manual_seed(0)
    unet = UNet2DModel(32, 3, 3, block_out_channels=(8, 16), layers_per_block=1, **shape)
    (DDPMPipeline(unet, DDPMScheduler()) if as_pipeline else unet).save_pretrained(tmp_path)
    stranger = load_generative(tmp_path)
    features = generative_features(stranger, lr, block="down_blocks.1", timestep=100)
    assert features.shape == (3, 16, 16, 16)
    assert (features[0] - features[1]).abs().max() > 1e-3  # it sees the faces
    assert block_features(stranger.unet, torch.rand(1, 3, 32, 32), 5).shape == (1, 16, 16, 16)
    assert stranger(lr, steps=2).shape == (3, 3, 32, 32)


def test_unknown_block_names_the_known_ones(pipeline: SuperResolutionPipeline, lr: torch.Tensor) -> None:
    with pytest.raises(GdrdError, match=r"no block 'bottleneck'.*down_blocks\.0"):
        generative_features(pipeline, lr, block="bottleneck")


def test_save_and_load_give_the_same_faces(pipeline: SuperResolutionPipeline, lr: torch.Tensor, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "teacher", safe_serialization=True)
    loaded = load_generative(tmp_path / "teacher")
    assert (loaded.size, loaded.unshuffle) == (32, 2)
    assert torch.allclose(loaded(lr, steps=2), pipeline(lr, steps=2), atol=1e-6)
    weights = next((tmp_path / "teacher" / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(GdrdError, match="No generative teacher could be loaded"):
        load_generative(tmp_path / "teacher")


def test_wrong_channels_steps_and_seeds_are_named(pipeline: SuperResolutionPipeline, lr: torch.Tensor) -> None:
    with pytest.raises(GdrdError, match="reads 24 channels"):
        SuperResolutionPipeline(pipeline.unet, build_scheduler(), size=32, unshuffle=4)
    with pytest.raises(GdrdError, match="0 sampling steps"):
        pipeline(lr, steps=0)
    with pytest.raises(GdrdError, match="2 seeds for 3 faces"):
        pipeline(lr, seeds=[1, 2])


def test_super_resolved_recogniser_leaves_sharp_faces_alone(
    pipeline: SuperResolutionPipeline, lr: torch.Tensor
) -> None:
    class Mean:
        name, embedding_size = "mean", 2

        def embed(self, faces: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(torch.stack([faces.mean((1, 2, 3)), faces[:, 0, 0, 0]], 1), dim=1)

    method = SuperResolved(pipeline, Mean(), steps=2)
    hr = torch.rand(2, 3, 112, 112)
    assert torch.equal(method.embed(hr), Mean().embed(hr))
    assert torch.allclose(method.embed(lr)[1:], method.embed(lr[1:]), atol=1e-4)
    assert not torch.allclose(method.embed(lr), Mean().embed(lr), atol=1e-3)

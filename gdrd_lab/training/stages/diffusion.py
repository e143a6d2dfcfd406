"""The generative teacher learns to predict the velocity of the noised residual at a random timestep."""

import torch
from torch import Tensor

from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, build_scheduler, build_unet
from gdrd_lab.models.diffusion.process import noised, velocity
from gdrd_lab.training.config import GenerativeConfig
from gdrd_lab.training.data import Batch, step_noise
from gdrd_lab.training.stages.base import Stage


def build_pipeline(config: GenerativeConfig) -> SuperResolutionPipeline:
    """Build an untrained generative teacher of the configured shape."""
    unet = build_unet(config.size, config.channels, config.layers, config.unshuffle)
    return SuperResolutionPipeline(unet, build_scheduler(), config.size, config.unshuffle)


def velocity_loss(
    pipeline: SuperResolutionPipeline, hr: Tensor, lr: Tensor, timesteps: Tensor, noise: Tensor, min_snr: float
) -> Tensor:
    """Denoising loss E w(t) |UNet(x_t, c, t) - v|^2 with v = sqrt(abar) e - sqrt(1 - abar) x_0, t (N,) from 0 to 999.

    w = min(SNR, gamma) / (SNR + 1) with gamma = ``min_snr``; 0 weighs all timesteps alike.
    Source: v-prediction, Salimans and Ho (arXiv 2202.00512); Min-SNR, Hang et al. (arXiv 2303.09556), section 3.4.
    """
    condition, clean = pipeline.condition(lr), pipeline.clean(hr, lr)
    alpha = pipeline.scheduler.alphas_cumprod.to(clean)[timesteps]
    weight = torch.ones_like(alpha)
    if min_snr:
        # SNR = abar / (1 - abar), so min(SNR, gamma) / (SNR + 1) = min(abar, gamma (1 - abar)).
        weight = torch.minimum(alpha, min_snr * (1 - alpha)) / (min_snr / (min_snr + 1))
    predicted = pipeline.predict(noised(clean, noise, alpha), condition, timesteps)
    return (weight * (predicted.float() - velocity(clean, noise, alpha)).square().mean((1, 2, 3))).mean()


class GenerativeStage(Stage):
    """The velocity loss of the generative teacher at a random timestep for each face."""

    def __init__(self, config: GenerativeConfig, seed: int) -> None:
        self.pipeline = build_pipeline(config)
        super().__init__("generative", {"unet": self.pipeline.unet})
        self.config, self.seed = config, seed

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return {"denoise": loss}."""
        size, device = self.config.size, batch.lr.device
        numbers, noise = step_noise(self.seed, batch.step, batch.rows.tolist(), (3, size, size))
        timesteps, noise = (numbers * 1000).long().clamp_max(999).to(device), noise.to(device)
        return {"denoise": velocity_loss(self.pipeline, batch.hr, batch.lr, timesteps, noise, self.config.min_snr)}

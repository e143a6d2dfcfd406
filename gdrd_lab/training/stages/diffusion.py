"""The generative teacher learns to predict the velocity of the noised residual at a random timestep."""

import torch
from torch import Tensor, nn

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.distillation import cosine_distillation_loss
from gdrd_lab.models.diffusion.features import block_features, captured
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, build_scheduler, build_unet
from gdrd_lab.models.diffusion.process import clean_from_velocity, noised, velocity
from gdrd_lab.models.input_gradient import for_input_gradient
from gdrd_lab.models.recogniser import RecogniserNetwork
from gdrd_lab.training.config import GenerativeConfig
from gdrd_lab.training.data import SEEN, Batch, step_generator, step_noise
from gdrd_lab.training.stages.base import Stage
from gdrd_lab.transforms.augmentation import augment
from gdrd_lab.transforms.resize import resize


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


def one_step(pipeline: SuperResolutionPipeline, lr: Tensor, noise: Tensor) -> Tensor:
    """Return the estimate of the face (N, 3, size, size) from pure noise at t = 999; not clamped to [0, 1]."""
    condition = pipeline.condition(lr)
    last = torch.full((len(lr),), len(pipeline.scheduler.alphas_cumprod) - 1, device=lr.device)
    alpha_bar = pipeline.scheduler.alphas_cumprod.to(noise)[last]
    x0 = clean_from_velocity(noise, pipeline.predict(noise, condition, last).float(), alpha_bar)
    return pipeline.to_face(x0, condition, clamp=False)


class GenerativeStage(Stage):
    """The velocity loss at a random timestep and, by weight, the identity of the one-step estimate and its features.

    L = L_denoise + w_identity (1 - cos(T(a(y_0)), T(y))) + w_align (1 - cos(A f, T(y))) + w_pixel mean((y_0 - y)^2)

    y is the high-resolution face, y_0 its estimate from pure noise (zero noise for every other face), a a random
    augmentation, f the features of ``align_block`` in that pass, A a linear map and T the discriminative teacher. With
    ``assistant_targets`` the assistant's embedding of the low-resolution face stands for T(y).
    """

    def __init__(
        self,
        config: GenerativeConfig,
        seed: int,
        teacher: RecogniserNetwork | None = None,
        assistant: RecogniserNetwork | None = None,
    ) -> None:
        self.pipeline = build_pipeline(config)
        trained: dict[str, nn.Module] = {"unet": self.pipeline.unet}
        if config.needs_teacher and teacher is None:
            raise GdrdError("The identity losses need a discriminative teacher", "Give one, or set their weights to 0")
        if config.assistant_targets and assistant is None:
            raise GdrdError("assistant_targets is set, with no assistant", "Give the folder of one (--assistant)")
        if teacher is not None and config.weight_align:
            torch.manual_seed(seed)  # a resumed run builds the same map
            sample = torch.zeros(1, self.pipeline.unet.config.in_channels, *[config.size // config.unshuffle] * 2)
            with torch.no_grad():
                shape = block_features(self.pipeline.unet, sample, 0, config.align_block).shape
            trained["align"] = nn.Sequential(nn.Flatten(), nn.Linear(shape[1:].numel(), teacher.embedding_size))
        frozen = [for_input_gradient(teacher)] if teacher is not None and config.needs_teacher else []
        frozen += [assistant] if assistant is not None and config.assistant_targets else []
        super().__init__("generative", trained, frozen=frozen)
        self.config, self.seed = config, seed
        self.weights = {name: getattr(config, f"weight_{name}") for name in ("identity", "align", "pixel")}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return {"denoise": ..., "identity": ..., "align": ..., "pixel": ...}, without those of weight 0."""
        config, device = self.config, batch.lr.device
        size = (3, config.size, config.size)
        numbers, noise = step_noise(self.seed, batch.step, batch.rows.tolist(), size)
        timesteps, noise = (numbers * 1000).long().clamp_max(999).to(device), noise.to(device)
        losses = {"denoise": velocity_loss(self.pipeline, batch.hr, batch.lr, timesteps, noise, config.min_snr)}
        if not (self.frozen or config.weight_pixel):
            return losses
        if self.frozen:
            with torch.no_grad():
                target = self.frozen[-1].embed(batch.lr if config.assistant_targets else batch.hr).float()
        start = noise * (batch.rows.to(device) % 2)[:, None, None, None]
        with captured(self.pipeline.unet, config.align_block) as features:
            face = one_step(self.pipeline, batch.lr, start)
        if config.weight_pixel:
            losses["pixel"] = (face - resize(batch.hr, config.size)).square().mean()
        if config.weight_identity:
            rows, generator = batch.rows.cpu().numpy(), step_generator(self.seed, batch.step, SEEN)
            face = resize(face, batch.hr.shape[-1])
            seen = augment(face, config.identity_augment, generator, rows, config.loop.batch_size)
            losses["identity"] = cosine_distillation_loss(self.frozen[0](seen), target)
        if config.weight_align:
            losses["align"] = cosine_distillation_loss(self.trained["align"](features[0]), target)
        return losses

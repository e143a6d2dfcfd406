"""The generative teacher: an SR3-style conditional diffusion model for face super-resolution, as a diffusers pipeline.

The model generates the residual between the high-resolution face y and the resized low-resolution face c, scaled to
unit variance, x_0 = (y - c) / s:

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e,      UNet(x_t, c, t) -> v = sqrt(abar_t) e - sqrt(1 - abar_t) x_0

A pixel-unshuffle of both inputs makes a 64 px face as cheap for the UNet as a 32 px face.

Sources: SR3, Saharia et al. (arXiv 2104.07636), section 2; v-prediction, Salimans and Ho (arXiv 2202.00512), section 4;
residual target, SRDiff, Li et al. (arXiv 2104.14951), section 3.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DiffusionPipeline, UNet2DModel
from diffusers.utils import logging
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.diffusion.sampling import sample, start_noise
from gdrd_lab.models.recogniser import check_faces, require_finite
from gdrd_lab.transforms.resize import resize


def build_unet(
    size: int = 64, channels: Sequence[int] = (64, 128, 192), layers: int = 2, unshuffle: int = 2, heads: int = 4
) -> UNet2DModel:
    """Build the conditional UNet for ``size`` px faces, with attention at its lowest resolution only."""
    depth = 3 * unshuffle**2
    levels = len(channels) - 1
    return UNet2DModel(
        sample_size=size // unshuffle,
        in_channels=2 * depth,
        out_channels=depth,
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        down_block_types=("DownBlock2D",) * levels + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * levels,
        attention_head_dim=channels[-1] // heads,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """Build the noise schedule: cosine, v-prediction, zero terminal SNR (x_T is pure noise)."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


class SuperResolutionPipeline(DiffusionPipeline):
    """Super-resolves very-low-resolution faces to ``size`` px, with a UNet that reads x_t and c, or x_t alone.

    ``unshuffle`` is the factor f before the UNet, and ``residual_scale`` the standard deviation s of y - c, for faces
    in [-1, 1]; None for a model that generates the face itself, x_0 = y.

    Example:
        >>> pipeline = SuperResolutionPipeline(build_unet(32, (16, 32), layers=1), build_scheduler(), size=32)
        >>> pipeline(torch.rand(2, 3, 8, 8), steps=1).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: DDIMScheduler,
        size: int = 64,
        unshuffle: int = 2,
        residual_scale: float | None = 0.14,
    ) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)
        self.register_to_config(size=size, unshuffle=unshuffle, residual_scale=residual_scale)
        self.size, self.unshuffle, self.residual_scale = size, unshuffle, residual_scale
        per_image = 3 * unshuffle**2
        if unet.config.in_channels not in (per_image, 2 * per_image):
            raise GdrdError(
                f"This UNet reads {unet.config.in_channels} channels, not {per_image} or {2 * per_image}",
                f"Use a pixel-space face UNet, or another unshuffle than {unshuffle}",
            )

    def condition(self, lr: Tensor) -> Tensor:
        """Resize faces (N, 3, r, r) in [0, 1] to the condition c (N, 3, size, size) in [-1, 1]."""
        return resize(lr, self.size) * 2 - 1

    def clean(self, hr: Tensor | None, lr: Tensor) -> Tensor:
        """Return x_0 (N, 3, size, size): (y - c) / s, or y itself without ``residual_scale``; y = c without ``hr``."""
        condition = self.condition(lr)
        face = condition if hr is None else resize(hr, self.size) * 2 - 1
        return face if self.residual_scale is None else (face - condition) / self.residual_scale

    def unet_input(self, x_t: Tensor, condition: Tensor) -> Tensor:
        """Unshuffle and stack x_t and c for the UNet: (N, 6 f^2, size / f, size / f)."""
        x_t = F.pixel_unshuffle(x_t, self.unshuffle)
        if self.unet.config.in_channels == x_t.shape[1]:
            return x_t
        return torch.cat([x_t, F.pixel_unshuffle(condition, self.unshuffle)], dim=1)

    def predict(self, x_t: Tensor, condition: Tensor, timestep: Tensor | int) -> Tensor:
        """Return the UNet's prediction of v (N, 3, size, size) from x_t, c and t, an integer or (N,)."""
        v = self.unet(self.unet_input(x_t, condition), timestep).sample
        return F.pixel_shuffle(v, self.unshuffle)

    def to_face(self, x0: Tensor, condition: Tensor, clamp: bool = True) -> Tensor:
        """Convert an estimate of x_0 to faces (N, 3, size, size) in [0, 1]."""
        face = x0 if self.residual_scale is None else condition + self.residual_scale * x0
        face = (face + 1) / 2
        return face.clamp(0, 1) if clamp else face

    @torch.no_grad()
    def denoise(self, lr: Tensor, steps: int = 8, seeds: Sequence[int] | None = None) -> Iterator[Tensor]:
        """Yield the estimate of every step, when it is asked for; arguments as for a call."""
        seeds = range(len(lr)) if seeds is None else seeds
        if len(seeds) != len(lr):
            raise GdrdError(f"{len(seeds)} seeds for {len(lr)} faces", "Give one seed per face")
        condition = self.condition(check_faces(lr).to(self.device))
        noise, generators = start_noise(seeds, (3, self.size, self.size), self.device)
        for x0 in sample(lambda x_t, t: self.predict(x_t, condition, t), self.scheduler, noise, steps, generators):
            yield self.to_face(x0, condition)

    def __call__(
        self,
        lr: Tensor,
        steps: int = 8,
        seeds: Sequence[int] | None = None,
        callback: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Super-resolve faces (N, 3, r, r), RGB in [0, 1], to (N, 3, size, size).

        ``seeds``, one per face, are 0, 1, ... by default; a face's result depends on its seed, not on the batch.
        ``callback`` is called after every step with (step, current estimate of the faces).
        """
        for step, faces in enumerate(self.denoise(lr, steps, seeds)):
            if callback is not None:
                callback(step, faces)
        return faces


def load_generative(path: str | Path) -> SuperResolutionPipeline:
    """Load a generative teacher from a folder or a hub id; safetensors only.

    A folder written by ``save_pretrained`` of this pipeline, or any UNet2DModel in pixel space, alone or as the
    ``unet`` of another diffusers pipeline; such a UNet generates faces, not residuals.

    Raises:
        GdrdError: the folder is missing, the files are damaged, a weight is not finite, or the hub cannot be reached.

    Example:
        >>> import torch
        >>> from gdrd_lab.models.registry import shipped_generative
        >>> load_generative(shipped_generative())(torch.rand(1, 3, 16, 16), steps=1).shape
        torch.Size([1, 3, 64, 64])
    """
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": Path(path).exists()}
    logging.disable_progress_bar()
    try:
        pipeline = _load(str(path), options)
    except Exception as error:  # diffusers raises many kinds, all with the same remedy
        reason = str(error).strip().splitlines()[0][:200]
        raise GdrdError(
            f"No generative teacher could be loaded from {path} ({type(error).__name__}: {reason})",
            "Give a folder written by `gdrd train generative`, a diffusers UNet, or a hub id while online",
        ) from error
    finally:
        logging.enable_progress_bar()
    require_finite(pipeline.unet.state_dict(), f"the generative teacher {path}")
    pipeline.unet.float().eval().requires_grad_(False)  # stored in half precision, used in single
    return pipeline


def _load(path: str, options: dict[str, Any]) -> SuperResolutionPipeline:
    try:
        kind = DiffusionPipeline.load_config(path, local_files_only=options["local_files_only"])["_class_name"]
    except OSError:
        kind = None  # a UNet alone
    if kind == SuperResolutionPipeline.__name__:
        return SuperResolutionPipeline.from_pretrained(path, **options)
    unet = UNet2DModel.from_pretrained(path, **options, **({"subfolder": "unet"} if kind else {}))
    size = unet.config.sample_size
    size = size if isinstance(size, int) else size[0]
    return SuperResolutionPipeline(unet, DDPMScheduler(), size, unshuffle=1, residual_scale=None)

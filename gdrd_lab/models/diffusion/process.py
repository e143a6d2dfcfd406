"""The arithmetic of a variance-preserving diffusion process, which training, features and notebooks share.

Source: DDPM, Ho et al. (arXiv 2006.11239), equation 4; v-prediction, Salimans and Ho (arXiv 2202.00512), appendix D.
"""

from __future__ import annotations

from torch import Tensor


def noised(clean: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Forward process, x_t = sqrt(abar) x_0 + sqrt(1 - abar) e.

    Args:
        clean: x_0, (N, C, H, W).
        noise: e, like ``clean``, unit Gaussian.
        alpha_bar: abar at t, () or (N,), in [0, 1].
    """
    alpha = _spread(alpha_bar)
    return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise


def velocity(clean: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """What the UNet predicts, v = sqrt(abar) e - sqrt(1 - abar) x_0; arguments as for ``noised``."""
    alpha = _spread(alpha_bar)
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean


def clean_from_velocity(noisy: Tensor, velocity: Tensor, alpha_bar: Tensor) -> Tensor:
    """Estimate of the clean face, x_0 = sqrt(abar) x_t - sqrt(1 - abar) v; shapes as for ``noised``."""
    alpha = _spread(alpha_bar)
    return alpha.sqrt() * noisy - (1 - alpha).sqrt() * velocity


def _spread(alpha_bar: Tensor) -> Tensor:
    return alpha_bar if alpha_bar.ndim == 0 else alpha_bar[:, None, None, None]

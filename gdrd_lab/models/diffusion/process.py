"""The equations of a variance-preserving diffusion process.

Source: DDPM, Ho et al. (arXiv 2006.11239), equation 4; v-prediction, Salimans and Ho (arXiv 2202.00512), appendix D.
"""

from torch import Tensor


def noised(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Forward process, x_t = sqrt(abar) x_0 + sqrt(1 - abar) e; x_0 and e are (N, C, H, W), abar at t () or (N,)."""
    signal, rest = _weights(alpha_bar)
    return signal * x0 + rest * noise


def velocity(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return the UNet's target, v = sqrt(abar) e - sqrt(1 - abar) x_0; arguments as for ``noised``."""
    signal, rest = _weights(alpha_bar)
    return signal * noise - rest * x0


def clean_from_velocity(x_t: Tensor, v: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return the estimate of the clean face, x_0 = sqrt(abar) x_t - sqrt(1 - abar) v; shapes as for ``noised``."""
    signal, rest = _weights(alpha_bar)
    return signal * x_t - rest * v


def _weights(alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    alpha_bar = alpha_bar if alpha_bar.ndim == 0 else alpha_bar[:, None, None, None]
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

"""Checks of notebook 01: the forward process, the velocity, the residual, and one deterministic step back."""

import math

import torch

from gdrd_lab.course.exercises import Attempt, check, close, need, reject, tensor


def _draw() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, 1, 2, 2, generator=generator), torch.randn(2, 1, 2, 2, generator=generator)


@check("Noise a face", "Signal and noise are mixed so that the variance stays one at every timestep.")
def check_add_noise(attempt: Attempt) -> None:
    """``attempt(clean, noise, alpha_bar)`` must be sqrt(abar) clean + sqrt(1 - abar) noise."""
    clean, noise = _draw()
    for abar in (0.25, 1.0, 0.0, 0.7):
        answer = tensor(attempt(clean, noise, torch.tensor(abar)), (2, 1, 2, 2))
        signal, rest = math.sqrt(abar), math.sqrt(1 - abar)
        between = 0 < abar < 1
        need(
            not (between and close(answer, abar * clean + (1 - abar) * noise)),
            "You weigh by abar and 1 - abar: then the variance drops below one in between. Take square roots.",
        )
        need(
            not (between and close(answer, rest * clean + signal * noise)),
            "Signal and noise are exchanged: at abar = 1 nothing but the clean face may be left.",
        )
        expected = signal * clean + rest * noise
        need(close(answer, expected), f"At abar = {abar} the mixture is not sqrt(abar) x_0 + sqrt(1 - abar) e.")


@check("From velocity back to the clean face", "One network output gives an estimate of x_0 at any timestep.")
def check_clean_estimate(attempt: Attempt) -> None:
    """``attempt(noisy, velocity, alpha_bar)`` must give x_0 back."""
    clean, noise = _draw()
    for abar in (0.36, 0.0, 0.9):
        a, b = math.sqrt(abar), math.sqrt(1 - abar)
        noisy, velocity = a * clean + b * noise, a * noise - b * clean
        answer = tensor(attempt(noisy, velocity, torch.tensor(abar)), (2, 1, 2, 2))
        reject(answer, noise, "That is the noise e. Exchange the roles of the two square roots.")
        reject(answer, a * noisy + b * velocity, "The sign of the velocity is wrong: v holds MINUS sqrt(1-abar) x_0.")
        finite = answer.isfinite().all()
        need(finite, "At abar = 0 (pure noise) the answer is not finite: nothing needs dividing.")
        need(close(answer, clean), f"At abar = {abar} the answer is not x_0. Insert x_t and v and see what cancels.")


@check("What the network has to add", "The target is what the enlargement lacks, at unit scale.")
def check_residual_target(attempt: Attempt) -> None:
    """``attempt(hr, enlarged, scale)``, faces in [0, 1], must be ((2 y - 1) - (2 c - 1)) / s."""
    hr, enlarged = (torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    answer = tensor(attempt(hr, enlarged, 0.14), (2, 3, 4, 4))
    expected = (hr - enlarged) * 2 / 0.14
    reject(answer, -expected, "The sign is turned around: it is sharp minus enlarged.")
    reject(answer, (hr - enlarged) / 0.14, "The model's faces lie in [-1, 1], these in [0, 1]: a factor 2.")
    reject(answer, (hr - enlarged) * 2, "Divide by the scale s, so that the target has unit variance.")
    need(close(answer, expected), "The residual is not ((2 y - 1) - (2 c - 1)) / s.")


@check("One step back, without new noise", "The same estimate of the face, mixed again at the lower noise level.")
def check_ddim_step(attempt: Attempt) -> None:
    """``attempt(noisy, velocity, abar, abar_before)`` must be the deterministic DDIM step."""
    clean, noise = _draw()
    for now, before in ((0.2, 0.6), (0.5, 1.0)):
        a, b = math.sqrt(now), math.sqrt(1 - now)
        noisy, velocity = a * clean + b * noise, a * noise - b * clean
        answer = tensor(attempt(noisy, velocity, torch.tensor(now), torch.tensor(before)), (2, 1, 2, 2))
        expected = math.sqrt(before) * clean + math.sqrt(1 - before) * noise
        reject(answer, noisy, "Your step leaves x_t at its noise level: use abar of the step BEFORE.")
        need(
            before == 1 or not close(answer, clean),
            "You jump to the estimate of x_0 at once. A step only goes down to the next noise level.",
        )
        need(
            close(answer, expected),
            f"From abar {now} to {before} the step does not end where the forward process would.",
        )

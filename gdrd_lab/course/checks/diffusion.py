"""Checks of notebook 01: the forward process, the velocity, the residual, and one deterministic step back."""

import math

import numpy as np
import torch

from gdrd_lab.course.exercises import Attempt, check, judge, need, tensor


def _draw(random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a clean face and noise, both (N, C, H, W) with four sizes of their own."""
    shape = tuple(random.choice(np.arange(1, 7), 4, replace=False))
    return torch.from_numpy(random.normal(size=shape)).float(), torch.from_numpy(random.normal(size=shape)).float()


@check("Noise a face", "Signal and noise are mixed so that the variance stays one at every timestep.")
def check_add_noise(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(clean, noise, alpha_bar)`` must be sqrt(abar) clean + sqrt(1 - abar) noise."""
    clean, noise = _draw(random)
    for abar in (round(random.uniform(0.1, 0.4), 3), round(random.uniform(0.6, 0.9), 3), 1.0, 0.0):
        answer = tensor(attempt(clean, noise, torch.tensor(abar)), tuple(clean.shape))
        signal, rest = math.sqrt(abar), math.sqrt(1 - abar)
        plain, turned = abar * clean + (1 - abar) * noise, rest * clean + signal * noise
        mistakes = {
            "You weigh by abar and 1 - abar: then the variance drops below one in between. Take square roots.": plain,
            "Signal and noise are exchanged: at abar = 1 nothing but the clean face may be left.": turned,
        }
        otherwise = f"At abar = {abar} the mixture is not sqrt(abar) x_0 + sqrt(1 - abar) e."
        judge(answer, signal * clean + rest * noise, mistakes, otherwise)


@check("From velocity back to the clean face", "One network output gives an estimate of x_0 at any timestep.")
def check_clean_estimate(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(noisy, velocity, alpha_bar)`` must give x_0 back."""
    clean, noise = _draw(random)
    for abar in (round(random.uniform(0.1, 0.4), 3), 0.0, round(random.uniform(0.6, 0.9), 3)):
        a, b = math.sqrt(abar), math.sqrt(1 - abar)
        noisy, velocity = a * clean + b * noise, a * noise - b * clean
        answer = tensor(attempt(noisy, velocity, torch.tensor(abar)), tuple(clean.shape))
        mistakes = {
            "That is the noise e. Exchange the roles of the two square roots.": noise,
            "The sign of the velocity is wrong: v holds MINUS sqrt(1-abar) x_0.": a * noisy + b * velocity,
        }
        need(answer.isfinite().all(), "At abar = 0 (pure noise) the answer is not finite: nothing needs dividing.")
        otherwise = f"At abar = {abar} the answer is not x_0. Insert x_t and v and see what cancels."
        judge(answer, clean, mistakes, otherwise)


@check("What the network has to add", "The target is what the enlargement lacks, at unit scale.")
def check_residual_target(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(hr, enlarged, scale)``, faces in [0, 1], must be ((2 y - 1) - (2 c - 1)) / s."""
    count, *size = (int(n) for n in random.choice(np.arange(2, 7), 3, replace=False))
    hr, enlarged = (torch.from_numpy(random.uniform(size=(count, 3, *size))).float() for _ in range(2))
    for scale in (round(random.uniform(0.05, 0.4), 3), round(random.uniform(1.5, 4), 3)):
        answer = tensor(attempt(hr, enlarged, scale), tuple(hr.shape))
        expected = (hr - enlarged) * 2 / scale
        mistakes = {
            "The sign is turned around: it is sharp minus enlarged.": -expected,
            "The model's faces lie in [-1, 1], these in [0, 1]: a factor 2.": expected / 2,
            "Divide by the scale s, so that the target has unit variance.": (hr - enlarged) * 2,
            "You multiply by the scale s; divide by it.": (hr - enlarged) * 2 * scale,
        }
        judge(answer, expected, mistakes, "The residual is not ((2 y - 1) - (2 c - 1)) / s.")


@check("One step back, without new noise", "The same estimate of the face, mixed again at the lower noise level.")
def check_ddim_step(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(noisy, velocity, abar, abar_before)`` must be the deterministic DDIM step."""
    clean, noise = _draw(random)
    for now, before in (np.sort(random.uniform(0.1, 0.9, 2)).round(3).tolist(), (random.uniform(0.2, 0.6), 1.0)):
        a, b = math.sqrt(now), math.sqrt(1 - now)
        noisy, velocity = a * clean + b * noise, a * noise - b * clean
        answer = tensor(attempt(noisy, velocity, torch.tensor(now), torch.tensor(before)), tuple(clean.shape))
        mistakes = {
            "Your step leaves x_t at its noise level: use abar of the step BEFORE.": noisy,
            "You jump to the estimate of x_0 at once. A step only goes down to the next noise level.": clean,
        }
        otherwise = f"From abar {now:.3f} to {before:.3f} the step does not end where the forward process would."
        judge(answer, math.sqrt(before) * clean + math.sqrt(1 - before) * noise, mistakes, otherwise)

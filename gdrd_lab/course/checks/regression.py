"""Checks of notebook 02: the regression loss, the normalisation of its target, and freezing."""

from typing import Any

import numpy as np
import torch
from torch import nn

from gdrd_lab.course.exercises import Attempt, check, close, need, number, reject, tensor


@check("The feature regression loss", "The right value, a gradient for the student, and none for the teacher.")
def check_feature_loss(attempt: Attempt) -> None:
    """``attempt(student, teacher)`` must be the mean of squared differences, the teacher detached."""
    generator = torch.Generator().manual_seed(5)
    student = torch.randn(2, 3, 2, 2, generator=generator, requires_grad=True)
    teacher = torch.randn(2, 3, 2, 2, generator=generator, requires_grad=True)
    answer = tensor(attempt(student, teacher), ())
    squares = (student - teacher).detach().double().square().numpy()
    reject(answer, squares.sum(), "You sum over everything: then the loss grows with the batch. Take the mean.")
    reject(answer, squares.sum((1, 2, 3)).mean(), "You sum over channels and places; average over these too.")
    reject(answer, np.sqrt(squares).mean(), "These are absolute differences; square them.")
    reject(answer, np.sqrt(squares.mean()), "That is the root of the loss; leave the root out.")
    need(close(answer, squares.mean()), f"The value should be {squares.mean():.4f}, not {answer.item():.4f}.")
    need(answer.requires_grad, "The student gets no gradient: do not detach the student, nor compute under no_grad.")
    answer.backward()
    need(teacher.grad is None, "The teacher gets a gradient: it would move towards the student. Detach the teacher.")
    need(
        student.grad is not None and close(student.grad, 2 * (student - teacher).detach() / 24),
        "The student's gradient is not 2 (f_s - f_t) / number of values.",
    )


@check("Standardise the target's channels", "No channel outweighs the others, whatever its scale in the teacher.")
def check_standardise(attempt: Attempt) -> None:
    """``attempt(features (N, C, H, W))`` must give each channel mean 0 and variance 1 over batch and space."""
    features = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(6))
    features = features * torch.tensor([1.0, 10.0, 0.1])[:, None, None] + torch.tensor([0.0, 5.0, -2.0])[:, None, None]
    answer = tensor(attempt(features.clone()), (4, 3, 5, 5)).double()
    values = answer.transpose(0, 1).flatten(1)
    whole = (features - features.mean()) / features.std()
    reject(answer, whole, "You standardise everything at once: loud channels stay loud. One channel each.", 1e-2)
    each = (features - features.mean((2, 3), keepdim=True)) / features.std((2, 3), keepdim=True, correction=0)
    reject(answer, each, "You standardise each face by itself, which takes away how faces differ.", 1e-2)
    need(close(values.mean(1), torch.zeros(3), 1e-3), "A channel's mean over batch and space is not 0.")
    variance, given = (rows.var(1, correction=0) for rows in (values, features.transpose(0, 1).flatten(1)))
    reject(variance, 1 / given, "You divide by the variance; divide by its square root.", 1e-2)
    need(close(variance, torch.ones(3), 1e-2), "A channel's variance over batch and space is not 1.")


@check("Freeze a backbone", "Neither its weights nor its BatchNorm statistics move any more.")
def check_freeze(attempt: Attempt) -> None:
    """``attempt(module)`` must return the module with no gradients and in evaluation mode."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4))
    module.train()
    with torch.no_grad():
        module(torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(7)))
    frozen = attempt(module)
    need(frozen is not None, "Your function returns nothing: return the module.")
    need(frozen is module, "Return the module itself, not something new.")
    open_ones = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    need(not open_ones, f"Some parameters still ask for gradients ({', '.join(open_ones[:3])}).")
    norm: Any = module[1]
    before = norm.running_mean.clone()
    with torch.no_grad():
        module(torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(8)) + 3)
    need(
        torch.equal(before, norm.running_mean),
        "The weights stay, but BatchNorm still updates its running mean in each forward pass: use evaluation mode too.",
    )
    need(not any(part.training for part in module.modules()), "Some part of the module is still in training mode.")


@check("How much of the target is explained", "1 means all of it, 0 no more than the mean.")
def check_explained(attempt: Attempt) -> None:
    """``attempt(target, predicted, mean)`` must be R^2 against a mean that was fitted elsewhere."""
    random = np.random.default_rng(9)
    target, mean = random.normal(size=(5, 3)), np.array([0.5, -0.2, 0.1])
    predicted = target + random.normal(size=(5, 3)) * 0.4
    residual = sum(float((t - p) @ (t - p)) for t, p in zip(target, predicted, strict=True))
    total = sum(float((t - mean) @ (t - mean)) for t in target)
    answer = number(attempt(target, predicted, mean))
    reject(answer, residual / total, "That is the share NOT explained; subtract it from one.")
    own = float(np.square(target - target.mean(0)).sum())
    reject(
        answer,
        1 - residual / own,
        "You compare with the judged rows' own mean, which no model could know: use the mean that is given.",
    )
    need(close(answer, 1 - residual / total), f"It should be {1 - residual / total:.4f}, not {answer:.4f}.")
    need(close(number(attempt(target, target, mean)), 1), "A perfect prediction must give 1.")

"""Checks of notebook 02: the regression loss, the normalisation of its target, and freezing."""

import copy

import numpy as np
import torch
from torch import nn

from gdrd_lab.course.exercises import Attempt, check, close, judge, judge_gradient, need, number, tensor


@check("The feature regression loss", "The right value, a gradient for the student, and none for the teacher.")
def check_feature_loss(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(student, teacher)`` must be the mean of squared differences, the teacher detached."""
    shape = tuple(random.choice(np.arange(2, 7), 4, replace=False))
    student, teacher = (torch.from_numpy(random.normal(size=shape)).float().requires_grad_(True) for _ in range(2))
    answer = tensor(attempt(student, teacher), ())
    squares = (student.detach() - teacher.detach()).square()
    mistakes = {
        "You sum over everything: then the loss grows with the batch. Take the mean.": squares.sum(),
        "You sum over channels and places; average over these too.": squares.sum((1, 2, 3)).mean(),
        "These are absolute differences; square them.": squares.sqrt().mean(),
        "That is the root of the loss; leave the root out.": squares.mean().sqrt(),
    }
    judge(answer, squares.mean(), mistakes, f"The value should be {squares.mean():.4f}, not {answer.item():.4f}.")
    expected = ((student - teacher.detach()) ** 2).sum() / squares.numel()
    judge_gradient(answer, expected, {"student": student, "teacher": teacher})


@check("Standardise the target's channels", "No channel outweighs the others, whatever its scale in the teacher.")
def check_standardise(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(features (N, C, H, W))`` must give each channel mean 0 and variance 1 over batch and space."""
    count, channels, height, width = (int(n) for n in random.choice(np.arange(2, 7), 4, replace=False))
    for dead in (False, True):  # a channel that is the same everywhere
        scale, shift = random.uniform(0.1, 5, (2, channels, 1, 1))
        given = random.normal(size=(count, channels, height, width)) * scale + shift
        given[:, 0] = 0.5 if dead else given[:, 0]
        answer = tensor(attempt(torch.from_numpy(given).float()), given.shape)

        def standard(axes: tuple[int, ...], power: float = 0.5, ddof: int = 0, given: np.ndarray = given) -> np.ndarray:
            variance = given.var(axes, keepdims=True, ddof=ddof)
            return (given - given.mean(axes, keepdims=True)) / (variance + 1e-6) ** power

        mistakes = {
            "You standardise everything at once: loud channels stay loud. One channel each.": standard((0, 1, 2, 3)),
            "You standardise each face by itself, which takes away how faces differ.": standard((2, 3)),
            "You standardise each place by itself; a channel's statistics run over batch and space.": standard((0,)),
            "You divide by the variance; divide by its square root.": standard((0, 2, 3), 1),
            "In the variance divide by the number of values: correction=0.": standard((0, 2, 3), ddof=1),
            "The sign is turned around: subtract the mean from the features.": -standard((0, 2, 3)),
        }
        need(answer.isfinite().all(), "A channel without variance gives 0 / 0: add 1e-6 under the root.")
        centred = close(answer.double().mean((0, 2, 3)), torch.zeros(channels), 1e-3)
        otherwise = "values are not (x - mean) / sqrt(variance)." if centred else "mean over batch and space is not 0."
        judge(answer, standard((0, 2, 3)), mistakes, f"A channel's {otherwise}", 1e-3)


@check("Freeze a backbone", "Neither its weights nor its BatchNorm statistics move any more.")
def check_freeze(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(module)`` must return the module with no gradients and with BatchNorm in evaluation mode."""
    a, b, c = (int(n) for n in random.choice(np.arange(2, 7), 3, replace=False))
    block = nn.Sequential(nn.Conv2d(a, b, 1), nn.BatchNorm2d(b), nn.PReLU(b))
    tail = (nn.Flatten(), nn.Linear(b * 9, c), nn.BatchNorm1d(c))
    for module in (nn.Sequential(*block, *tail), nn.Sequential(nn.BatchNorm2d(a), nn.Sequential(block), *tail)):
        batches = torch.from_numpy(random.normal(size=(3, 8, a, 3, 3)) * 2 + 1).float()
        module.requires_grad_(True).train()(batches[0])
        model = copy.deepcopy(module).eval()
        frozen = attempt(module)
        need(frozen is not None, "Your function returns nothing: return the module.")
        need(frozen is module, "Return the module itself, not something new.")
        open_ones = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        need(not open_ones, f"Some parameters still ask for gradients ({', '.join(open_ones[:3])}).")

        def same(module: nn.Module = module, model: nn.Module = model) -> bool:
            return all(close(module.state_dict().get(name, 0), value, 0) for name, value in model.state_dict().items())

        need(same(), "Your function changes the module's weights or statistics; it should only stop them from moving.")
        outputs = [module(batch) for batch in batches]
        still = "The weights stay, but BatchNorm still updates its running mean in each forward pass"
        need(same(), f"{still}: use evaluation mode too.")
        fixed = all(close(out, model(batch)) for out, batch in zip(outputs, batches, strict=True))
        need(fixed, "BatchNorm still uses each batch's own mean: it belongs in evaluation mode, in every block.")


@check("How much of the target is explained", "1 means all of it, 0 no more than the mean.")
def check_explained(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(target, predicted, mean)`` must be R^2 against a mean that was fitted elsewhere."""
    rows, width = random.choice(np.arange(3, 8), 2, replace=False)
    for noise in (0.4, 2.5, 0.0):
        mean, loudness = random.normal(size=width), random.uniform(0.5, 2, width)
        target = random.normal(size=(rows, width)) * loudness
        predicted = target + random.normal(size=(rows, width)) * noise
        residual, total = ((target - other) ** 2 for other in (predicted, mean))
        expected, columns = 1 - residual.sum() / total.sum(), 1 - residual.sum(0) / total.sum(0)
        own = 1 - residual.sum() / np.square(target - target.mean(0)).sum()
        answer = number(attempt(target, predicted, mean))
        mistakes = {
            "That is the share NOT explained; subtract it from one.": 1 - expected,
            "You compare with the judged rows' own mean, which no model could know: use the mean that is given.": own,
            "You average a share for each column; take one share of the two sums of squares.": columns.mean(),
        }
        need(noise or close(answer, 1), "A perfect prediction must give 1.")
        judge(answer, expected, mistakes, f"It should be {expected:.4f}, not {answer:.4f}.")

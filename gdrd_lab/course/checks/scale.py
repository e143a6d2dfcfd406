"""Checks of notebook 04: splitting a batch, the learning rate, the average of weights, and the bill."""

import math
from collections.abc import Callable

import numpy as np

from gdrd_lab.course.exercises import Attempt, array, check, judge, need, number


@check("Split a batch", "Every face on exactly one device, and each device's share of every micro-batch.")
def check_device_rows(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(batch, devices, accumulate, device)``: the rows of a device, micro-batch after micro-batch."""
    drawn = tuple(int(n) for n in random.permutation([2, 3, 4]))
    for devices, accumulate, share in (drawn, (drawn[0], 1, drawn[1]), (1, drawn[1], 2), (drawn[2], drawn[0], 1)):
        batch, micro = devices * accumulate * share, devices * share
        every = [attempt(batch, devices, accumulate, d) for d in range(devices)]
        need(all(rows is not None for rows in every), "Your function returns nothing: return the row numbers.")
        need(all(np.ndim(rows) == 1 for rows in every), "Return one flat list or array of row numbers.")
        got = np.concatenate([array(rows, (len(rows),)) for rows in every])
        flat = sorted(got.tolist())
        need(len(flat) == batch, f"{len(flat)} rows for a batch of {batch}: each face belongs to exactly one device.")
        need(flat == list(range(batch)), "Some rows are on two devices and others on none.")
        rows, d = np.arange(batch), np.arange(devices)[:, None]
        wanted, dealt = (np.nonzero(owner == d)[1] for owner in (rows % micro // share, rows % devices))
        mistakes = {
            "Each device has one block of the whole batch. Cut into micro-batches, then each by device.": rows,
            "You deal the rows out in turn; a device's share of a micro-batch is one block of it.": dealt,
        }
        first = wanted[: batch // devices].tolist()
        otherwise = f"For batch {batch}, {devices} devices, {accumulate} parts device 0 gets {first}."
        judge(got, wanted, mistakes, otherwise)


@check("Warm up, then fall", "A line up to one, half a cosine down to zero.")
def check_rate_factor(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(step, steps, warm)``: (step + 1) / warm while warming, then 0.5 (1 + cos(pi progress))."""
    warm = int(random.integers(3, 15))
    steps = warm + int(random.integers(20, 60))
    found = [number(attempt(step, steps, warm)) for step in range(steps)]
    need(found[0], "The first step has a rate of zero and is wasted: count it as step 1 of the warm-up.")

    def rates(fall: Callable[[int], float]) -> list[float]:
        return [(step + 1) / warm if step < warm else fall(step) for step in range(steps)]

    line = rates(lambda step: 1 - (step - warm) / (steps - warm))
    late = rates(lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    mistakes = {
        "After the warm-up it falls along half a cosine, not along a line.": line,
        "The cosine starts where the warm-up ends, so that the rate does not jump there.": late,
    }
    wanted = rates(lambda step: 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm))))
    first = next((step for step in range(steps) if abs(found[step] - wanted[step]) > 1e-6), 0)
    otherwise = f"At step {first} of {steps}, with {warm} of warm-up, the factor should be {wanted[first]:.4f}."
    between = all(-1e-9 <= f <= 1 + 1e-9 for f in found)
    judge(found, wanted, mistakes, otherwise if between else f"The factor must stay between 0 and 1. {otherwise}", 1e-6)


@check("An average of the weights", "The decay belongs to the old average, the rest to the new weights.")
def check_average(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(weights (steps,), decay)``: the exponential moving average after the last, starting at the first."""

    def average(mean: float, following: np.ndarray, share: float) -> float:
        for weight in following:
            mean = share * mean + (1 - share) * weight
        return mean

    for steps, decay in ((4, round(random.uniform(0.1, 0.45), 3)), (7, round(random.uniform(0.55, 0.95), 3)), (1, 0.5)):
        weights = random.normal(size=steps) * 3
        expected, turned = (average(weights[0], weights[1:], share) for share in (decay, 1 - decay))
        answer = number(attempt(weights, decay))
        mistakes = {
            "The decay is on the new weights: a decay of 0.9 should KEEP nine tenths of the old average.": turned,
            "You start at zero, which pulls the average down: start at the first.": average(0.0, weights, decay),
            "That is the plain mean; later weights must count more.": weights.mean(),
        }
        judge(answer, expected, mistakes, f"With decay {decay} it should be {expected:.4f}, not {answer:.4f}.")


@check("The bill", "Hours and money, from multiply-adds.")
def check_gpu_hours(attempt: Attempt, random: np.random.Generator) -> None:
    """``attempt(trained, frozen, faces, peak, utilisation)``: faces * 2 * (3 trained + frozen) / speed / 3600."""
    trained, frozen, faces, peak = (float(f"{random.uniform(1, 9) * size:.3g}") for size in (1e9, 1e9, 1e6, 1e13))
    utilisation = round(random.uniform(0.15, 0.6), 2)
    answer = number(attempt(trained, frozen, faces, peak, utilisation))
    each = faces * 2 / (peak * utilisation) / 3600  # hours for one multiply-add of every face
    hours = each * (3 * trained + frozen)
    mistakes = {
        "That is in seconds; an hour has 3600.": hours * 3600,
        "That is in minutes; an hour has 3600 seconds.": hours * 60,
        "A multiply-add is TWO floating-point operations.": hours / 2,
        "What learns costs three passes: one forward, and about two backward.": each * (trained + frozen),
        "What is frozen has no backward pass: it costs one forward pass, not three.": each * 3 * (trained + frozen),
        "No GPU reaches its peak: divide by the utilisation too.": hours * utilisation,
    }
    judge(answer, hours, mistakes, f"For the test it should be {hours:.4f} hours, not {answer:.4f}.")

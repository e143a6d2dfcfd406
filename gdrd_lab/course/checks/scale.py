"""Checks of notebook 04: splitting a batch, the learning rate, the average of weights, and the bill."""

import math

import numpy as np

from gdrd_lab.course.exercises import Attempt, check, close, need, number, reject


@check("Split a batch", "Every face on exactly one device, and each device's share of every micro-batch.")
def check_device_rows(attempt: Attempt) -> None:
    """``attempt(batch, devices, accumulate, device)``: the rows of a device, micro-batch after micro-batch."""
    for batch, devices, accumulate in ((12, 2, 3), (8, 4, 1), (6, 1, 2)):
        every = [attempt(batch, devices, accumulate, d) for d in range(devices)]
        need(all(rows is not None for rows in every), "Your function returns nothing: return the row numbers.")
        got = [np.asarray(rows).reshape(-1).tolist() for rows in every]
        flat = sorted(row for rows in got for row in rows)
        need(len(flat) == batch, f"{len(flat)} rows for a batch of {batch}: each face belongs to exactly one device.")
        need(flat == list(range(batch)), "Some rows are on two devices and others on none.")
        micro, share = batch // accumulate, batch // (devices * accumulate)
        wanted = [[m * micro + d * share + k for m in range(accumulate) for k in range(share)] for d in range(devices)]
        blocks = [list(range(d * batch // devices, (d + 1) * batch // devices)) for d in range(devices)]
        need(
            got == wanted or got != blocks,
            "Each device has one block of the whole batch. Cut into micro-batches first, then each of them by device.",
        )
        need(got == wanted, f"For batch {batch}, {devices} devices, {accumulate} parts device 0 gets {wanted[0]}.")


@check("Warm up, then fall", "A line up to one, half a cosine down to zero.")
def check_rate_factor(attempt: Attempt) -> None:
    """``attempt(step, steps, warm)``: (step + 1) / warm while warming, then 0.5 (1 + cos(pi progress))."""
    found = [number(attempt(step, 50, 10)) for step in range(50)]
    reject(found[0], 0, "The first step has a rate of zero and is wasted: count it as step 1 of the warm-up.")
    need(close(found[9], 1), "The warm-up should reach 1 at its last step.")
    wanted = [(s + 1) / 10 if s < 10 else 0.5 * (1 + math.cos(math.pi * (s - 10) / 40)) for s in range(50)]
    linear = [(s + 1) / 10 if s < 10 else 1 - (s - 10) / 40 for s in range(50)]
    reject(found, linear, "After the warm-up it falls along half a cosine, not along a line.")
    late = [(s + 1) / 10 if s < 10 else 0.5 * (1 + math.cos(math.pi * s / 50)) for s in range(50)]
    reject(found, late, "The cosine starts where the warm-up ends, so that the rate does not jump there.")
    need(all(-1e-9 <= f <= 1 + 1e-9 for f in found), "The factor must stay between 0 and 1.")
    need(close(found, wanted), "The values differ from warm-up and half a cosine.")


@check("An average of the weights", "The decay belongs to the old average, the rest to the new weights.")
def check_average(attempt: Attempt) -> None:
    """``attempt(weights (steps,), decay)``: the exponential moving average after the last, starting at the first."""
    weights = np.array([1.0, 4.0, -2.0, 3.0])

    def average(mean: float, following: np.ndarray, share: float) -> float:
        for weight in following:
            mean = share * mean + (1 - share) * weight
        return mean

    for decay in (0.9, 0.5):
        expected, turned = (average(weights[0], weights[1:], share) for share in (decay, 1 - decay))
        answer = number(attempt(weights.copy(), decay))
        need(
            close(turned, expected) or not close(answer, turned),
            "The decay is on the new weights: a decay of 0.9 should KEEP nine tenths of the old average.",
        )
        zero = average(0.0, weights, decay)
        reject(answer, zero, "You start at zero, which pulls the average down: start at the first weights.")
        reject(answer, weights.mean(), "That is the plain mean; later weights must count more.")
        need(close(answer, expected), f"With decay {decay} it should be {expected:.4f}, not {answer:.4f}.")


@check("The bill", "Hours and money, from multiply-adds.")
def check_gpu_hours(attempt: Attempt) -> None:
    """``attempt(trained, frozen, faces, peak, utilisation)``: faces * 2 * (3 trained + frozen) / speed / 3600."""
    case = (2e9, 5e9, 1e6, 1e14, 0.25)
    answer = number(attempt(*case))
    each = 1e6 * 2 / (1e14 * 0.25) / 3600  # hours for one multiply-add of every face
    hours = each * (3 * 2e9 + 5e9)
    reject(answer, hours * 3600, "That is in seconds; an hour has 3600.")
    reject(answer, hours / 2, "A multiply-add is TWO floating-point operations.")
    reject(
        answer,
        each * (2e9 + 5e9),
        "What learns costs three forward passes: one forward, and about two for the backward pass.",
    )
    frozen = each * 3 * (2e9 + 5e9)
    reject(answer, frozen, "What is frozen has no backward pass: it costs one forward pass, not three.")
    reject(answer, hours * 0.25, "No GPU reaches its peak: divide by the utilisation too.", 1e-9)
    need(close(answer, hours), f"For the test it should be {hours:.4f} hours, not {answer:.4f}.")

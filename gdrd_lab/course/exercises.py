"""Exercises: a check runs the reader's function on drawn cases and says what is wrong."""

import copy
import functools
import html
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Attempt = Callable[..., Any]  # the reader's function
CASES = 3  # draws of a check's sizes, parameters and values; the same ones each time


class Wrong(Exception):
    """Raised by a check; the message says what is wrong without giving the answer."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """The result of a check: whether the reader's function is right, and one or two sentences for the reader."""

    exercise: str
    passed: bool
    message: str

    def __repr__(self) -> str:
        return f"{'Right' if self.passed else 'Not yet'}: {self.exercise}. {self.message}"

    def _repr_html_(self) -> str:
        colour, word = ("#009E73", "Right") if self.passed else ("#D55E00", "Not yet")
        return (
            f'<div role="status" style="border-left:6px solid {colour};padding:4px 10px;margin:4px 0">'
            f"<b>{word}: {html.escape(self.exercise)}.</b> {html.escape(self.message)}</div>"
        )


def check(exercise: str, praise: str) -> Callable[[Callable[..., None]], Callable[..., Verdict]]:
    """Turn a function (attempt, random) that raises ``Wrong`` into a check that returns a ``Verdict``.

    It never raises, so that an unsolved notebook runs to its end: a stub and an error of the attempt get verdicts too.
    """

    def decorate(inspect: Callable[..., None]) -> Callable[..., Verdict]:
        @functools.wraps(inspect)
        def run(attempt: Attempt) -> Verdict:
            try:
                for seed in range(CASES):
                    inspect(careful(attempt), np.random.default_rng(seed))
                return Verdict(exercise, True, praise)
            except NotImplementedError:
                message = "The function is still the stub: replace its last line by your answer."
            except Wrong as wrong:
                message = str(wrong)
            except Exception as error:  # the reader's code may raise anything
                name = getattr(attempt, "__name__", "")
                own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == name]
                where = f" in its line {(own[-1].lineno or 0) - attempt.__code__.co_firstlineno}" if own else ""
                message = f"Your function stopped with {type(error).__name__}{where}: {error}."
            return Verdict(exercise, False, message)

        return run

    return decorate


def yours(attempt: Attempt, check_it: Callable[[Attempt], Verdict], library: Attempt) -> Attempt:
    """Return the reader's function if it passes its check, and the library's otherwise; print which one it is."""
    name, right = attempt.__name__, check_it(attempt).passed
    print(
        f"Computed by your {name}." if right else f"Computed by the library: your {name} does not pass its check yet."
    )
    return attempt if right else library


def careful(attempt: Attempt) -> Attempt:
    """Return the attempt so that it raises ``Wrong`` if it changes an array or tensor that it was given."""

    def call(*arguments: Any) -> Any:
        before = copy.deepcopy(arguments)
        answer = attempt(*arguments)
        for given, kept in zip(arguments, before, strict=True):
            if answer is not None and isinstance(given, np.ndarray | torch.Tensor):
                need(close(given, kept, 0), "Your function changes what it was given; make a new array or tensor.")
        return answer

    return call


def need(condition: object, message: str) -> None:
    """Raise ``Wrong`` unless the condition holds."""
    if not condition:
        raise Wrong(message)


def judge(answer: Any, expected: Any, mistakes: Mapping[str, Any], otherwise: str, tolerance: float = 1e-4) -> None:
    """Raise ``Wrong`` unless the answer is as expected; a known mistake's message comes before the other one."""
    if not close(answer, expected, tolerance):
        known = (message for message, mistake in mistakes.items() if close(answer, mistake, tolerance))
        raise Wrong(next(known, otherwise))


def judge_gradient(answer: torch.Tensor, expected: torch.Tensor, given: Mapping[str, torch.Tensor]) -> None:
    """Raise ``Wrong`` unless the answer has the expected tensor's gradient in each of the named tensors."""
    weights = torch.linspace(0.5, 1.5, expected.numel(), dtype=expected.dtype).reshape(expected.shape)
    leaves, sums = [*given.values()], ((value * weights).sum() for value in (answer, expected))
    found, wanted = (
        torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else [None] * len(leaves)
        for total in sums
    )
    for name, got, right in zip(given, found, wanted, strict=True):
        if right is not None:
            if got is None:
                raise Wrong(f"No gradient reaches the {name}: do not detach it, leave torch, or use no_grad.")
            need(got.isfinite().all(), f"The {name}'s gradient is not finite. Is 0 divided by 0 on the way?")
            need(close(got, right, 1e-3), f"The value is right, but the {name}'s gradient is not the formula's.")
        else:
            need(
                got is None or not got.any(),
                f"The {name} gets a gradient and would move towards the student: detach it.",
            )


def tensor(value: Any, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the attempt's answer as a tensor; raise ``Wrong`` if it is not one of the shape asked for."""
    if value is None:
        raise Wrong("Your function returns nothing: does it end with a return statement?")
    if isinstance(value, np.ndarray | np.generic | float | int):
        value = torch.as_tensor(np.array(value))
    if not isinstance(value, torch.Tensor):
        raise Wrong(f"Your function returns a {type(value).__name__}, not {'a tensor' if shape else 'a number'}.")
    if tuple(value.shape) != shape:
        wanted = "a single number" if shape == () else f"shape {shape}"
        raise Wrong(f"Your function returns shape {tuple(value.shape)}; asked for: {wanted}.")
    return value


def array(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the attempt's answer, a list too, as an array; raise ``Wrong`` if it is not one of the shape asked for."""
    if isinstance(value, list | tuple | range):
        value = np.array([v.tolist() if isinstance(v, torch.Tensor) else v for v in value])
    return tensor(value, shape).detach().numpy()


def number(value: Any) -> float:
    """Return the attempt's answer as a float; raise ``Wrong`` if it is not a single number."""
    return float(tensor(value, ()).detach())


def unit(rows: np.ndarray) -> np.ndarray:
    """Return vectors (..., d) at unit length."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def draw_pairs(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw scores (P,) in eighths, so that some are equal, which pairs are genuine, and thresholds, scores all."""
    count = int(random.integers(18, 26))
    genuine = random.permutation(np.arange(count) < count // 3 + 1)
    scores = random.integers(-4, 5, count) / 8 + genuine * random.integers(0, 4, count) / 8
    return scores, genuine, random.choice(np.unique(scores)[1:-1], 3, replace=False)


def close(value: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Return whether two numbers, arrays or tensors of one shape agree, up to a share of the largest expected value."""
    a, b = (torch.as_tensor(item).detach().double() for item in (value, expected))
    if a.shape != b.shape:
        return False
    return bool(torch.allclose(a, b, rtol=0, atol=tolerance * (float(b.abs().max()) if b.any() else 1)))

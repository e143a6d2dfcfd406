"""Exercises: a check runs the reader's function on small tensors and says what is wrong."""

import functools
import html
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Attempt = Callable[..., Any]  # the reader's function


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
    """Turn a function that raises ``Wrong`` into a check that returns a ``Verdict``.

    It never raises, so that an unsolved notebook runs to its end: a stub and an error of the attempt get verdicts too.
    """

    def decorate(inspect: Callable[..., None]) -> Callable[..., Verdict]:
        @functools.wraps(inspect)
        def run(attempt: Attempt) -> Verdict:
            try:
                inspect(attempt)
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


def need(condition: object, message: str) -> None:
    """Raise ``Wrong`` unless the condition holds."""
    if not condition:
        raise Wrong(message)


def reject(answer: Any, mistake: Any, message: str, tolerance: float = 1e-4) -> None:
    """Raise ``Wrong`` if the answer is that of a known mistake."""
    need(not close(answer, mistake, tolerance), message)


def tensor(value: Any, shape: tuple[int, ...], what: str = "Your function") -> torch.Tensor:
    """Return the attempt's answer as a tensor; raise ``Wrong`` if it is not one of the shape asked for."""
    if value is None:
        raise Wrong(f"{what} returns nothing: does it end with a return statement?")
    if isinstance(value, np.ndarray | np.generic | float | int):
        value = torch.as_tensor(value)
    if not isinstance(value, torch.Tensor):
        raise Wrong(f"{what} returns a {type(value).__name__}, not a tensor.")
    if tuple(value.shape) != shape:
        wanted = "a single number" if shape == () else f"shape {shape}"
        raise Wrong(f"{what} returns shape {tuple(value.shape)}; asked for: {wanted}.")
    return value


def number(value: Any, what: str = "Your function") -> float:
    """Return the attempt's answer as a float; raise ``Wrong`` if it is not a single number."""
    return float(tensor(value, (), what).detach())


def unit(rows: np.ndarray) -> np.ndarray:
    """Return vectors (..., d) at unit length."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def close(value: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Return whether two numbers, arrays or tensors of one shape agree within an absolute and relative tolerance."""
    a, b = (torch.as_tensor(item).detach().double() for item in (value, expected))
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=tolerance, atol=tolerance))

"""Checks of the losses' inputs: a wrong shape gives one clear line instead of a silent broadcast."""

import math

import torch
from torch import Tensor

from gdrd_lab.errors import GdrdError


def full_precision(x: Tensor) -> Tensor:
    """Return half-precision tensors as float32, which sums of many small terms need; others unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_pair(student: Tensor, teacher: Tensor, dimensions: str, what: str) -> None:
    """Require floating-point tensors of equal shape with as many dimensions as ``dimensions`` names, such as "N, d"."""
    expected = dimensions.count(",") + 1
    for owner, tensor in (("student's", student), ("teacher's", teacher)):
        if tensor.ndim != expected or tensor.numel() == 0:
            remedy = f"Pass a non-empty ({dimensions}) tensor"
            raise GdrdError(f"The {owner} {what} have shape {tuple(tensor.shape)}", remedy)
        if not tensor.is_floating_point():
            raise GdrdError(f"The {owner} {what} are {tensor.dtype}", "Pass floating-point values")
    if student.shape != teacher.shape:
        shapes = f"{tuple(student.shape)} and the teacher's {tuple(teacher.shape)}"
        remedy = "Bring the student's to the teacher's shape with an adapter or a head of that size"
        raise GdrdError(f"The student's {what} have shape {shapes}", remedy)


def check_labels(labels: Tensor, count: int) -> None:
    """Require one integer label per face, -1 where the identity is unknown."""
    if labels.shape != (count,):
        raise GdrdError(f"{count} faces came with labels of shape {tuple(labels.shape)}", "Pass one label per face")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise GdrdError(f"Labels are {labels.dtype}", "Pass integers, -1 where the identity is unknown")


def check_positive(value: float, name: str) -> None:
    """Require a finite value above zero."""
    if not (value > 0 and math.isfinite(value)):
        raise GdrdError(f"The {name} is {value}", "Choose a finite value above zero")

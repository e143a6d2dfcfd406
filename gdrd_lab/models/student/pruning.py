"""Initialise a separable student from SFace or from another student: copy layers that fit, reduce the others."""

from collections.abc import Iterable
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.linalg import qr
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.recogniser import frozen
from gdrd_lab.models.sface import SFace
from gdrd_lab.models.student.config import SeparableConfig

# A convolution (or its two factors), BatchNorm and PReLU in nn.Sequential, whose parts have no static types.
Unit = Any


class Statistics(NamedTuple):
    """Mean (C,) and covariance (C, C), float64, of a pointwise convolution's input over faces and positions."""

    mean: Tensor
    covariance: Tensor


def units_of(stem: Unit, *blocks: Any) -> list[Unit]:
    """Return the stem and every depthwise and pointwise unit of the blocks, in order."""
    return [stem, *(unit for block in blocks for unit in block)]


def is_low_rank(unit: Unit) -> bool:
    """Return whether the unit's convolution is the product of two."""
    return isinstance(unit[0], nn.Sequential)


def _pointwise(unit: Unit) -> bool:
    return is_low_rank(unit) or (unit[0].groups == 1 and unit[0].kernel_size == (1, 1))


def _weight(unit: Unit) -> Tensor:
    """Return W (outputs, inputs) of a pointwise unit, float64; the product if it has two factors."""
    if is_low_rank(unit):
        narrow, wide = unit[0]
        return wide.weight[:, :, 0, 0].double() @ narrow.weight[:, :, 0, 0].double()
    return unit[0].weight[:, :, 0, 0].double()


@torch.no_grad()
def input_statistics(sface: SFace, batches: Iterable[Tensor]) -> list[Statistics]:
    """Measure the inputs of the pointwise convolutions of SFace or a ``Parent`` on faces (N, 3, r, r) in [0, 1]."""
    sums: dict[int, list[Tensor]] = {}

    def add(index: int, _: nn.Module, read: tuple[Tensor]) -> None:
        values = read[0].permute(0, 2, 3, 1).flatten(0, 2)
        # Neighbouring positions are correlated, so 20,000 rows are enough.
        values = values[:: max(1, len(values) // 20_000)].double()
        new = [torch.tensor(float(len(values))), values.sum(0), values.T @ values]
        sums[index] = [a + b for a, b in zip(sums[index], new, strict=True)] if index in sums else new

    with ExitStack() as hooks:
        for index, unit in enumerate(units_of(sface.stem, *sface.blocks)[2::2]):
            hooks.enter_context(unit.register_forward_pre_hook(partial(add, index)))
        for faces in batches:
            sface(faces)
    means = [(total / count, products / count) for _, (count, total, products) in sorted(sums.items())]
    return [Statistics(mean, square - torch.outer(mean, mean)) for mean, square in means]


def _scale(norm: Any) -> Tensor:
    """Return the factor by which BatchNorm multiplies its input."""
    return (norm.weight.abs() / (norm.running_var + norm.eps).sqrt()).double().clamp_min(1e-6)


@torch.no_grad()
def choose_channels(unit: Unit, statistics: Statistics, count: int) -> Tensor:
    """Return the ``count`` input channels of a pointwise unit that explain most of its input, in ascending order.

    Pivoted QR of the covariance's root; channels are weighted by the norm of their column of D W, D as below.
    """
    if count == len(statistics.mean):
        return torch.arange(count)
    weight = _weight(unit) * _scale(unit[1])[:, None]
    values, vectors = torch.linalg.eigh(statistics.covariance)
    root = values.clamp_min(0).sqrt()[:, None] * vectors.T * weight.norm(dim=0)
    order = qr(root.numpy(), mode="r", pivoting=True)[1]
    return torch.from_numpy(np.sort(order[:count])).long()


@torch.no_grad()
def reduce_pointwise(unit: Unit, source: Unit, statistics: Statistics, inputs: Tensor, outputs: Tensor) -> None:
    """Give a pointwise unit the best approximation of the source's W on the measured faces.

    With x_S the inputs kept and y_T = W_T x the outputs kept, M = W_T C_TS C_SS^-1 is the regression of y_T on x_S.
    Without a rank W' = M; with one W' = D^-1 U U^T D M, U the first rank eigenvectors of D M C_SS M^T D and
    D = diag(gamma / sigma) of BatchNorm. The singular values of W' are shared evenly between the two factors.
    BatchNorm's mean is lowered by the average error E[y_T - W' x_S].
    """
    weight = _weight(source)[outputs]
    scale, kept = _scale(source[1])[outputs], statistics.covariance[inputs][:, inputs]
    ridge = 1e-5 * kept.diagonal().mean() * torch.eye(len(inputs), dtype=torch.float64)
    regression = torch.linalg.solve(kept + ridge, statistics.covariance[inputs] @ weight.T).T
    reduced = regression
    if is_low_rank(unit):
        narrow, wide = unit[0]
        whitened = regression * scale[:, None]
        basis = torch.linalg.eigh(whitened @ kept @ whitened.T)[1].flip(1)[:, : narrow.out_channels]
        reduced = (basis @ (basis.T @ whitened)) / scale[:, None]
        left, singular, right = torch.linalg.svd(reduced, full_matrices=False)
        root = singular[: narrow.out_channels].sqrt()
        wide.weight.copy_((left[:, : len(root)] * root)[:, :, None, None])
        narrow.weight.copy_((right[: len(root)] * root[:, None])[:, :, None, None])
    else:
        unit[0].weight.copy_(reduced[:, :, None, None])
    _copy(unit[1], source[1], outputs)
    unit[1].running_mean -= (weight @ statistics.mean - reduced @ statistics.mean[inputs]).float()
    _copy(unit[2], source[2], outputs)


def _fits(unit: Unit, source: Unit, outputs: Tensor) -> bool:
    """Return whether a unit of one convolution can copy these output channels of another."""
    return bool(unit[0].stride == source[0].stride and unit[0].weight.shape == source[0].weight[outputs].shape)


def _copy(module: nn.Module, source: nn.Module, channels: Tensor) -> None:
    """Copy the state of some output channels."""
    state = source.state_dict()
    module.load_state_dict({name: value[channels] if value.ndim else value for name, value in state.items()})


class Parent(SFace):
    """A copy of a separable student with the names of SFace's layers, from which another student is initialised."""

    def __init__(self, student: Any) -> None:
        nn.Module.__init__(self)
        backbone, head = deepcopy(student.backbone), deepcopy(student.head)
        self.name, self.input_size = student.name, backbone.input_size
        self.stem, self.blocks = backbone.stem, nn.Sequential(*backbone.blocks, *head.blocks)
        self.norm, self.linear, self.embedding_norm = head.norm, head.linear, head.embedding_norm
        frozen(self)


def sface_from(student: Any) -> Parent:
    """Return a student of SFace's shape (``SeparableConfig.whole()``), such as the assistant, as an SFace module."""
    if student.config != SeparableConfig.whole():
        raise GdrdError("The assistant has another shape than SFace", "Give one trained with the recipe `assistant`")
    return Parent(student)


@torch.no_grad()
def init_from(student: Any, sface: SFace, batches: Iterable[Tensor] = ()) -> int:
    """Initialise units of a separable student from SFace's 27, from the embedding backwards, and return their number.

    A pointwise unit with a rank becomes the best approximation on ``batches`` (N, 3, r, r); a layer narrower than
    SFace's keeps the channels that explain most. The linear layer's weights are resized to its grid and scaled by the
    ratio of the areas, which keeps the embedding's length. ``sface`` may be a ``Parent`` of higher ranks or channels.
    """
    backbone, head = student.backbone, student.head
    ours_wide, theirs_wide = head.norm.num_features, sface.norm.num_features
    if ours_wide != theirs_wide:
        what = f"The student's last block has {ours_wide:,} channels, {sface.name}'s {theirs_wide:,}"
        raise GdrdError(what, "Change head_blocks")
    ours = units_of(backbone.stem, *backbone.blocks, *head.blocks)
    theirs = units_of(sface.stem, *sface.blocks)
    statistics = input_statistics(sface, batches) if any(map(is_low_rank, ours + theirs)) else []
    copied, outputs = 0, torch.arange(theirs[-1][1].num_features)
    for mine, source in zip(reversed(ours), reversed(theirs), strict=False):
        reads = (len(theirs) - copied - 2) // 2
        if not is_low_rank(mine) and not is_low_rank(source) and _fits(mine, source, outputs):
            for ours_part, theirs_part in zip(mine, source, strict=True):
                _copy(ours_part, theirs_part, outputs)
            if source[0].groups == 1:
                outputs = torch.arange(source[0].in_channels)
        elif statistics and _pointwise(mine) and _pointwise(source):
            width = _weight(mine).shape[1]
            if width > _weight(source).shape[1] or mine[1].num_features != len(outputs):
                break
            inputs = choose_channels(source, statistics[reads], width)
            reduce_pointwise(mine, source, statistics[reads], inputs, outputs)
            outputs = inputs
        else:
            break
        copied += 1
    head.norm.load_state_dict(sface.norm.state_dict())
    head.embedding_norm.load_state_dict(sface.embedding_norm.state_dict())
    grid = isqrt(sface.linear.in_features // theirs_wide)
    maps = sface.linear.weight.unflatten(1, (-1, grid, grid))
    resized = F.interpolate(maps, (head.grid, head.grid), mode="bilinear", antialias=True, align_corners=False)
    head.linear.weight.copy_((resized * ((grid / head.grid) ** 2)).flatten(1))
    head.linear.bias.copy_(sface.linear.bias)
    return copied


def stems(student: Any, sface: SFace, copied: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the student's units before the ``copied`` last ones, and the units of SFace that they replace."""
    ours = units_of(student.backbone.stem, *student.backbone.blocks, *student.head.blocks)
    theirs = units_of(sface.stem, *sface.blocks)
    return nn.Sequential(*ours[: len(ours) - copied]), nn.Sequential(*theirs[: len(theirs) - copied])

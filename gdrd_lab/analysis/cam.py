"""Where a recogniser looks: class activation maps of an embedding, and how well such a map explains the score.

With a face's feature map A (C, h, w), the raw embedding f(A) and a unit target embedding t, the score is the dot
product s = f(A) . t. The map tells how much each place adds to it:

    M_ij = max(0, sum_c A_cij ds/dA_cij)

The cosine would not do: for t = f / |f| its gradient is zero. Where the layers after A are linear, as in SFace, the sum
of M before the max is the score itself, less the bias.

Sources: HiResCAM, Draelos and Carin (arXiv 2011.08891), section 3; deletion and insertion, Petsiuk et al., RISE
(arXiv 1806.07421), section 4.2; random weights as a check, Adebayo et al. (arXiv 1810.03292), section 3.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.student.model import Student


@dataclass(frozen=True)
class ScoreCurve:
    """A score while pixels are taken away from a face, or given back: ``fractions`` (K,) in [0, 1], ``scores`` (K,)."""

    fractions: np.ndarray
    scores: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve: a good map has a low one for deletion and a high one for insertion."""
        return float(np.trapezoid(self.scores, self.fractions))


def spatial_layer(recogniser: nn.Module) -> nn.Module:
    """Return the layer whose output is explained: a student's backbone, else the last one with a spatial map."""
    if isinstance(recogniser, Student):
        return recogniser.backbone
    seen: list[nn.Module] = []
    thread = threading.get_ident()

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        # The network may serve other threads at the same time.
        if threading.get_ident() != thread:
            return
        if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
            seen.append(module)

    hooks = [module.register_forward_hook(note) for module in recogniser.modules()]
    try:
        with torch.no_grad():
            recogniser(torch.full((1, 3, 32, 32), 0.5))
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise GdrdError(
            f"{type(recogniser).__name__} has no layer with a spatial map", "Name a layer whose output is (N, C, h, w)"
        )
    return seen[-1]


def class_activation_map(
    recogniser: nn.Module, faces: Tensor, targets: Tensor | None = None, *, layer: nn.Module | None = None
) -> Tensor:
    """Compute the class activation map of each face.

    Args:
        recogniser: a network whose call gives raw embeddings (N, d), such as SFace and Student.
        faces: (N, 3, r, r), RGB in [0, 1].
        targets: (N, d) unit embeddings to be explained by their dot product; each face's own if None.
        layer: the layer whose output (N, C, h, w) is weighed; ``spatial_layer`` if None.

    Returns:
        (N, h, w), non-negative, not normalised.
    """
    return contributions(recogniser, faces, targets, layer=layer).clamp_min(0)


@torch.inference_mode(False)
def contributions(
    recogniser: nn.Module, faces: Tensor, targets: Tensor | None = None, *, layer: nn.Module | None = None
) -> Tensor:
    """Return ``attention`` before the max with 0: what each place adds to the score or takes from it, (N, h, w)."""
    layer = layer or spatial_layer(recogniser)
    kept: list[Tensor] = []
    thread = threading.get_ident()

    def cut(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        if threading.get_ident() != thread:
            return None
        kept.append(output.detach().requires_grad_(True))
        return kept[-1]

    hook = layer.register_forward_hook(cut)
    try:
        with torch.enable_grad():
            raw = recogniser(faces.clone())
            goal = F.normalize(raw.detach(), dim=1) if targets is None else targets.detach().clone()
            if not kept or kept[-1].dim() != 4:
                raise GdrdError(
                    "The layer gives no spatial map of this network", "Name a layer whose output is (N, C, h, w)"
                )
            (gradient,) = torch.autograd.grad((raw * goal).sum(), kept[-1])
    finally:
        hook.remove()
    return (gradient * kept[-1]).sum(1).detach()


def with_random_weights(recogniser: nn.Module, seed: int = 0) -> Any:
    """Return a copy of a network with random weights: a map that looks as good with them explains nothing.

    Convolutions and linear layers get Kaiming's normal numbers, norms and activations their start values.
    """
    model = copy.deepcopy(recogniser)
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, a=0.25, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    return model.eval().requires_grad_(False)


def resized(maps: Tensor, size: int) -> Tensor:
    """Bring maps (N, h, w) to (N, size, size) by bilinear interpolation, each scaled to a maximum of 1."""
    maps = F.interpolate(maps[:, None], (size, size), mode="bilinear", align_corners=False)[:, 0]
    return maps / maps.amax((1, 2), keepdim=True).clamp_min(1e-12)


def deletion(recogniser: Any, face: Tensor, saliency: Tensor, steps: int = 10) -> ScoreCurve:
    """Take pixels away, the most salient first, and follow the cosine to the whole face's embedding.

    A pixel taken away gets the face's mean colour.

    Args:
        recogniser: has ``embed``.
        face: (3, r, r), RGB in [0, 1].
        steps: the pixels are taken in that many equal parts.
    """
    return _curve(recogniser, face, saliency, steps, insert=False)


def insertion(recogniser: Any, face: Tensor, saliency: Tensor, steps: int = 10) -> ScoreCurve:
    """Give pixels back to an empty face, the most salient first; see ``deletion``."""
    return _curve(recogniser, face, saliency, steps, insert=True)


@torch.no_grad()
def _curve(recogniser: Any, face: Tensor, saliency: Tensor, steps: int, *, insert: bool) -> ScoreCurve:
    if steps < 1:
        raise GdrdError(f"{steps} steps make no curve", "Give at least 1")
    side = face.shape[-1]
    # A stable sort: places of equal saliency go from top left to bottom right, the same on every machine.
    order = resized(saliency[None], side)[0].flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    fractions = torch.linspace(0, 1, steps + 1)
    taken = rank[None] < (fractions * len(order)).round()[:, None].to(rank.device)
    visible = (taken if insert else ~taken).view(-1, 1, side, side)
    empty = face.mean((1, 2), keepdim=True)
    embeddings = recogniser.embed(torch.where(visible, face, empty))
    whole = embeddings[-1 if insert else 0]
    return ScoreCurve(fractions.numpy().astype(float), (embeddings @ whole).float().cpu().numpy())


def rank_agreement(first: Tensor, second: Tensor) -> float:
    """Spearman's correlation of two maps (h, w), the smaller one enlarged: 1 where they rank all places alike."""
    from scipy.stats import spearmanr

    side = max(first.shape[-1], second.shape[-1])
    a, b = (resized(item[None], side).flatten().numpy() for item in (first, second))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)

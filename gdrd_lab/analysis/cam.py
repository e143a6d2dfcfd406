"""Class activation maps (HiResCAM) of an embedding, and measures of how well such a map explains the score.

With a face's feature map A (C, h, w), the raw embedding f(A) and a unit target embedding t, the score is the dot
product s = f(A) . t. The map is the contribution of each location to it:

    M_ij = max(0, sum_c A_cij ds/dA_cij)

The cosine is not used, because its gradient is zero for t = f / |f|. If the layers after A are linear, as in SFace, the
sum of M before the max equals the score without the bias.

Sources: HiResCAM, Draelos and Carin (arXiv 2011.08891), section 3; deletion and insertion, Petsiuk et al., RISE
(arXiv 1806.07421), section 4.2; random weights as a check, Adebayo et al. (arXiv 1810.03292), section 3.
"""

import copy
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.recogniser import check_faces, require_evaluation_mode
from gdrd_lab.models.student.model import Student

REMEDY = "Name a layer whose output is (N, C, h, w)"


@dataclass(frozen=True)
class ScoreCurve:
    """The score of a face while its pixels are deleted or inserted: ``fractions`` (K,) in [0, 1], ``scores`` (K,)."""

    fractions: np.ndarray
    scores: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve: low for deletion and high for insertion if the map is good."""
        return float(np.trapezoid(self.scores, self.fractions))


def spatial_layer(recogniser: nn.Module) -> nn.Module:
    """Return the layer to explain: a student's backbone, otherwise the last layer with a spatial map."""
    if isinstance(recogniser, Student):
        return recogniser.backbone
    seen: list[nn.Module] = []
    thread = threading.get_ident()  # other threads may use the network at the same time

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        spatial = isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1
        if spatial and threading.get_ident() == thread:
            seen.append(module)

    hooks = [module.register_forward_hook(note) for module in recogniser.modules()]
    try:
        with torch.no_grad():
            recogniser(torch.full((1, 3, 32, 32), 0.5, device=next(recogniser.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise GdrdError(f"{type(recogniser).__name__} has no layer with a spatial map", REMEDY)
    return seen[-1]


def class_activation_map(
    recogniser: nn.Module, faces: Tensor, targets: Tensor | None = None, *, layer: nn.Module | None = None
) -> Tensor:
    """Compute the class activation map of each face (N, 3, r, r), RGB in [0, 1]: (N, h, w), at least 0, not normalised.

    The recogniser's call gives raw embeddings, as those of SFace and Student do. ``targets`` are t, (N, d) unit
    embeddings (each face's own if None), and the output of ``layer`` is A (``spatial_layer`` if None).
    """
    return contributions(recogniser, faces, targets, layer=layer).clamp_min(0)


@torch.inference_mode(False)
def contributions(
    recogniser: nn.Module, faces: Tensor, targets: Tensor | None = None, *, layer: nn.Module | None = None
) -> Tensor:
    """Return the signed contribution of each location to the score, the map before the max with 0: (N, h, w)."""
    require_evaluation_mode(recogniser, "the network")
    faces = check_faces(faces)
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
                raise GdrdError("The layer has no spatial map in this network", REMEDY)
            (gradient,) = torch.autograd.grad((raw * goal).sum(), kept[-1])
    finally:
        hook.remove()
    return (gradient * kept[-1]).sum(1).detach()


def with_random_weights(recogniser: nn.Module, seed: int = 0) -> Any:
    """Return a copy with random weights (Kaiming's or the layer's default): a sanity check, as its maps must differ."""
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
    """Resize maps (N, h, w) to (N, size, size) by bilinear interpolation and scale each to a maximum of 1."""
    maps = F.interpolate(maps[:, None], (size, size), mode="bilinear", align_corners=False)[:, 0]
    return maps / maps.amax((1, 2), keepdim=True).clamp_min(1e-12)


def deletion(
    recogniser: Any, face: Tensor, saliency: Tensor, steps: int = 10, target: Tensor | None = None
) -> ScoreCurve:
    """Delete pixels of a face (3, r, r), the most salient (h, w) first; the score is the cosine to ``target``.

    They are deleted in ``steps`` equal parts. A deleted pixel has the face's mean colour. ``target`` is a unit
    embedding (d,), the whole face's own if None.
    """
    return _curve(recogniser, face, saliency, steps, target, insert=False)


def insertion(
    recogniser: Any, face: Tensor, saliency: Tensor, steps: int = 10, target: Tensor | None = None
) -> ScoreCurve:
    """Insert pixels into a face of its mean colour, the most salient first; see ``deletion``."""
    return _curve(recogniser, face, saliency, steps, target, insert=True)


@torch.no_grad()
def _curve(
    recogniser: Any, face: Tensor, saliency: Tensor, steps: int, target: Tensor | None, *, insert: bool
) -> ScoreCurve:
    if steps < 1:
        raise GdrdError(f"A curve of {steps} steps is empty", "Give at least 1")
    size = face.shape[-1]
    # The sort is stable, so that locations of equal saliency have the same order on every machine.
    order = resized(saliency[None], size)[0].flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    fractions = torch.linspace(0, 1, steps + 1)
    taken = rank[None] < (fractions * len(order)).round()[:, None].to(rank.device)
    visible = (taken if insert else ~taken).view(-1, 1, size, size)
    empty = face.mean((1, 2), keepdim=True)
    embeddings = recogniser.embed(torch.where(visible, face, empty))
    goal = embeddings[-1 if insert else 0] if target is None else target
    return ScoreCurve(fractions.numpy().astype(float), (embeddings @ goal).float().cpu().numpy())


def rank_agreement(first: Tensor, second: Tensor) -> float:
    """Return Spearman's correlation of two maps (h, w), both at the larger resolution: 1 for equal rankings."""
    from scipy.stats import spearmanr

    size = max(first.shape[-1], second.shape[-1])
    a, b = (resized(item[None], size).flatten().numpy() for item in (first, second))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)

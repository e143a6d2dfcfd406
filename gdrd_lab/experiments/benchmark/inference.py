"""The cost of using networks: speed and memory of each runtime, reading and aligning faces, sampling, searching."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
from PIL import Image
from torch import Tensor

from gdrd_lab.alignment.yunet import align_many
from gdrd_lab.datasets.base import to_images, to_tensor
from gdrd_lab.datasets.shards.pack import PackConfig, pack
from gdrd_lab.datasets.shards.reader import ShardFaces, find_shards
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.evaluation.metrics.identification import ranks
from gdrd_lab.evaluation.metrics.retrieval import retrieve
from gdrd_lab.experiments.benchmark.cost import multiply_adds, parameter_count
from gdrd_lab.experiments.benchmark.measure import Clock, Row, fixed, memory_rows, rows, side_by_side
from gdrd_lab.export.onnx import export_int8, export_onnx, input_size
from gdrd_lab.io.pretrained import SFACE, find
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.onnx import OnnxRecogniser, open_session
from gdrd_lab.models.registry import load_model
from gdrd_lab.training.data import StepBatches
from gdrd_lab.transforms.augmentation import AugmentConfig
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


def network_rows(batches: tuple[int, ...], repeats: int, clock: Clock) -> list[Row]:
    """Compare SFace and the shipped students on faces of 16 pixels, which each network resizes itself.

    SFace and the student run also in onnxruntime as exported here, in float32 and 8 bits; SFace's published file runs
    in onnxruntime and OpenCV. A round has at least 16 faces, so that small batches find their weights in the cache.
    """
    networks: dict[str, Any] = {name: load_model(model) for name, model in COMPARED.items()}
    networks |= {model.name: model for model in map(load_model, ("paper-student", "assistant"))}
    threads, before = torch.get_num_threads(), cv2.getNumThreads()
    cv2.setNumThreads(threads)
    with TemporaryDirectory() as folder:
        exported, out = _export(networks, Path(folder), threads)
        for batch in batches:
            turns = max(1, 16 // batch)
            faces = [torch.rand(batch, 3, 16, 16)] * turns
            models = (networks | exported).items()
            calls = {f"{name}, batch {batch}": _call(model, *faces) for name, model in models}
            seconds = side_by_side(calls, repeats, clock)
            out += rows("networks", seconds, "images/s", lambda s, count=turns * batch: count / s)  # type: ignore[misc]
    cv2.setNumThreads(before)
    first: dict[str, float] = {}
    for name, model in networks.items():
        costs = {"multiply-adds": multiply_adds(model, input_size(model)), "parameters": parameter_count(model)}
        for what, cost in costs.items():
            out.append(fixed("networks", f"{name} {what}", cost / 1e6, "million", cost / first.setdefault(what, cost)))
    batch = max(batches)
    prepared = {f"{name} memory, batch {batch}": (_prepared, model, batch) for name, model in COMPARED.items()}
    return out + memory_rows("networks", prepared)


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


def _call(model: Any, *batches: Tensor) -> Callable[[], Any]:
    return torch.inference_mode()(lambda: [model.embed(faces) for faces in batches])


def _prepared(name: str, batch: int) -> Callable[[], Any]:
    return _call(load_model(name), torch.rand(batch, 3, 16, 16))


def data_rows(faces: int, batch_size: int, workers: tuple[int, ...], repeats: int) -> list[Row]:
    """Images a second that training batches can be made at: from memory, from JPEG shards, by further processes."""
    held = synthetic_faces(identities=-(-faces // 5), size=112)
    with TemporaryDirectory() as folder:
        pack(held, Path(folder), PackConfig(faces_per_shard=max(1, len(held) // 4)), progress=False)
        shards = ShardFaces(find_shards(Path(folder)))
        steps = max(4, len(held) // batch_size)

        def read(source: Any, processes: int) -> Callable[[], Any]:
            batches = StepBatches(source, batch_size, (8, 16, 32), AugmentConfig(), seed=0, steps=steps)
            return lambda: [None for _ in batches.iterate(0, processes)]

        cases = {"from memory": read(held, 0)}
        cases |= {f"from shards, {number} workers": read(shards, number) for number in workers}
        seconds = side_by_side(cases, repeats)
    return rows("data", seconds, "images/s", lambda s: steps * batch_size / s)


def alignment_rows(images: int, repeats: int, clock: Clock) -> list[Row]:
    """Images a second of alignment (faces laid into 250 x 250 pixels, as in LFW) and of embedding at 112 pixels."""
    faces = synthetic_faces(identities=-(-images // 5), size=112)
    files = []
    for index in range(images):
        canvas = np.full((250, 250, 3), 90, np.uint8)
        canvas[69:181, 69:181] = faces[index]
        file = io.BytesIO()
        Image.fromarray(canvas).save(file, "JPEG", quality=95)
        files.append(file.getvalue())
    pixels = to_tensor([faces[index] for index in range(images)]).split(64)
    calls: dict[str, Callable[[], Any]] = {
        "align, 2 threads": lambda: list(align_many(files, face_selection="central", progress=False)),
        "embed by SFace": _call(load_model("sface"), *pixels),
        "embed by the student": _call(load_model("student"), *pixels),
    }
    return rows("alignment and embedding", side_by_side(calls, repeats, clock), "images/s", lambda s: images / s)


def sampler_rows(count: int, steps: int, repeats: int, clock: Clock) -> list[Row]:
    """Our sampler against diffusers' DDIMPipeline: the same UNet, scheduler, number of steps and faces."""
    torch.manual_seed(0)
    size = 32
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    unet = UNet2DModel(size, 3, 3, block_out_channels=(32, 64), norm_num_groups=16, layers_per_block=1, **blocks).eval()
    unet.requires_grad_(False)
    stock = DDIMPipeline(unet, DDIMScheduler())
    stock.set_progress_bar_config(disable=True)
    ours = SuperResolutionPipeline(unet, DDIMScheduler(), size, unshuffle=1, residual_scale=None)
    lr = torch.rand(count, 3, 8, 8)
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    options = {"num_inference_steps": steps, "output_type": "np"}
    calls: dict[str, Callable[[], Any]] = {
        f"diffusers' DDIMPipeline, {steps} steps": lambda: stock(count, generators, **options),
        f"ours, {steps} steps": lambda: ours(lr, steps),
    }
    return rows("sampler", side_by_side(calls, repeats, clock), "images/s", lambda s: count / s)


def growth_rows(sizes: tuple[int, ...], repeats: int, clock: Clock) -> list[Row]:
    """Seconds and memory of identifying (every tenth face is a probe) and of retrieving (1,000 queries) among N."""
    out = []
    for kind in (_identify, _retrieve):
        cases = {f"{kind.__name__.strip('_')}, {size} faces": size for size in sizes}
        seconds = side_by_side({name: kind(size) for name, size in cases.items()}, repeats, clock)
        out += rows("growth", seconds, "s", lambda s: s)
        out += memory_rows("growth", {f"{name}, memory": (kind, size) for name, size in cases.items()})
    return out


def _embeddings(size: int) -> tuple[np.ndarray, np.ndarray]:
    found = np.random.default_rng(0).normal(size=(size, 128)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True), np.arange(size) // 5


def _identify(size: int) -> Callable[[], Any]:
    found, labels = _embeddings(size)
    probes = slice(0, None, 10)
    return lambda: ranks(found[probes], labels[probes], found, labels)


def _retrieve(size: int) -> Callable[[], Any]:
    found, labels = _embeddings(size)
    return lambda: retrieve(found, found, labels, indices=np.arange(min(1000, size)))

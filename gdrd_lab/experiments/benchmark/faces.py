"""Reading, aligning and embedding faces, the sampler, and how searching grows with the gallery."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.experiments.benchmark.measure import Clock, Row, fixed, peak_megabytes, rows, side_by_side


def data_rows(faces: int, batch_size: int, workers: tuple[int, ...], repeats: int) -> list[Row]:
    """Images a second that training batches can be made at: from memory, from JPEG shards, by further processes."""
    from gdrd_lab.datasets.shards.pack import PackConfig, pack
    from gdrd_lab.datasets.shards.reader import ShardFaces, find_shards
    from gdrd_lab.training.data import StepBatches
    from gdrd_lab.transforms.augmentation import AugmentConfig

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


def alignment_rows(images: int, repeats: int, clock: Clock = time.perf_counter) -> list[Row]:
    """Images a second of alignment (faces laid into 250 x 250 pixels, as in LFW) and of embedding at 112 pixels."""
    import io

    from PIL import Image

    from gdrd_lab.alignment.yunet import align_many
    from gdrd_lab.datasets.base import to_tensor
    from gdrd_lab.models.registry import load_model

    faces = synthetic_faces(identities=-(-images // 5), size=112)
    files = []
    for index in range(images):
        canvas = np.full((250, 250, 3), 90, np.uint8)
        canvas[69:181, 69:181] = faces[index]
        file = io.BytesIO()
        Image.fromarray(canvas).save(file, "JPEG", quality=95)
        files.append(file.getvalue())
    pixels = to_tensor([faces[index] for index in range(images)])

    def embed(name: str) -> Callable[[], Any]:
        model = load_model(name)

        def call() -> None:
            with torch.inference_mode():
                for part in pixels.split(64):
                    model.embed(part)

        return call

    calls: dict[str, Callable[[], Any]] = {
        "align, 2 threads": lambda: list(align_many(files, face_selection="central", progress=False)),
        "embed by SFace": embed("sface"),
        "embed by the student": embed("student"),
    }
    return rows("alignment and embedding", side_by_side(calls, repeats, clock), "images/s", lambda s: images / s)


def sampler_rows(count: int, steps: int, repeats: int, clock: Clock = time.perf_counter, size: int = 32) -> list[Row]:
    """Our sampler against diffusers' DDIMPipeline: the same UNet, scheduler, number of steps and faces."""
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline

    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    unet = UNet2DModel(size, 3, 3, block_out_channels=(32, 64), norm_num_groups=16, layers_per_block=1, **blocks).eval()
    unet.requires_grad_(False)
    stock = DDIMPipeline(unet, DDIMScheduler())
    stock.set_progress_bar_config(disable=True)
    ours = SuperResolutionPipeline(unet, DDIMScheduler(), size, unshuffle=1, residual_scale=None)
    lr = torch.rand(count, 3, 8, 8)
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    calls: dict[str, Callable[[], Any]] = {
        f"diffusers' DDIMPipeline, {steps} steps": lambda: stock(
            count, generators, num_inference_steps=steps, output_type="np"
        ),
        f"ours, {steps} steps": lambda: ours(lr, steps),
    }
    return rows("sampler", side_by_side(calls, repeats, clock), "images/s", lambda s: count / s)


def growth_rows(
    sizes: tuple[int, ...], repeats: int, clock: Clock = time.perf_counter, dimension: int = 128
) -> list[Row]:
    """Seconds and memory of identifying (every tenth face is a probe) and of retrieving (1,000 queries) among N."""
    out = []
    for kind in (_identify, _retrieve):
        name = kind.__name__.strip("_")
        first = memory_first = 0.0
        for size in sizes:
            call = kind(size, dimension)
            seconds = []
            for _ in range(repeats):
                began = clock()
                call()
                seconds.append(clock() - began)
            middle = float(np.median(seconds))
            first = first or middle
            ratio = middle / first
            out.append(Row("growth", f"{name}, {size} faces", middle, "s", min(seconds), max(seconds), ratio, repeats))
            memory = peak_megabytes(kind, size, dimension)
            memory_first = memory_first or memory
            out.append(fixed("growth", f"{name}, {size} faces, memory", memory, "MB", memory / memory_first))
    return out


def _embeddings(size: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    rows_ = np.random.default_rng(0).normal(size=(size, dimension)).astype(np.float32)
    return rows_ / np.linalg.norm(rows_, axis=1, keepdims=True), np.arange(size) // 5


def _identify(size: int, dimension: int) -> Callable[[], Any]:
    from gdrd_lab.evaluation.metrics.identification import ranks

    found, labels = _embeddings(size, dimension)
    probes = slice(0, None, 10)
    return lambda: ranks(found[probes], labels[probes], found, labels)


def _retrieve(size: int, dimension: int) -> Callable[[], Any]:
    from gdrd_lab.evaluation.metrics.retrieval import retrieve

    found, labels = _embeddings(size, dimension)
    return lambda: retrieve(found, found, labels, indices=np.arange(min(1000, size)))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

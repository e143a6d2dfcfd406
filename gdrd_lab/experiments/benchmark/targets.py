"""Teachers' features: computed when they are needed, or kept on disk and read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.experiments.benchmark.measure import Clock, Row, fixed, rows, side_by_side
from gdrd_lab.transforms.resize import downscale


def target_rows(faces: int, repeats: int, clock: Clock = time.perf_counter) -> list[Row]:
    """Milliseconds and bytes a face of both teachers' features, computed without gradients or read as float16.

    Read are random rows of a file, as training does, from the system's cache of files: a disk can only be slower.
    """
    from gdrd_lab.models.diffusion.features import generative_features
    from gdrd_lab.models.diffusion.pipeline import load_generative
    from gdrd_lab.models.registry import load_model, shipped_generative

    held = synthetic_faces(identities=-(-faces // 5), size=112)
    pixels = to_tensor([held[index] for index in range(faces)])
    sface, generative = load_model("sface"), load_generative(shipped_generative())
    lr = downscale(pixels, 16)
    compute: dict[str, Callable[[], Tensor]] = {
        "SFace's embedding": lambda: sface.embed(pixels),
        "generative features, mid_block": lambda: generative_features(generative, lr, block="mid_block"),
    }
    out = []
    for name, call in compute.items():
        with TemporaryDirectory() as folder, torch.inference_mode():
            kept = call().half().numpy()
            path = Path(folder) / "features"
            np.repeat(kept, max(1, 4096 // faces), 0).tofile(path)
            stored = np.memmap(path, np.float16, "r").reshape(-1, *kept.shape[1:])
            chosen = np.random.default_rng(0).integers(0, len(stored), faces)

            def read(stored: Any = stored, chosen: np.ndarray = chosen) -> Tensor:
                return torch.from_numpy(stored[chosen]).float()

            seconds = side_by_side({f"{name}, computed": call, f"{name}, read": read}, repeats, clock)
        out += rows("teacher features", seconds, "ms a face", lambda s: s * 1e3 / faces)
        out.append(fixed("teacher features", f"{name}, kept", kept[0].nbytes, "bytes a face"))
    return out

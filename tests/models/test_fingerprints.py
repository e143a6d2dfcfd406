"""What is kept of a recogniser is found by its weights, whatever its form."""

from pathlib import Path

import pytest
import torch

from gdrd_lab.export.onnx import export_onnx
from gdrd_lab.io.cache import fingerprint, keyed
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline, build_scheduler, build_unet, load_generative
from gdrd_lab.models.onnx import OnnxRecogniser
from gdrd_lab.models.sface import SFace
from gdrd_lab.models.student.config import StudentConfig
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.super_resolved import SuperResolved

SMALL = StudentConfig(backbone_channels=(8, 16), backbone_blocks=(1, 1), head_channels=16, head_blocks=1)


def small(seed: int) -> Student:
    torch.manual_seed(seed)
    return Student(SMALL).eval()


def test_students_by_their_weights(tmp_path: Path) -> None:
    small(0).save(tmp_path / "a")
    assert fingerprint(Student.load(tmp_path / "a").eval()) == fingerprint(small(0)) != fingerprint(small(1))


def test_exported_students_by_their_file(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the optional extra is not installed: pip install 'gdrd-lab[export]'")
    files = [export_onnx(small(seed), tmp_path / f"{seed}.onnx") for seed in (0, 1)]
    first, second = (fingerprint(OnnxRecogniser(file)) for file in files)
    assert fingerprint(OnnxRecogniser(files[0])) == first != second


def test_super_resolved_by_both_networks_and_the_steps(tmp_path: Path) -> None:
    def pipeline(seed: int) -> SuperResolutionPipeline:
        torch.manual_seed(seed)
        return SuperResolutionPipeline(build_unet(32, (16, 32), layers=1), build_scheduler(), size=32)

    torch.manual_seed(0)
    first, second, whole = SFace(), SFace(), pipeline(0)
    methods = [SuperResolved(whole, first), SuperResolved(pipeline(1), first), SuperResolved(whole, second)]
    methods += [SuperResolved(whole, first, steps=8), SuperResolved(whole, first, seed=1)]
    assert len({fingerprint(method) for method in methods}) == 5
    whole.save_pretrained(tmp_path, safe_serialization=True)
    assert fingerprint(SuperResolved(load_generative(tmp_path), first)) == fingerprint(methods[0])

    class Own:
        name, embedding_size = "own", 2

    assert keyed(SuperResolved(whole, Own())) is None  # type: ignore[arg-type]

"""The public interface: the calls of the README, an import without side effects, and an example for every name."""

import ast
import doctest
import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import gdrd_lab as gl

# What the import may not change; printed as JSON by a fresh process before and after it.
STATE = """
import json, os, sys, threading, warnings
import locale, signal
def state():
    return [
        dict(os.environ), list(map(str, warnings.filters)), sys.path[:], os.getcwd(), threading.active_count(),
        [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)], sys.getrecursionlimit(),
        locale.setlocale(locale.LC_ALL), str(sys.excepthook), str(sys.stdout), str(sys.displayhook),
    ]
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_changes_nothing_in_the_process() -> None:
    """Nothing but lazy_loader is loaded, no C function is called, and environment, filters and handlers stay."""
    code = f"""{STATE}
import ctypes
def refuse(*words):
    raise AssertionError("a C library was opened")
ctypes.CDLL = refuse
before = state()
import gdrd_lab
ours = [name for name in sys.modules if name.startswith("gdrd_lab")]
heavy = sorted({{"torch", "numpy", "PIL", "cv2", "diffusers", "sklearn", "gradio", "matplotlib"}} & set(sys.modules))
print(json.dumps([before == state(), ours, heavy]))
"""
    assert json.loads(run(code)) == [True, ["gdrd_lab"], []]


def test_import_takes_less_than_a_tenth_of_a_second() -> None:
    """The fastest of five, as other processes may be busy."""
    code = "import time; began = time.perf_counter(); import gdrd_lab; print(time.perf_counter() - began)"
    assert min(float(run(code)) for _ in range(5)) < 0.1


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="gdrd_lab attribute nothing"):
        _ = gl.nothing


PUBLIC = sorted(set(gl.__all__))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_of_the_stub_resolves(name: str) -> None:
    assert getattr(gl, name) is not None


def test_the_stub_is_sorted_and_says_each_name_once() -> None:
    """Ruff sorts it; here: no name twice, and nothing private."""
    tree = ast.parse(Path(gl.__file__).with_suffix(".pyi").read_text())
    names = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(set(map(str, names))) == sorted(map(str, names)) == PUBLIC
    assert not any(name.startswith("_") for name in PUBLIC)


def public_objects() -> dict[str, object]:
    """Every object of gl.* and gl.losses.* by the name a user types; Protocols and aliases count too."""
    found: dict[str, object] = {f"gl.{name}": getattr(gl, name) for name in PUBLIC}
    found |= {f"gl.losses.{name}": getattr(gl.losses, name) for name in gl.losses.__all__}
    return found


def lacks_example(thing: object) -> bool:
    """Whether a docstring is missing or holds no example for doctest."""
    return not doctest.DocTestParser().get_examples(getattr(thing, "__doc__", None) or "")


def test_every_public_object_has_an_example() -> None:
    """Give each of these a docstring with an `Example:`; `pytest --doctest-modules gdrd_lab` runs them."""
    assert [name for name, thing in public_objects().items() if lacks_example(thing)] == []


def test_a_missing_example_is_seen() -> None:
    def without() -> None:
        """Say something."""

    assert lacks_example(without) and lacks_example(types.SimpleNamespace())


def test_every_public_object_is_typed() -> None:
    """`py.typed` lies in the package, and every public function has a type for each argument and its result."""
    assert (Path(gl.__file__).parent / "py.typed").exists()
    for name, thing in public_objects().items():
        if isinstance(thing, types.FunctionType):
            code = thing.__code__
            arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            assert {*arguments, "return"} <= set(thing.__annotations__), name


def test_the_calls_of_the_readme(tmp_path: Path) -> None:
    """The eight calls of the interface, on synthetic faces."""
    assert {"student", "sface"} <= {model.name for model in gl.list_models()}
    student = gl.load_model("student")
    faces = gl.load_dataset("synthetic")
    assert isinstance(faces, gl.FaceDataset) and isinstance(student, gl.Recogniser)
    assert gl.align(faces[0], size=112).shape == (112, 112, 3)
    batch = gl.to_tensor([faces[0]])
    low = gl.Degradation(16)(batch, seeds=[0])
    assert low.shape == (1, 3, 16, 16)
    assert student.embed(low).shape == (1, 128)
    table = gl.evaluate(student, faces, resolutions=[8, 16])
    assert "student" in repr(table) and "16" in repr(table)
    loss = gl.losses.RelationalContrastiveLoss(128)
    embeddings = student.embed(gl.to_tensor([faces[0], faces[1], faces[5]]))
    assert loss(embeddings, embeddings.flip(0)).item() > 0
    assert gl.recipes.cpu().head.freeze_backbone


def test_align_takes_a_path_bytes_or_an_array(tmp_path: Path) -> None:
    from PIL import Image

    photograph = gl.synthetic_faces(1, 1, size=112)[0]
    Image.fromarray(photograph).save(tmp_path / "photograph.png")
    expected = gl.align(photograph)
    assert expected.shape == (112, 112, 3) and expected.dtype == np.uint8
    path = tmp_path / "photograph.png"
    with path.open("rb") as file:
        for source in (path, str(path), path.read_bytes(), file):
            assert np.array_equal(gl.align(source), expected)
    with pytest.raises(gl.GdrdError, match="No face"):
        gl.align(np.zeros((112, 112, 3), np.uint8))

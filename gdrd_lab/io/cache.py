"""The one cache and the one fingerprint: a result is found again by everything that it depends on."""

import atexit
import dataclasses
import hashlib
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import uuid4

import numpy as np

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.atomic import WriteError, atomic_write
from gdrd_lab.io.paths import cache_folder

SUFFIX = ".safetensors"
T = TypeVar("T")
R = TypeVar("R")


def fingerprint(*parts: object) -> str:
    """Return one name, 32 hexadecimal digits, for the content of ``parts``; any change of any part changes it.

    A ``Path`` stands for its file or all files below its folder, a ``torch.nn.Module`` for its weights, buffers, layers
    and ``config``, a face set for ``dataset_fingerprint(faces)``; other objects need ``fingerprint() -> str``.
    """
    return _digest(parts).hex()[:32]


def keyed(*parts: object) -> str | None:
    """Return ``fingerprint(*parts)``, or None where a part has no fingerprint: the result is then not kept."""
    try:
        return fingerprint(*parts)
    except TypeError:
        return None


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file's content; read once as long as its size and times stay the same."""
    try:
        state = path.stat()
        return _checksum(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    except OSError as error:
        do = "Check that it is there, and its permissions"
        raise GdrdError(f"{path} cannot be read ({error.strerror})", do) from error


def cached(
    kind: str, key: str, make: Callable[[], T], read: Callable[[Path], R], write: Callable[[BinaryIO, T], object]
) -> R:
    """Return what an earlier call kept under ``key``, or make it, keep it and read it back.

    A damaged entry is made anew, and a result that the cache folder cannot take is temporary; warnings say so.
    """
    found = recall(kind, key, read)
    return found if found is not None else keep(kind, key, make(), read, write)


def recall(kind: str, key: str, read: Callable[[Path], R]) -> R | None:
    """Return what was kept under ``key``; None if nothing was, or with a warning if it is damaged."""
    for path in sorted((cache_folder() / kind).glob(f"{key}-*{SUFFIX}")):
        try:
            if path.name == _name(key, path):
                return read(path)
            reason = "its checksum is wrong"
        except Exception as error:  # readers of damaged files raise nearly anything
            reason = " ".join(str(error).split())[:100]
        warnings.warn(f"{path} is damaged ({reason}) and is made again", stacklevel=3)
        with suppress(OSError):
            path.unlink()
    return None


def keep(kind: str, key: str, value: T, read: Callable[[Path], R], write: Callable[[BinaryIO, T], object]) -> R:
    """Write ``value`` to the cache and read it back; see ``cached``."""
    try:
        return read(_written(cache_folder() / kind, key, value, write))
    except WriteError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        what = f"The cache folder {cache_folder()} cannot be written ({reason}), so the result is not kept"
        warnings.warn(f"{what}. Set GDRD_CACHE to a writable folder", stacklevel=3)
    folder = Path(tempfile.mkdtemp(prefix="gdrd-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return read(_written(folder, key, value, write))


def _written(folder: Path, key: str, value: T, write: Callable[[BinaryIO, T], object]) -> Path:
    """Write an entry; its name holds the key and the start of its own checksum."""
    draft = folder / f".{key}-{uuid4().hex}"
    with atomic_write(draft) as file:
        write(file, value)
    return draft.rename(folder / _name(key, draft))


def _name(key: str, path: Path) -> str:
    return f"{key}-{checksum(path)[:16]}{SUFFIX}"


@lru_cache(maxsize=1 << 20)
def _checksum(path: Path, *state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(part: Any) -> bytes:
    """SHA-256 of a value with its kind, so that values of different kinds never agree."""
    torch: Any = sys.modules.get("torch")  # a tensor or module exists only where torch is imported already
    if part is None or isinstance(part, bool | int | float | complex | str):
        return _hash(type(part).__name__, repr(part).encode())
    if isinstance(part, bytes | bytearray):
        return _hash("bytes", bytes(part))
    if isinstance(part, np.generic):
        return _digest(part.item())
    if isinstance(part, np.ndarray) and part.dtype.hasobject:
        return _digest(part.tolist())
    if isinstance(part, np.ndarray):
        return _hash(f"array {part.dtype.str} {part.shape}", np.ascontiguousarray(part).tobytes())
    if isinstance(part, Path):
        return _hash("path", _path_digest(part))
    if callable(own := getattr(part, "fingerprint", None)) and not isinstance(part, type):
        return _hash("own", own().encode())
    if torch is not None and isinstance(part, torch.Tensor):
        raw = part.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return _hash(f"tensor {part.dtype} {tuple(part.shape)}", raw.numpy().tobytes())
    if torch is not None and isinstance(part, torch.nn.Module):
        return _hash("module", _module_digest(part))
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = [[field.name, getattr(part, field.name)] for field in dataclasses.fields(part)]
        return _hash(f"dataclass {type(part).__name__}", _sequence_digest(fields))
    if isinstance(part, Mapping):
        return _hash("mapping", b"".join(sorted(_digest(key) + _digest(value) for key, value in part.items())))
    if isinstance(part, AbstractSet):
        return _hash("set", b"".join(sorted(_digest(item) for item in part)))
    if isinstance(part, Sequence):
        return _hash("sequence", _sequence_digest(part))
    raise TypeError(f"{type(part).__name__} has no fingerprint: give it a method fingerprint() -> str")


def _hash(kind: str, content: bytes) -> bytes:
    return hashlib.sha256(f"{kind}:".encode() + content).digest()


def _sequence_digest(parts: Iterable[object]) -> bytes:
    return b"".join(_digest(part) for part in parts)


def _path_digest(path: Path) -> bytes:
    if not path.is_dir():
        return checksum(path).encode()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return _sequence_digest([file.relative_to(path).as_posix(), checksum(file)] for file in files)


def _module_digest(module: Any) -> bytes:
    """The layers with their settings, every parameter and buffer by name, and the configuration."""
    layers = [[name, type(layer).__name__, layer.extra_repr()] for name, layer in module.named_modules()]
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    config = getattr(module, "config", None)
    if isinstance(config, Mapping):  # diffusers' own entries begin with "_", among them the folder
        config = {name: value for name, value in config.items() if not name.startswith("_")}
    return _sequence_digest([layers, tensors, config])

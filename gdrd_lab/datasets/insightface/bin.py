"""InsightFace's verification files (lfw.bin, cfp_fp.bin ...): a pickle of 2 P images as bytes and P bools.

Opening a pickle can run any program, so the file is read by an unpickler that accepts lists, tuples, bytes, integers,
booleans and strings only, and refuses the names of classes and functions. NumPy arrays of a few old files are refused
too. Source: InsightFace, recognition/arcface_torch/eval/verification.py.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from gdrd_lab.datasets.base import ReadOptions
from gdrd_lab.datasets.fingerprint import place_digests
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.datasets.shards.reader import EncodedFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.cache import checksum

# What pickle writes for lists, tuples, bytes, integers, booleans, strings and None, in protocols 0 to 5. No GLOBAL,
# STACK_GLOBAL, INST, OBJ, REDUCE, BUILD, NEWOBJ, EXT or PERSID.
# fmt: off
ALLOWED = frozenset((
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "EMPTY_LIST", "LIST",
    "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "GET", "BINGET", "LONG_BINGET", "PUT",
    "BINPUT", "LONG_BINPUT", "MEMOIZE",
))
# fmt: on
# How Python 3 writes bytes in the old protocols: _codecs.encode(text, "latin1"). Taken as data, never looked up.
LATIN = ("_codecs", "encode")


class BinFaces(EncodedFaces):
    """The images of a verification file as a face set, two for each pair one after the other, of unknown identity."""

    def __init__(self, path: Path | str, options: ReadOptions = ReadOptions()) -> None:
        self.path = Path(path)
        self._images, self.genuine = read_bin(self.path)
        keys = [f"{index:06d}" for index in range(len(self._images))]
        super().__init__(self.path.stem, options, np.full(len(keys), -1), keys)
        self.pairs = bin_pairs(self)

    def content(self, index: int) -> bytes:
        """Return the image file's bytes of a face."""
        return self._images[index]

    def face_digests(self) -> np.ndarray:
        """Return a digest of each face, from the checksum of the file."""
        return place_digests([(checksum(self.path), self._salt())], np.zeros(len(self), int), np.arange(len(self)))


def bin_pairs(faces: BinFaces, folds: int = 10) -> Pairs:
    """Return the file's pairs, in consecutive folds of equal size as InsightFace's evaluation makes them."""
    first = np.arange(len(faces.genuine)) * 2
    # As scikit-learn's KFold without shuffling, the first count % folds folds have one more.
    sizes = [len(part) for part in np.array_split(first, folds)]
    return Pairs(first, first + 1, faces.genuine, np.repeat(np.arange(folds), sizes))


def read_bin(path: Path) -> tuple[list[bytes], np.ndarray]:
    """Read a verification file: 2 P images as bytes, and which pairs are genuine, bool (P,)."""
    try:
        images, genuine = load_plain(path.read_bytes(), str(path))
        if not isinstance(images, list | tuple) or not isinstance(genuine, list | tuple):
            raise ValueError("not two lists")
        if len(images) != 2 * len(genuine) or not genuine:
            raise ValueError(f"{len(images)} images for {len(genuine)} pairs")
        if not all(isinstance(image, bytes) for image in images):
            raise ValueError("an image is not bytes")
        if not all(isinstance(same, int) and same in (0, 1) for same in genuine):
            raise ValueError("a pair is neither genuine nor impostor")
    except (OSError, ValueError, TypeError) as error:
        what = f"{path} is not an InsightFace verification file ({str(error)[:100]})"
        raise GdrdError(what, "Name a whole file such as lfw.bin") from error
    return list(images), np.array(genuine, bool)


def load_plain(content: bytes, name: str) -> Any:
    """Unpickle lists, tuples, bytes, integers, booleans and strings, and refuse everything else."""
    try:
        _refuse_anything_else(content, name)
        return _Plain(io.BytesIO(content), encoding="bytes").load()
    except GdrdError:
        raise
    except Exception as error:  # damaged pickles raise nearly anything
        raise ValueError(f"damaged: {error}") from error


def _refuse_anything_else(content: bytes, name: str) -> None:
    """Walk the pickle's instructions without running one; only those of plain values may be there.

    The old way to write bytes calls _codecs.encode; that one name, and the call after it, are let through to _Plain.
    """
    latin = False
    for code, argument, _ in pickletools.genops(content):
        if code.name == "GLOBAL" and argument == " ".join(LATIN):
            latin = True
        elif code.name not in ALLOWED and not (code.name == "REDUCE" and latin):
            do = "Only lists of bytes and booleans are read; do not open this file with pickle either"
            raise GdrdError(f"{name} holds a pickled {argument or code.name}, which could run a program", do)


class _Plain(pickle.Unpickler):
    """An unpickler that finds no class or function except our replacement of _codecs.encode."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == LATIN:
            return _latin
        raise GdrdError(f"A pickle asks for {module}.{name}", "Only lists of bytes and booleans are read")


def _latin(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise ValueError("no bytes")
    return text.encode("latin1")

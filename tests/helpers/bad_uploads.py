"""Files that nobody should upload as a face, of more than 30 kinds, made from nothing."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import wave
import zipfile
import zlib

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, content: bytes = b"", extra: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/passwd"), io.BytesIO(b""))
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("../../face.png", b"0" * 100)
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(8000)
        target.writeframes(b"\0" * 800)
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((112, 112, 3), np.uint8))
    return file.getvalue()


def bad_uploads() -> dict[str, bytes]:
    """Return file name to content: no images, damaged images, bombs, images that are too small, and no faces."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8))
    blank = Image.new("RGB", (200, 200), "white")
    jpeg, good_png = encoded(noise, "JPEG"), encoded(noise, "PNG")
    gif_bomb = (
        b"GIF89a" + struct.pack("<HHBBB", 60000, 60000, 0, 0, 0) + b",\0\0\0\0" + struct.pack("<HHB", 60000, 60000, 0)
    )
    bmp_bomb = (
        b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 40000, 40000, 1, 24, *[0] * 6)
    )
    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><svg>&b;</svg>'
    text = b"many words " * 3
    return {
        "empty.png": b"",
        "words.txt": text,
        "words.jpg": text,
        "page.html": b"<html><script>alert(1)</script></html>",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>',
        "laughs.svg": laughs.encode(),
        "paper.pdf": b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>",
        "program.exe": b"MZ" + b"\0" * 200,
        "program.elf": b"\x7fELF" + b"\0" * 200,
        "script.py": b"import os; os.system('true')",
        "archive.zip": zipped(),
        "archive.tar": archive(),
        "archive.gz": gzip.compress(jpeg),
        "data.json": json.dumps({"face": 1}).encode(),
        "data.pickle": pickle.dumps({"face": 1}),
        "data.npy": array(),
        "weights.safetensors": struct.pack("<Q", 2**60) + b"{}",
        "sound.wav": sound(),
        "film.mp4": b"\0\0\0\x20ftypisom" + b"\0" * 100,
        "photo.heic": b"\0\0\0\x18ftypheic" + b"\0" * 100,
        "layers.psd": b"8BPS\0\x01" + b"\0" * 100,
        "print.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage",
        "zeros.png": b"\0" * 1000,
        "random.jpg": np.random.default_rng(1).bytes(3000),
        "wide-words.txt": "many words".encode("utf-16"),
        "truncated.jpg": jpeg[: len(jpeg) // 3],
        "truncated.png": good_png[: len(good_png) // 3],
        "header.jpg": jpeg[:20],
        "header.webp": b"RIFF\x24\0\0\0WEBPVP8 ",
        "header.tif": b"II*\0\x08\0\0\0",
        "header.avif": b"\0\0\0\x20ftypavif" + b"\0" * 60,
        "checksum.png": good_png[:60] + b"\xff" * 40 + good_png[100:],
        "bomb.png": png(50_000, 50_000, b"\0" * 1000),
        "bomb.gif": gif_bomb,
        "bomb.bmp": bmp_bomb,
        "text-bomb.png": png(120, 120, b"", chunk(b"zTXt", b"k\0\0" + zlib.compress(b"A" * 80_000_000))),
        "dot.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "line.png": encoded(Image.new("RGB", (900, 3)), "PNG"),
        "noise.jpg": jpeg,
        "blank.png": encoded(blank, "PNG"),
        "blank.gif": encoded(blank, "GIF"),
    }

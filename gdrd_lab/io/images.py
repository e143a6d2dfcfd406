"""Image files of any common kind as uint8 RGB arrays, or one clear line about what is wrong with the file."""

import io
import math
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from gdrd_lab.errors import GdrdError

MIN_SIDE = 4
MAX_PIXELS = 50_000_000
# Pillow's other readers are left out: some start programs (EPS), some are rare and little tested.
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
KINDS = "jpg jpeg jpe jfif png gif bmp webp tif tiff ppm pgm pbm pnm jp2 j2k avif"
SUFFIXES = frozenset(f".{kind}" for kind in KINDS.split())
# Photographs of telephones that Pillow cannot read (HEIC), or only some builds of it (AVIF), by the name in the file.
HEIF = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}
REPLACE = "Give a whole image file such as JPEG or PNG"


def read_image(source: str | Path | bytes | BinaryIO, most_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read an image file as uint8 (H, W, 3), RGB, upright.

    The EXIF orientation is applied, transparency is laid on white, 16-bit grey is divided by 257, and of an animation
    the first frame is taken. An image of more than ``most_pixels`` is reduced by a whole factor, a JPEG while it is
    decoded and others in strips.
    """
    _prepare_pillow()
    name, file = _opened(source)
    with file:
        try:
            image = Image.open(file, formats=[kind for kind in FORMATS if kind in Image.OPEN])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_large(name, "") from error
        except Exception as error:  # decoders of damaged files raise nearly anything, here and below
            raise _unreadable(name, file) from error
        width, height = image.size
        if min(width, height) < MIN_SIDE:
            do = f"Give an image of at least {MIN_SIDE} pixels a side"
            raise GdrdError(f"{name} is {width} x {height} pixels", do)
        if width * height > MAX_PIXELS:
            raise _too_large(name, f"{width} x {height}, ")
        try:
            factor = math.ceil(math.sqrt(width * height / most_pixels))
            image.draft("RGB", (width // factor, height // factor))
            image.load()
            _turn_upright(image)
            factor = math.ceil(math.sqrt(image.width * image.height / most_pixels))
            return _to_rgb(image) if factor == 1 else _reduced(image, factor)
        except Exception as error:
            raise GdrdError(f"{name} is truncated or damaged ({_reason(error)})", REPLACE) from error


@lru_cache(maxsize=1)
def _prepare_pillow() -> None:
    """Load Pillow's readers; ignore its warnings of damaged metadata, and of size, which is checked here.

    The filter is set once and stays: several threads that set and restore filters around each image would leave the
    process's filters in disorder.
    """
    Image.init()
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _opened(source: str | Path | bytes | BinaryIO) -> tuple[str, BinaryIO]:
    if isinstance(source, (str, Path)):
        path = Path(source)
        try:
            if path.is_dir():
                do = "Name a file in it, or use it as a folder of faces"
                raise GdrdError(f"{path} is a folder, not an image", do)
            size = path.stat().st_size
            file: BinaryIO = path.open("rb")
        except (OSError, ValueError) as error:
            do = "Check the path and its permissions"
            raise GdrdError(f"{path} cannot be read ({_reason(error)})", do) from error
        name = str(path)
    else:
        content = source if isinstance(source, bytes) else source.read()
        name, size, file = str(getattr(source, "name", None) or "The image"), len(content), io.BytesIO(content)
    if size == 0:
        file.close()
        raise GdrdError(f"{name} is an empty file", REPLACE)
    return name, file


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:80]


def _unreadable(name: str, file: BinaryIO) -> GdrdError:
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp" and (kind := HEIF.get(head[8:])):
        return GdrdError(f"{name} is a photograph of kind {kind}, which cannot be read here", "Save it as JPEG")
    return GdrdError(f"{name} cannot be read as an image", REPLACE)


def _too_large(name: str, sides: str) -> GdrdError:
    limit = MAX_PIXELS // 1_000_000
    return GdrdError(f"{name} has too many pixels ({sides}more than {limit} million)", "Give a smaller copy of it")


def _turn_upright(image: Image.Image) -> None:
    with suppress(Exception):  # a damaged EXIF block says nothing about which way is up
        ImageOps.exif_transpose(image, in_place=True)


def _reduced(image: Image.Image, factor: int) -> np.ndarray:
    """Reduce an image by averaging; only a strip of it is RGB at full size at any time."""
    if image.mode in ("I", "F"):  # their white depends on the whole image
        return _to_rgb(image.reduce(factor))
    tops = range(0, image.height, 64 * factor)
    strips = (image.crop((0, top, image.width, min(top + tops.step, image.height))) for top in tops)
    return np.concatenate([np.array(Image.fromarray(_to_rgb(strip)).reduce(factor)) for strip in strips])


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        grey = _eight_bit(np.asarray(image), image.mode)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    # A copy: arrays that look into Pillow's buffer are read-only.
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _eight_bit(values: np.ndarray, mode: str) -> np.ndarray:
    """Bring deep grey to uint8: 16-bit by its whole range, floats by 1, 255 or 65535, the rest by its maximum."""
    grey = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0).clip(min=0)
    limits = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)
    white = next((limit for limit in limits if grey.max() <= limit), grey.max())
    return np.rint(grey * (255 / white)).astype(np.uint8)

"""A drawn face that YuNet takes for one, so that tests need nobody's photograph."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SKINS = ((215, 170, 140), (150, 105, 75), (235, 200, 180))


def drawn_face(size: int = 200, skin: int = 0) -> np.ndarray:
    """A face in the middle of a picture, uint8 (size, size, 3); its eyes lie at 0.4 and 0.6 of the width, 0.45 high."""
    s, tone = size * 2, SKINS[skin]
    image = Image.new("RGB", (s, s), (90, 120, 90))
    draw = ImageDraw.Draw(image)

    def shade(by: float) -> tuple[int, ...]:
        return tuple(int(value * by) for value in tone)

    def ellipse(x: float, y: float, rx: float, ry: float, colour: tuple[int, ...]) -> None:
        draw.ellipse(((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s), fill=colour)

    ellipse(0.5, 0.42, 0.3, 0.34, (50, 35, 25))
    draw.rectangle((0.42 * s, 0.78 * s, 0.58 * s, s), fill=shade(0.85))
    ellipse(0.5, 1.05, 0.4, 0.16, (60, 60, 120))
    ellipse(0.5, 0.5, 0.25, 0.34, tone)
    for x in (0.4, 0.6):
        ellipse(x, 0.45, 0.055, 0.028, (245, 245, 245))
        ellipse(x, 0.45, 0.026, 0.027, (60, 40, 30))
        ellipse(x, 0.45, 0.012, 0.012, (10, 10, 10))
        brow = ((x - 0.07) * s, 0.36 * s, (x + 0.07) * s, 0.46 * s)
        draw.arc(brow, 200, 340, fill=(50, 35, 25), width=max(1, int(0.016 * s)))
        ellipse(x, 0.475, 0.05, 0.012, shade(0.9))
    draw.polygon([(0.5 * s, 0.46 * s), (0.46 * s, 0.6 * s), (0.54 * s, 0.6 * s)], fill=shade(0.88))
    ellipse(0.48, 0.6, 0.012, 0.008, (110, 70, 60))
    ellipse(0.52, 0.6, 0.012, 0.008, (110, 70, 60))
    ellipse(0.5, 0.7, 0.085, 0.03, (170, 80, 80))
    draw.line((0.415 * s, 0.7 * s, 0.585 * s, 0.7 * s), fill=(110, 50, 50), width=max(1, int(0.008 * s)))
    small = image.filter(ImageFilter.GaussianBlur(0.008 * s)).resize((size, size), Image.Resampling.LANCZOS)
    return np.array(small)


def scenery(height: int = 200, width: int = 300) -> np.ndarray:
    """A picture without a face: a smooth ramp, uint8 (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 200 // width, y * 200 // height, 255 - x * 200 // width], -1).astype(np.uint8)


def save(path: Path, image: np.ndarray, **options: object) -> Path:
    """Save an image, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)  # type: ignore[arg-type]
    return path


def encoded(image: np.ndarray, form: str = "PNG") -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, form)
    return file.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    """Write an uncompressed tar file."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def noise_face(seed: int, size: int = 112) -> np.ndarray:
    """Noise in place of an aligned face, uint8 (size, size, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)

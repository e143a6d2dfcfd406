"""Every kind of image file becomes uint8 RGB, and every kind of bad file becomes one clear line."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, features

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.images import MAX_PIXELS, read_image


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.fixture
def drawing() -> Image.Image:
    """A head-like drawing, 40 wide and 30 high, its top left pixel red."""
    image = Image.new("RGB", (40, 30), (30, 60, 200))
    draw = ImageDraw.Draw(image)
    draw.ellipse((10, 5, 30, 25), fill=(220, 170, 140))
    image.putpixel((0, 0), (255, 0, 0))
    return image


def refusal(source: object) -> str:
    with pytest.raises(GdrdError) as caught:
        read_image(source)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, with next to no content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels(form: str, drawing: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "face.img"
    path.write_bytes(encode(drawing, form))
    with path.open("rb") as file:
        from_file = read_image(file)
    for pixels in (read_image(path), read_image(str(path)), read_image(path.read_bytes()), from_file):
        assert pixels.dtype == np.uint8 and pixels.flags.writeable
        np.testing.assert_array_equal(pixels, np.asarray(drawing))


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "JPEG2000", *(["AVIF"] if features.check("avif") else [])])
def test_lossy_formats_come_close(form: str) -> None:
    y, x = np.mgrid[:48, :64]
    ramp = np.stack([x * 4, y * 5, 255 - x * 2], -1).astype(np.uint8)
    error = read_image(encode(Image.fromarray(ramp), form)).astype(float) - ramp
    assert np.abs(error).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, drawing: Image.Image) -> None:
    array = np.asarray(drawing)
    # What a viewer must do to the stored pixels (EXIF 2.3, tag 0x0112), inverted to store them.
    stored = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.transpose(1, 0, 2),
        6: np.rot90(array, 1),
        7: array[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(array, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(content), array)


def test_grey_becomes_three_equal_channels() -> None:
    grey = np.arange(100, dtype=np.uint8).reshape(10, 10)
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(grey), "PNG")), np.stack([grey] * 3, -1))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_cut(form: str) -> None:
    deep = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    pixels = read_image(encode(Image.fromarray(deep), form))
    np.testing.assert_array_equal(pixels[..., 1], np.rint(deep / 257).astype(np.uint8))


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_float_tiff_is_scaled_by_its_range(white: float) -> None:
    ramp = np.linspace(0, white, 256, dtype=np.float32).reshape(16, 16)
    ramp[0, 0] = np.nan
    pixels = read_image(encode(Image.fromarray(ramp), "TIFF"))
    np.testing.assert_allclose(pixels[..., 0].reshape(-1), np.arange(256), atol=1)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 51)).convert(mode)
    image.putpixel((0, 0), (0,) * (len(mode) - 1) + (0,))
    pixels = read_image(encode(image, "PNG"))
    assert pixels[0, 0].tolist() == [255] * 3
    assert pixels[4, 4].tolist() == [204] * 3  # 255 * (1 - 51 / 255)


def test_palette_with_and_without_transparency(drawing: Image.Image) -> None:
    palette = drawing.quantize(8)
    np.testing.assert_array_equal(read_image(encode(palette, "PNG")), np.asarray(palette.convert("RGB")))
    index = palette.getpixel((0, 0))
    assert read_image(encode(palette, "PNG", transparency=index))[0, 0].tolist() == [255] * 3


def test_cmyk_jpeg_has_the_right_colours() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan: red
    red = read_image(encode(image, "JPEG", quality=95)).mean((0, 1))
    assert red[0] > 240 and red[1] < 15 and red[2] < 15


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_animation_gives_its_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (12, 12), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    pixels = read_image(encode(frames[0], form, save_all=True, append_images=frames[1:], duration=50))
    assert pixels.shape == (12, 12, 3)
    assert pixels[6, 6, 0] > 240 and pixels[6, 6, 1:].max() < 15


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "GIF", "WEBP"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_truncated_files_are_refused(form: str, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = encode(Image.fromarray(noise), form)
    assert "whole image file" in refusal(content[: int(len(content) * part)])


@pytest.mark.parametrize("size", [(1, 1), (3, 100), (100, 3)])
def test_tiny_images_are_refused_with_their_size(size: tuple[int, int]) -> None:
    assert f"{size[0]} x {size[1]} pixels" in refusal(encode(Image.new("RGB", size), "PNG"))


def test_4_pixels_are_enough() -> None:
    assert read_image(encode(Image.new("L", (8, 8)), "PNG")).shape == (8, 8, 3)
    assert read_image(encode(Image.new("L", (4, 5)), "PNG")).shape == (5, 4, 3)


def test_20000_pixels_wide_and_thin_is_read() -> None:
    assert read_image(encode(Image.new("L", (20_000, 10)), "PNG")).shape == (10, 20_000, 3)


@pytest.mark.parametrize("size", [(20_000, 4_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_by_their_header(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    def decode(self: Image.Image) -> None:
        raise AssertionError("decoded")

    assert size[0] * size[1] > MAX_PIXELS
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    message = refusal(png_header(*size))
    assert "more than 50 million" in message and "smaller copy" in message
    assert not recwarn.list


def test_bomb_is_one_line_for_a_user_too(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(10_000, 10_000))  # in the range where Pillow warns
    code = (
        "import sys; from gdrd_lab.io import images\ntry: images.read_image(sys.argv[1])\n"
        "except Exception as e: print(e)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert run.stderr == "" and run.stdout.count("\n") == 1 and "10000 x 10000" in run.stdout


def test_reading_in_threads_leaves_warnings_alone(drawing: Image.Image) -> None:
    content, before = encode(drawing, "PNG"), list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read_image, [content] * 400))
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", stacklevel=1)


def test_file_that_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("Dear diary, today I am a photograph.")
    assert "notes.jpg cannot be read as an image" in refusal(path)


@pytest.mark.parametrize(("brand", "kind"), [(b"heic", "HEIC"), (b"mif1", "HEIF"), (b"heix", "HEIC")])
def test_photographs_of_telephones_are_named(brand: bytes, kind: str) -> None:
    content = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + brand + b"mif1" + b"\0" * 200
    with pytest.raises(GdrdError, match=f"The image is a photograph of kind {kind}, .* Save it as JPEG"):
        read_image(content)


def test_formats_that_start_other_programs_are_not_tried() -> None:
    assert "as an image" in refusal(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n")


def test_empty_missing_and_folder(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert "empty file" in refusal(tmp_path / "empty.png")
    assert "empty file" in refusal(b"")
    assert "cannot be read (No such file" in refusal(tmp_path / "missing.png")
    assert "is a folder" in refusal(tmp_path)
    assert "cannot be read" in refusal("a\0b.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # as the module's own filter does where warnings are no errors
def test_damaged_exif_does_not_cost_the_picture(drawing: Image.Image) -> None:
    content = encode(drawing, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff garbage")
    assert read_image(content).shape == (30, 40, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I;16", "I", "F"])
def test_a_large_image_is_reduced_to_its_averages(mode: str) -> None:
    """Also where its strips end: 3 x 64 rows are one."""
    values = np.random.default_rng(0).integers(0, 256, (420, 300)).repeat(3, 0).repeat(3, 1)[:600, :600].astype("uint8")
    grey = Image.fromarray(values)
    if mode in ("I;16", "I"):
        image = Image.fromarray(values.astype("uint16" if mode == "I;16" else "int32") * 257)
    else:
        image = grey.convert("RGB").quantize(256) if mode == "P" else grey.convert(mode)
    content = encode(image, "TIFF" if mode in ("I", "F") else "PNG")
    whole, small = read_image(content), read_image(content, 40_000)
    assert small.shape == (200, 200, 3) and np.abs(small.astype(int) - whole[1::3, 1::3]).max() <= 1


def test_a_large_jpeg_is_decoded_small_and_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    ramp = np.linspace(0, 255, 640).astype("uint8")[None, :, None].repeat(400, 0).repeat(3, 2)
    content = encode(Image.fromarray(ramp), "JPEG", exif=exif)
    sizes = []
    monkeypatch.setattr("gdrd_lab.io.images._to_rgb", lambda image: sizes.append(image.size) or np.array(image))
    small = read_image(content, 640 * 400 // 4)
    assert sizes == [(200, 320)]  # it was never larger
    assert small.shape == (320, 200, 3) and np.diff(small[:, 50, 0].astype(int)).min() >= -2 and small[-1, 0, 0] > 245

"""Degradations: seeded per face, in range, each doing what its formula says."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gdrd_lab.errors import GdrdError
from gdrd_lab.transforms.augmentation import AugmentConfig
from gdrd_lab.transforms.degradation import Degradation, add_noise, blur, illuminate, jpeg, occlude
from gdrd_lab.transforms.resize import downscale, luma

EVERYTHING = Degradation(16, blur=1.5, noise=0.05, jpeg=60, illumination=0.5, occlusion=0.1)


@pytest.fixture
def faces() -> torch.Tensor:
    smooth = torch.rand(6, 3, 14, 14, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(smooth, (112, 112), mode="bilinear", align_corners=False)


def test_a_face_degrades_alike_in_any_batch(faces: torch.Tensor) -> None:
    seeds = [7, 1, 5, 2, 9, 4]
    together = EVERYTHING(faces, seeds)
    alone = torch.cat([EVERYTHING(faces[i : i + 1], seeds[i : i + 1]) for i in range(6)])
    assert torch.allclose(together, alone, atol=2 / 255)  # one JPEG level of rounding at most
    assert not torch.allclose(EVERYTHING(faces, [8] * 6), together, atol=0.02)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 112])
def test_result_has_the_resolution_and_the_range(faces: torch.Tensor, resolution: int) -> None:
    out = Degradation(resolution, noise=0.3)(faces, range(6))
    assert out.shape == (6, 3, resolution, resolution)
    assert out.min() >= 0 and out.max() <= 1


def test_downscale_agrees_with_pillow_bicubic(faces: torch.Tensor) -> None:
    image = (faces[0] * 255).round().byte().permute(1, 2, 0).numpy()
    ours = downscale(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255, 16)[0].permute(1, 2, 0).numpy() * 255
    pillow = np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC), np.float32)
    assert np.abs(ours - pillow).max() <= 1.0  # pillow rounds to integers between its two passes


def test_blur_is_a_normalised_gaussian() -> None:
    point = torch.zeros(1, 3, 41, 41)
    point[..., 20, 20] = 1
    spread = blur(point, 2.0)[0, 0].numpy()
    y, x = np.mgrid[-20:21, -20:21]
    expected = np.exp(-(x**2 + y**2) / 8) / (2 * np.pi * 4)
    assert np.abs(spread - expected).max() < 2e-4
    assert spread.sum() == pytest.approx(1, abs=1e-5)


def test_noise_has_the_standard_deviation_it_says() -> None:
    grey = torch.full((64, 3, 16, 16), 0.5)
    out = Degradation(16, noise=0.08)(grey, range(64))
    assert (out - 0.5).std().item() == pytest.approx(0.08, rel=0.02)
    assert add_noise(grey, 0.0, grey) is grey


def test_occlusion_covers_the_share_it_says(faces: torch.Tensor) -> None:
    centres = torch.rand(6, 2, generator=torch.Generator().manual_seed(1))
    covered = (occlude(faces * 0.4, 0.25, centres) == 0.5).all(1).float().mean((1, 2))
    assert torch.allclose(covered, torch.full((6,), 0.25), atol=0.01)


def test_illumination_brightens_one_side_and_darkens_the_other() -> None:
    grey = torch.full((1, 3, 32, 32), 0.5)
    lit = illuminate(grey, 0.5, torch.zeros(1))
    assert lit[0, 0, 0, -1].item() == pytest.approx(0.75) and lit[0, 0, 0, 0].item() == pytest.approx(0.25)
    assert illuminate(grey, -0.5, torch.zeros(1))[0, 0, 0, 0].item() == pytest.approx(0.75)


def test_jpeg_is_pillows(faces: torch.Tensor) -> None:
    file = io.BytesIO()
    pixels = (faces[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=20)
    expected = np.asarray(Image.open(file), np.float32) / 255
    assert np.abs(jpeg(faces[:1], 20)[0].permute(1, 2, 0).numpy() - expected).max() < 1e-6


@pytest.mark.parametrize(
    "values",
    [
        {"resolution": 0},
        {"resolution": 2},
        {"resolution": 500},
        {"resolution": 16.5},
        {"resolution": float("nan")},
        {"blur": -1},
        {"blur": float("nan")},
        {"blur": float("inf")},
        {"noise": 2},
        {"noise": float("nan")},
        {"jpeg": 0},
        {"jpeg": 75.5},
        {"illumination": float("nan")},
        {"illumination": "bright"},
        {"occlusion": 1.0},
        {"occlusion": float("nan")},
    ],
)
def test_values_out_of_range_are_named(values: dict) -> None:
    with pytest.raises(GdrdError, match=f"{next(iter(values))}=.*Choose"):
        Degradation(**values)


def test_a_seed_per_face_is_required(faces: torch.Tensor) -> None:
    with pytest.raises(GdrdError, match="2 seeds for 6 faces"):
        EVERYTHING(faces, [1, 2])


def test_description_names_what_is_on() -> None:
    assert Degradation(8, noise=0.1).describe() == "8 px, noise 0.1"
    assert Degradation(None).describe() == "native"


@pytest.mark.parametrize(
    "values", [{"shift": -1}, {"shift": float("nan")}, {"scale": 1}, {"rotate": 360}, {"colour": float("inf")}]
)
def test_augmentation_out_of_range_is_named(values: dict[str, float]) -> None:
    with pytest.raises(GdrdError, match=f"{next(iter(values))}=.*Choose"):
        AugmentConfig(**values)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    assert Degradation(np.int64(16), noise=np.float32(0.1), blur=1).describe() == "16 px, blur 1, noise 0.1"


def test_luma_of_pure_colours() -> None:
    colours = torch.eye(3)[:, :, None, None]
    assert luma(colours).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])
    assert luma(torch.ones(1, 3, 2, 2)).flatten().tolist() == pytest.approx([1] * 4)

"""The camera model: each effect alone, the order, the seeds and the presets."""

import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image

from gdrd_lab.alignment.template import TEMPLATE, similarity
from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.transforms import camera as c
from gdrd_lab.transforms.light import shade
from gdrd_lab.transforms.optics import KERNEL_RADIUS, LANDMARK_CENTRE, LANDMARK_SPREAD, RESIZE, blur_kernels, misalign
from gdrd_lab.transforms.resize import downscale
from gdrd_lab.transforms.sensor import interlace, sensor_noise

EFFECTS = sorted({*c.HIGHEST_STRENGTH} - {"anisotropy"})
WEAK = {name: 0.25 * highest for name, highest in c.HIGHEST_STRENGTH.items()}


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    made = synthetic_faces(identities=4, per_identity=2, size=112)
    return to_tensor([made[i] for i in range(8)])


@pytest.mark.parametrize("name", sorted(c.PRESETS))
@pytest.mark.parametrize("resolution", [None, 4, 16, 112])
def test_presets_keep_range_and_size_and_depend_on_the_face_alone(
    name: str, resolution: int | None, faces: torch.Tensor
) -> None:
    camera = c.preset(name, resolution)
    out = camera(faces, range(8))
    assert out.shape == (8, 3, *[resolution or 112] * 2) and out.min() >= 0 and out.max() <= 1
    assert torch.equal(out, camera(faces, range(8)))
    order = [5, 2, 7]
    assert torch.equal(camera(faces[order], order), out[order])
    if name != "clean":
        assert not torch.equal(camera(faces, range(8, 16)), out)


@pytest.mark.parametrize("effect", EFFECTS)
def test_strength_zero_changes_nothing(effect: str, faces: torch.Tensor) -> None:
    assert torch.equal(c.single(effect, 0.0)(faces, range(8)), downscale(faces, 16))
    never = c.replace(c.Camera(16), **{effect: c.Strength(0, WEAK[effect], probability=0.0)})
    assert torch.equal(never(faces, range(8)), downscale(faces, 16))


@pytest.mark.parametrize("effect", EFFECTS)
def test_distance_to_the_clean_face_grows_with_strength(effect: str, faces: torch.Tensor) -> None:
    resolution = 112 if effect in ("motion", "photo_jpeg", "detour") else 16
    clean = c.Camera(resolution)(faces, range(8))
    distances = [
        float((c.single(effect, share * c.HIGHEST_STRENGTH[effect], resolution)(faces, range(8)) - clean).abs().mean())
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert distances[0] == 0 and all(a < b for a, b in itertools.pairwise(distances)), distances


def test_effects_that_are_sometimes_absent_leave_that_share_of_faces_alone(faces: torch.Tensor) -> None:
    camera = c.replace(c.Camera(16), read_noise=c.Strength(0.2, 0.2, probability=0.3))
    many = faces[:1].expand(400, -1, -1, -1)
    changed = (camera(many, range(400)) - downscale(many, 16)).abs().amax((1, 2, 3)) > 0
    assert abs(float(changed.float().mean()) - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 400)


def test_noise_has_the_variance_of_the_formula() -> None:
    """Var = shot x + read^2, measured on constant grey faces far from 0 and 1."""
    for grey in (0.3, 0.6):
        plain = torch.full((200, 3, 16, 16), grey)
        noise = torch.randn(plain.shape, generator=torch.Generator().manual_seed(0))
        shot, read = torch.full((200,), 0.004), torch.full((200,), 0.03)
        out = sensor_noise(plain, shot, read, noise, torch.zeros(200, dtype=torch.bool))
        expected = 0.004 * grey + 0.03**2
        assert float(out.var()) == pytest.approx(expected, rel=0.02)
        same = sensor_noise(plain, shot, read, noise, torch.ones(200, dtype=torch.bool))
        assert torch.equal(same[:, 0], same[:, 2]) and not torch.equal(out[:, 0], out[:, 2])


@pytest.mark.parametrize(("sigma", "anisotropy", "motion"), [(2.0, 0.0, 0.0), (2.5, 0.6, 0.0), (1.0, 0.0, 9.0)])
def test_blur_kernels_have_the_moments_of_the_formula(sigma: float, anisotropy: float, motion: float) -> None:
    """Variance along the angle sigma^2 + length^2 / 12, across it (sigma (1 - anisotropy))^2."""
    angle = torch.tensor([0.0, 0.7, math.pi / 2])
    one = torch.ones(3)
    kernel = blur_kernels(sigma * one, anisotropy * one, motion * one, angle).double()
    grid = torch.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1).double()
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    cos, sin = (f(angle.double())[:, None, None] for f in (torch.cos, torch.sin))
    along = (kernel * (x * cos + y * sin) ** 2).sum((1, 2))
    across = (kernel * (y * cos - x * sin) ** 2).sum((1, 2))
    assert torch.allclose(kernel.sum((1, 2)), torch.ones(3).double(), atol=1e-6)
    assert torch.allclose(along, torch.full_like(along, sigma**2 + motion**2 / 12), rtol=0.06, atol=0.02)
    assert torch.allclose(across, torch.full_like(across, (sigma * (1 - anisotropy)) ** 2), rtol=0.06, atol=0.15)


def test_lanczos_follows_pillow(faces: torch.Tensor) -> None:
    image = Image.fromarray((faces[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    ours = RESIZE["lanczos"](torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255, 16)[0]
    theirs = np.array(image.resize((16, 16), Image.Resampling.LANCZOS)).astype(np.float32) / 255
    assert np.abs(ours.clamp(0, 1).permute(1, 2, 0).numpy() - theirs).max() < 0.02


def test_covered_share_of_the_face_is_the_one_asked_for(faces: torch.Tensor) -> None:
    for name, region in (("block", 1.0), ("mask", 0.76 * 0.4), ("sunglasses", 0.76 * 0.2)):
        camera = c.replace(c.single("occlusion", 0.5, 112), occluders=(name,))
        changed = (camera(faces, range(8)) != faces).any(1).float().mean()
        assert float(changed) == pytest.approx(0.5 * region, abs=0.02)


def test_misalignment_has_the_spread_of_a_fit_to_wrong_landmarks() -> None:
    """The parameters drawn directly against similarities fitted to landmarks with independent errors."""
    rng = np.random.default_rng(0)
    fits = np.stack([similarity(TEMPLATE, TEMPLATE + rng.normal(0, 2.0, (5, 2))) for _ in range(4000)])
    centre = np.append(TEMPLATE.mean(0), 1)
    moved = fits @ centre - TEMPLATE.mean(0)
    assert moved.std(0) == pytest.approx([2 / math.sqrt(5)] * 2, rel=0.05)
    assert fits[:, 0, 0].std() == pytest.approx(2 / LANDMARK_SPREAD, rel=0.05)
    assert fits[:, 1, 0].std() == pytest.approx(2 / LANDMARK_SPREAD, rel=0.05)
    assert TEMPLATE.mean(0) == pytest.approx(LANDMARK_CENTRE, abs=1e-3)


def test_misalignment_moves_and_turns_about_the_landmarks(faces: torch.Tensor) -> None:
    """An error of b = (3, -2) pixels is a shift of the picture by that vector."""
    errors = torch.tensor([3.0, -2.0, 0.0, 0.0]).expand(8, 4) * math.sqrt(5)
    moved = misalign(faces, torch.ones(8), errors)
    assert torch.allclose(moved[..., 4:-4, 4:-4], faces[..., 2:-6, 7:-1], atol=1e-4)
    point = torch.zeros(1, 3, 112, 112)
    point[..., 70:74, 54:58] = 1.0
    turned = misalign(point, torch.ones(1), torch.tensor([[0.0, 0.0, 0.0, 0.5]]) * LANDMARK_SPREAD)
    assert turned[0, 0, 71:73, 55:57].min() > 0.99  # the landmarks' mean stays where it is


def test_hard_light_darkens_the_side_that_is_turned_away(faces: torch.Tensor) -> None:
    grey = torch.full((2, 3, 112, 112), 0.4)
    lit = shade(grey, torch.ones(2), torch.tensor([[1.2, 0.0], [-1.2, 0.0]]))
    assert lit[0, 0, 40:80, 80:100].mean() > 3 * lit[0, 0, 40:80, 12:32].mean()
    assert torch.allclose(lit[0], lit[1].flip(-1), atol=1e-5)
    above = shade(grey[:1], torch.ones(1), torch.tensor([[0.0, 0.9]]))
    assert above[0, 0, :40].mean() > above[0, 0, -30:].mean()


def test_interlacing_moves_odd_rows_only(faces: torch.Tensor) -> None:
    out = interlace(faces, torch.ones(8))
    assert torch.equal(out[:, :, ::2], faces[:, :, ::2])
    assert torch.equal(out[:, :, 1::2, 1:], faces[:, :, 1::2, :-1])


@pytest.mark.parametrize(
    "values",
    [
        {"resolution": 2},
        {"blur": c.Strength(0, 99)},
        {"exposure": c.Strength(-5, 1)},
        {"kernels": ("magic",)},
        {"kernels": ()},
        {"occluders": ("hat",)},
        {"grey_noise": -1.0},
    ],
)
def test_values_out_of_range_are_named(values: dict[str, object]) -> None:
    with pytest.raises(GdrdError):
        c.Camera(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [(5, 1), (float("nan"), 0.1), (0, 1, 2)])
def test_strengths_out_of_range_are_named(values: tuple[float, ...]) -> None:
    with pytest.raises(GdrdError, match="out of range"):
        c.Strength(*values)


def test_unknown_preset_and_missing_seed(faces: torch.Tensor) -> None:
    with pytest.raises(GdrdError, match="Use clean, webcam"):
        c.preset("telescope")
    with pytest.raises(GdrdError, match="one seed per face"):
        c.clean()(faces, [1])


def test_rounding_below_zero_leaves_noise_finite(faces: torch.Tensor) -> None:
    """A blurred black face can be a little below 0, where shot noise has no variance."""
    black = torch.zeros_like(faces) - 1e-7
    noise = sensor_noise(black, torch.full((8,), 0.02), torch.zeros(8), torch.randn(black.shape), torch.zeros(8) > 0)
    assert torch.equal(noise, torch.zeros_like(noise))
    dark = c.replace(c.training(112), untouched=0.0, shot_noise=c.Strength(0.02, 0.02), detour=c.OFF)
    assert all(bool(dark(faces**4, range(k, k + 8)).isfinite().all()) for k in range(0, 64, 8))

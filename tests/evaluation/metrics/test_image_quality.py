from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET, EmbedOptions
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.image_quality import (
    bicubic,
    compare_steps,
    identity,
    kernel_distance,
    psnr,
    quality,
    read_quality,
    ssim,
)
from gdrd_lab.evaluation.results import write_rows
from gdrd_lab.training import recipes
from gdrd_lab.training.stages.diffusion import build_pipeline
from gdrd_lab.transforms.degradation import Degradation


class Pooled:
    name, embedding_size = "pooled", 48

    def embed(self, faces: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(faces, 4).flatten(1) - 0.5, dim=1)


@pytest.fixture
def faces() -> ArrayFaces:
    smooth = F.interpolate(torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(0)), 32, mode="bilinear")
    pixels = (smooth * 255).byte().permute(0, 2, 3, 1).numpy()
    return ArrayFaces(pixels, np.arange(5), list("abcde"), "smooth")


def test_psnr_by_hand_and_against_skimage() -> None:
    grey = torch.full((1, 3, 16, 16), 0.5)
    assert psnr(grey, grey + 0.1)[0] == pytest.approx(20.0, abs=1e-5)
    assert psnr(grey, grey)[0] == 100.0
    a, b = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    expected = [
        peak_signal_noise_ratio(x, y, data_range=1) for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(psnr(a, b), expected, rtol=1e-6)


def test_ssim_of_constant_faces_is_the_luminance_term_alone() -> None:
    a, b = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.7)
    c1 = 0.01**2
    assert ssim(a, b)[0] == pytest.approx((2 * 0.5 * 0.7 + c1) / (0.5**2 + 0.7**2 + c1), abs=1e-5)
    assert ssim(a, a)[0] == pytest.approx(1.0)


def test_ssim_against_a_slow_window() -> None:
    a, b = torch.rand(1, 1, 11, 11).double(), torch.rand(1, 1, 11, 11).double()
    x = np.arange(-5, 6)
    window = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    p, q = a[0, 0].numpy(), b[0, 0].numpy()
    mp, mq = (window * p).sum(), (window * q).sum()
    vp, vq, cov = (window * p**2).sum() - mp**2, (window * q**2).sum() - mq**2, (window * p * q).sum() - mp * mq
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
    assert ssim(a, b)[0] == pytest.approx(expected, rel=1e-4)


def test_identity_is_one_for_the_same_face(faces: ArrayFaces) -> None:
    a, b = torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32)
    np.testing.assert_allclose(identity(Pooled(), a, a), 1, atol=1e-6)
    assert (identity(Pooled(), a, b) < 0.99).all()


def test_quality_of_an_enlargement_has_no_spread_and_sharper_input_is_better(faces: ArrayFaces) -> None:
    coarse, fine = (quality(bicubic(32), faces, Degradation(resolution=r), Pooled(), options=QUIET) for r in (6, 16))
    assert coarse.psnr < fine.psnr and coarse.ssim < fine.ssim and coarse.identity < fine.identity <= 1
    assert max(fine.psnr_spread, fine.ssim_spread, fine.identity_spread) < 1e-12
    assert (fine.faces, fine.seeds) == (5, (0, 1, 2))


def test_kernel_distance_against_the_sums_over_pairs() -> None:
    random = np.random.default_rng(0)
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in random.normal(size=(2, 6, 4)))
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    terms = [np.mean([(a[i] @ b[j] + 1) ** 3 for i, j in pairs]) for a, b in ((x, x), (y, y), (x, y))]
    assert kernel_distance(x, y) == pytest.approx(terms[0] + terms[1] - 2 * terms[2])
    assert kernel_distance(x, x) == pytest.approx(0, abs=1e-12)
    # Sets that are drawn alike have 0 in the mean, unlike sets of another kind.
    draws = random.normal([1, 0, 0], size=(300, 2, 20, 3))
    draws /= np.linalg.norm(draws, axis=-1, keepdims=True)
    alike = np.array([kernel_distance(a, b) for a, b in draws])
    assert abs(alike.mean()) < 3 * alike.std() / 300**0.5
    assert min(kernel_distance(a, b * [-1, 1, 1]) for a, b in draws[:20]) > 4 * alike.std()
    with pytest.raises(GdrdError, match="1 and 2 faces"):
        kernel_distance(x[:1], y[:2])


def test_realism_of_the_sharp_faces_themselves_is_best(faces: ArrayFaces) -> None:
    sharp, small = (quality(bicubic(32), faces, Degradation(resolution=r), Pooled(), options=QUIET) for r in (32, 6))
    assert sharp.kid is not None and small.kid is not None and abs(sharp.kid) < 1e-6 < small.kid
    assert small.kid_spread < 1e-12


def test_quality_over_seeds_does_not_depend_on_the_batch(faces: ArrayFaces) -> None:
    def noisy(lr: Tensor, seeds: list[int]) -> Tensor:
        noise = [torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return F.interpolate(lr, 16, mode="nearest") + 0.1 * torch.stack(noise)

    how = Degradation(resolution=8, noise=0.1)
    one, all_at_once = (
        quality(noisy, faces, how, Pooled(), options=EmbedOptions(batch_size=b, progress=False)) for b in (1, 5)
    )
    assert one.psnr == pytest.approx(all_at_once.psnr) and one.psnr_spread > 0
    assert one.identity == pytest.approx(all_at_once.identity, abs=1e-6)
    assert one.kid == pytest.approx(all_at_once.kid, abs=1e-5) and one.kid_spread > 0
    assert quality(noisy, faces, how, Pooled(), seeds=(7,), options=QUIET).psnr_spread == 0


def test_quality_that_cannot_be_measured(faces: ArrayFaces) -> None:
    with pytest.raises(GdrdError, match="no seeds"):
        quality(bicubic(32), faces, Degradation(), Pooled(), seeds=())
    with pytest.raises(GdrdError, match="11 px"):
        ssim(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))
    with pytest.raises(GdrdError, match="differ in size"):
        psnr(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 9, 9))


def test_steps_are_compared_with_bicubic_and_kept_in_a_file(tmp_path: Path) -> None:
    pipeline = build_pipeline(recipes.smoke().generative)
    pipeline.unet.eval().requires_grad_(False)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    faces = ArrayFaces(pixels, np.zeros(3, int))
    rows = compare_steps(pipeline, faces, Pooled(), resolutions=(8,), steps=(1, 2), seeds=(0, 1), options=QUIET)
    assert [row.method for row in rows] == ["bicubic", "1 step", "2 steps"]
    assert rows[0].quality == quality(bicubic(64), faces, Degradation(8), Pooled(), seeds=(0,), options=QUIET)
    assert rows[1].quality.psnr_spread > 0
    write_rows(tmp_path / "quality.json", rows)
    assert read_quality(tmp_path / "quality.json") == rows
    (tmp_path / "quality.json").write_text('{"rows": [{"data": 1}]}')
    with pytest.raises(GdrdError, match="no quality results"):
        read_quality(tmp_path / "quality.json")

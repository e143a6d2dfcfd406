import math

import pytest
import torch

from gdrd_lab.models.diffusion.process import clean_from_velocity, noised, velocity

CLEAN, NOISE = (torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(k)) for k in (0, 1))


def test_noised_and_velocity_by_hand() -> None:
    alpha = torch.tensor([0.36, 0.84])
    for n, abar in enumerate((0.36, 0.84)):
        for index in ((0, 0, 0), (2, 3, 1)):
            x, e = float(CLEAN[n][index]), float(NOISE[n][index])
            a, b = math.sqrt(abar), math.sqrt(1 - abar)
            assert float(noised(CLEAN, NOISE, alpha)[n][index]) == pytest.approx(a * x + b * e, abs=1e-6)
            assert float(velocity(CLEAN, NOISE, alpha)[n][index]) == pytest.approx(a * e - b * x, abs=1e-6)


@pytest.mark.parametrize("alpha", [torch.tensor(0.5), torch.tensor([0.0, 1.0])])
def test_the_clean_face_comes_back(alpha: torch.Tensor) -> None:
    x_t, v = noised(CLEAN, NOISE, alpha), velocity(CLEAN, NOISE, alpha)
    assert torch.allclose(clean_from_velocity(x_t, v, alpha), CLEAN, atol=1e-6)

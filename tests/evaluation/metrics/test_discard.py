"""Quality of a probe, and errors as the worst are discarded."""

import numpy as np
import pytest
import torch

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.discard import error_versus_discard, probe_quality
from gdrd_lab.models.registry import load_model
from gdrd_lab.transforms.degradation import Degradation

SHARES = (0, 0.25, 0.5, 0.75)


def test_errors_that_remain_follow_the_quality() -> None:
    """Eight genuine pairs of which the four below 0.5 are rejected, against a hundred impostor pairs."""
    scores = np.concatenate([np.linspace(0.1, 0.9, 8), np.linspace(0, 0.5, 100)])
    genuine = np.arange(108) < 8
    assert error_versus_discard(scores, genuine, scores, 0.01, SHARES).tolist() == pytest.approx([0.5, 2 / 6, 0, 0])
    blind = error_versus_discard(scores, genuine, -scores, 0.01, SHARES)
    assert blind.tolist() == pytest.approx([0.5, 4 / 6, 1, 1])


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(GdrdError, match="Shares"):
        error_versus_discard(np.arange(4.0), np.array([1, 1, 0, 0]), np.ones(4), 0.5, [share])


def test_quality_is_the_mean_cosine_of_all_pairs_of_copies() -> None:
    class ByCorner:
        """Embeds a face by the mean of its left and of its right half."""

        name, embedding_size = "by corner", 2

        def embed(self, faces: torch.Tensor) -> torch.Tensor:
            half = faces.shape[-1] // 2
            both = torch.stack([faces[..., :half].mean((1, 2, 3)), faces[..., half:].mean((1, 2, 3))], 1)
            return torch.nn.functional.normalize(both, dim=1)

    even = torch.full((1, 3, 16, 16), 0.5)
    left = even.clone()
    left[..., 8:] = 0.0
    same, differs = probe_quality(ByCorner(), torch.cat([even, left]))
    assert same == pytest.approx(1, abs=1e-5) and differs < 0.8


def test_quality_falls_with_resolution_and_noise() -> None:
    made = synthetic_faces(identities=8, per_identity=2, size=112)
    faces, student = to_tensor([made[i] for i in range(16)]), load_model("student")
    by_size = [probe_quality(student, Degradation(size)(faces, range(16))).mean() for size in (32, 16, 6)]
    assert by_size == sorted(by_size, reverse=True)
    noisy = probe_quality(student, Degradation(16, noise=0.15)(faces, range(16))).mean()
    assert noisy < by_size[1]

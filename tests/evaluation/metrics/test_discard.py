"""Quality of a probe, and errors as the worst are discarded."""

import numpy as np
import pytest
import torch

from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.verification import error_versus_discard
from gdrd_lab.models.recogniser import RecogniserNetwork, probe_quality
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


def test_quality_is_the_length_of_the_raw_embedding() -> None:
    class Brightness(RecogniserNetwork):
        """Embeds a face by its brightness, along one axis."""

        name, embedding_size = "brightness", 2

        def forward(self, faces: torch.Tensor) -> torch.Tensor:
            return faces.mean((1, 2, 3))[:, None] * torch.tensor([3.0, 4.0])

    faces = torch.stack([torch.full((3, 16, 16), value) for value in (0.2, 1.0)])
    assert probe_quality(Brightness(), faces).tolist() == pytest.approx([1.0, 5.0])


def test_quality_falls_with_noise_and_blur() -> None:
    made = synthetic_faces(identities=8, per_identity=2, size=112)
    faces, sface = to_tensor([made[i] for i in range(16)]), load_model("sface")
    assert isinstance(sface, RecogniserNetwork)
    clear, *worse = (
        probe_quality(sface, Degradation(16, blur=blur, noise=noise)(faces, range(16))).mean()
        for blur, noise in ((0, 0), (6, 0), (0, 0.2))
    )
    assert all(quality < clear for quality in worse)

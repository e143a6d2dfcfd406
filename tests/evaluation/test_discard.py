"""Errors as the pairs of lowest quality are discarded, by a network whose quality and similarity are known."""

import numpy as np
import pytest
import torch

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET
from gdrd_lab.datasets.pairs import Pairs
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.discard import SHARES, discard_scores
from gdrd_lab.evaluation.evaluate import evaluate
from gdrd_lab.models.recogniser import RecogniserNetwork


class Plain(RecogniserNetwork):
    """Bright faces are told apart by red and green, dark ones are all alike; the quality is the brightness."""

    name, embedding_size = "plain", 2

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(()))

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        red, green, blue = faces.mean((2, 3)).T
        return self.one * torch.stack([red, green], 1) * blue[:, None]


def faces_and_pairs() -> tuple[ArrayFaces, Pairs]:
    """Twenty genuine pairs, of which the ten with little blue differ in colour, and a hundred impostor pairs."""
    colours = []
    for index in range(20):
        poor = index < 10
        blue = 20 + index if poor else 200 + index
        colours += [(200, 0, blue), (0, 200, blue) if poor else (200, 0, blue)]
    colours += [(200, 40, 250), (40, 200, 250)]
    images = np.zeros((len(colours), 16, 16, 3), np.uint8) + np.array(colours, np.uint8)[:, None, None]
    first = np.concatenate([np.arange(0, 40, 2), np.full(100, 40)])
    second = np.concatenate([np.arange(1, 40, 2), np.full(100, 41)])
    return ArrayFaces(images, name="colours"), Pairs(first, second, np.arange(120) < 20, np.arange(120) % 2)


def test_errors_fall_to_nothing_as_the_poor_half_is_discarded() -> None:
    faces, pairs = faces_and_pairs()
    scores = discard_scores([Plain()], faces, pairs, [8], QUIET)
    left = [20 - int(share * 20) for share in SHARES]
    assert [score.n for score in scores] == left
    expected = [(10 - (20 - count)) / count for count in left]
    assert [score.value for score in scores] == pytest.approx(expected)
    assert scores[0].spread == pytest.approx(np.sqrt(0.25 / 20), rel=0.3) and scores[-1].value == 0
    assert {score.metric.split(" with ")[1] for score in scores} >= {"0 % discarded, FAR=0.01"}


def test_evaluate_measures_it_and_refuses_what_has_no_quality() -> None:
    faces = synthetic_faces(12, 4, size=32)
    scores = evaluate(Plain(), faces, [8], settings=["same"], quality=True, options=QUIET)
    assert sum(score.metric.startswith("FNMR") for score in scores) == len(SHARES)

    class Other:
        name, embedding_size = "other", 3

        def embed(self, faces: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(faces.mean((2, 3)), dim=1)

    with pytest.raises(GdrdError, match="other gives no quality"):
        evaluate(Other(), faces, [8], settings=["same"], quality=True, options=QUIET)

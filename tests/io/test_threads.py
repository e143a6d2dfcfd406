"""Reading ahead changes nothing but the time."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from gdrd_lab.datasets.base import ArrayFaces, batches
from gdrd_lab.datasets.embed import EmbedOptions, embed_all
from gdrd_lab.errors import GdrdError
from gdrd_lab.io.threads import prefetch
from gdrd_lab.transforms.degradation import Degradation


@pytest.mark.parametrize("ahead", [1, 2, 50])
def test_order_and_errors_stay_in_place(ahead: int) -> None:
    def items() -> Iterator[int]:
        yield from range(20)
        raise GdrdError("The 21st is damaged", "Repair it")

    seen: list[int] = []
    with pytest.raises(GdrdError, match="21st"):
        seen.extend(prefetch(items(), ahead))
    found = prefetch(items(), ahead)
    assert [next(found) for _ in range(20)] == list(range(20))
    with pytest.raises(GdrdError, match="21st"):
        next(found)
    assert list(prefetch([], ahead)) == []


def test_items_are_computed_while_the_caller_works_and_no_further_than_asked() -> None:
    computed = [threading.Event() for _ in range(9)]

    def items() -> Iterator[int]:
        for index, event in enumerate(computed):
            event.set()
            yield index

    found = prefetch(items(), ahead=2)
    assert next(found) == 0
    assert computed[2].wait(5) and not computed[4].is_set()
    found.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())


class Mean:
    name, embedding_size = "mean", 12

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        pooled = torch.nn.functional.adaptive_avg_pool2d(faces, 2).flatten(1)
        return torch.nn.functional.normalize(pooled - 0.5, dim=1)


def test_embeddings_are_those_of_the_batches() -> None:
    faces = ArrayFaces(np.random.default_rng(0).integers(0, 256, (37, 16, 16, 3), dtype=np.uint8))
    degradation = Degradation(8, noise=0.1, occlusion=0.2)
    found = embed_all(Mean(), faces, degradation, EmbedOptions(batch_size=5, seed=3, progress=False))
    expected = [
        Mean().embed(degradation(pixels, seeds=[3 * 1_000_003 + int(index) for index in indices]))
        for indices, pixels in batches(faces, 5)
    ]
    assert np.array_equal(found, torch.cat(expected).numpy())

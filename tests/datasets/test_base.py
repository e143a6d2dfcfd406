"""Sets are cut, joined and read without losing or mixing faces and identities."""

import numpy as np
import pytest

from gdrd_lab.datasets.base import (
    ArrayFaces,
    FaceDataset,
    batches,
    concatenate,
    identities_with,
    random_subset,
    require_pairs,
    subset,
)
from gdrd_lab.errors import GdrdError


def faces(count: int, labels: list[int] | None = None, name: str = "set", size: int = 8, value: int = 0) -> ArrayFaces:
    """Faces whose every pixel is their own number plus ``value``."""
    images = np.broadcast_to(np.arange(count)[:, None, None, None] + value, (count, size, size, 3)).astype(np.uint8)
    return ArrayFaces(images, None if labels is None else np.array(labels), [f"k{i}" for i in range(count)], name)


def test_array_faces_follow_the_protocol_and_default_to_unknown() -> None:
    some = ArrayFaces(np.zeros((3, 8, 8, 3), np.uint8))
    assert isinstance(some, FaceDataset)
    assert some.labels.tolist() == [-1] * 3 and some.labels.dtype == np.int64
    assert list(some.keys) == ["0", "1", "2"] and some.size == 8 and len(some) == 3


@pytest.mark.parametrize(
    "images",
    [np.zeros((3, 8, 8), np.uint8), np.zeros((3, 8, 8, 3)), np.zeros((3, 8, 9, 3), np.uint8)],
    ids=["no colour", "float", "not square"],
)
def test_array_faces_refuse_other_arrays(images: np.ndarray) -> None:
    with pytest.raises(GdrdError, match="uint8"):
        ArrayFaces(images)


def test_array_faces_refuse_labels_that_do_not_fit() -> None:
    with pytest.raises(GdrdError, match="3 faces came with 2 labels"):
        ArrayFaces(np.zeros((3, 8, 8, 3), np.uint8), np.zeros(2))


def test_subset_keeps_labels_keys_and_order() -> None:
    part = subset(faces(5, [0, 0, 1, 1, 2]), [4, 1])
    assert part.labels.tolist() == [2, 0] and list(part.keys) == ["k4", "k1"]
    assert [part[i][0, 0, 0] for i in range(len(part))] == [4, 1]
    for wrong in ([5], [-1]):
        with pytest.raises(GdrdError):
            subset(faces(5), wrong)


def test_concatenate_offsets_identities_and_keeps_the_unknown() -> None:
    joined = concatenate(faces(3, [0, 2, -1], "a"), faces(2, name="b", value=50), faces(2, [1, 0], "c", value=100))
    assert joined.labels.tolist() == [0, 2, -1, -1, -1, 4, 3]
    assert [int(joined[i][0, 0, 0]) for i in range(7)] == [0, 1, 2, 50, 51, 100, 101]
    assert len(set(joined.keys)) == 7 and joined.keys[3] == "b/k0"
    with pytest.raises(IndexError):
        joined[7]


def test_concatenate_refuses_mixed_sizes_and_nothing() -> None:
    with pytest.raises(GdrdError, match=r"\[8, 16\]"):
        concatenate(faces(1), faces(1, size=16))
    with pytest.raises(GdrdError):
        concatenate()


def test_batches_cover_everything_once_in_order() -> None:
    got = list(batches(faces(7), 3))
    assert [len(indices) for indices, _ in got] == [3, 3, 1]
    assert np.concatenate([indices for indices, _ in got]).tolist() == list(range(7))
    for indices, pixels in got:
        assert pixels.shape == (len(indices), 3, 8, 8) and str(pixels.dtype) == "torch.float32"
        np.testing.assert_allclose(pixels[:, 1, 2, 3].numpy(), indices / 255, rtol=1e-6)


def test_batches_of_chosen_faces_put_channels_first() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    (indices, pixels), *rest = batches(ArrayFaces(images), 9, [3, 1])
    assert indices.tolist() == [3, 1] and not rest
    np.testing.assert_allclose(pixels.numpy(), images[[3, 1]].transpose(0, 3, 1, 2) / 255, rtol=1e-6)


def test_require_pairs_says_what_is_missing() -> None:
    require_pairs(faces(3, [0, 0, 1]))
    for labels in ([0, 1, 2], [0, 0, 0], [-1, -1, -1]):
        with pytest.raises(GdrdError, match="second image of an identity"):
            require_pairs(faces(3, labels))


def test_identities_with_enough_faces_and_a_draw_without_repetition() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, -1, -1, -1])
    nine = ArrayFaces(np.zeros((9, 8, 8, 3), np.uint8), labels, [str(k) for k in range(9)])
    chosen = identities_with(nine, 2)
    assert list(chosen.keys) == ["0", "1", "2", "3", "4"]
    assert list(identities_with(nine, 3).keys) == ["0", "1", "2"]
    with pytest.raises(GdrdError, match="4 faces"):
        identities_with(nine, 4)
    drawn = random_subset(nine, 4, seed=1)
    assert len(set(drawn.keys)) == 4 and list(drawn.keys) == sorted(drawn.keys)
    assert random_subset(nine, 20) is nine

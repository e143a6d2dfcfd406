"""The teacher's embeddings: computed once for a set and its parts; likenesses of held-out people are found."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gdrd_lab.datasets.base import ArrayFaces, subset
from gdrd_lab.datasets.split import split_identities
from gdrd_lab.training.teacher_targets import remove_identity_leakage, teacher_embeddings, validation_split


class PixelTeacher:
    """Embeds a face as its pixels around grey: two pictures of one pattern are alike, two patterns are not."""

    name, embedding_size = "pixels", 192
    seen = 0

    def fingerprint(self) -> str:
        return "pixels"

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        self.seen += len(faces)
        return torch.nn.functional.normalize(faces.flatten(1) - 0.5, dim=1)


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArrayFaces:
    """Ten people with two labelled pictures each, and one unlabelled picture of each."""
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path))
    random = np.random.default_rng(0)
    people = random.integers(0, 256, (10, 8, 8, 3))
    who = np.concatenate([np.repeat(np.arange(10), 2), np.arange(10)])
    pixels = np.clip(people[who] + random.normal(0, 20, (30, 8, 8, 3)), 0, 255).astype(np.uint8)
    return ArrayFaces(pixels, np.where(np.arange(30) < 20, who, -1), name="people")


def test_parts_of_a_set_are_not_embedded_again(faces: ArrayFaces) -> None:
    teacher = PixelTeacher()
    whole = teacher_embeddings(teacher, faces, progress=False)
    assert whole.shape == (30, 192) and teacher.seen == 30
    part = subset(subset(faces, np.arange(5, 30)), [3, 0, 7])
    assert torch.equal(teacher_embeddings(teacher, part, progress=False), whole[[8, 5, 12]])
    assert torch.equal(teacher_embeddings(teacher, faces, progress=False), whole) and teacher.seen == 30


def test_unlabelled_pictures_of_held_out_people_are_left_out(faces: ArrayFaces) -> None:
    rest, held_out = split_identities(faces, 0.3)
    clean = remove_identity_leakage(rest, held_out, PixelTeacher(), progress=False)
    held = set(held_out.labels.tolist())
    assert len(held) == 2 and len(rest) == 26 and len(clean) == 24
    assert clean.labels.tolist() == [label for label in rest.labels if label >= 0] + [-1] * 8
    shown = [next(n for n in range(20, 30) if np.array_equal(faces[n], clean[i])) - 20 for i in range(16, 24)]
    assert shown == [person for person in range(10) if person not in held]
    labelled = subset(faces, np.arange(20))
    assert remove_identity_leakage(labelled, held_out, PixelTeacher()) is labelled


def test_people_are_split_with_one_embedding_of_each_face(faces: ArrayFaces) -> None:
    teacher = PixelTeacher()
    clean, held_out = validation_split(faces, 0.3, teacher, progress=False)
    assert (len(clean), len(held_out), teacher.seen) == (24, 4, 30)
    assert held_out.keys == split_identities(faces, 0.3)[1].keys
    assert not set(clean.keys) & set(held_out.keys)


def swapped(faces: ArrayFaces) -> ArrayFaces:
    images = faces.images.copy()
    images[[3, 8]] = images[[8, 3]]
    return ArrayFaces(images, faces.labels, faces.keys, faces.name)


def test_images_that_change_places_are_embedded_anew(faces: ArrayFaces) -> None:
    teacher = PixelTeacher()
    whole = teacher_embeddings(teacher, faces, progress=False)
    other = teacher_embeddings(teacher, swapped(faces), progress=False)
    assert teacher.seen == 60 and torch.equal(other[[3, 8]], whole[[8, 3]])
    assert torch.equal(teacher_embeddings(teacher, faces, progress=False), whole) and teacher.seen == 60


class Linear(torch.nn.Module):
    name, embedding_size = "linear", 8

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = torch.nn.Linear(192, 8, bias=False)

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.layer(faces.flatten(1) - 0.5), dim=1)


def test_another_teacher_of_the_same_name_is_another_teacher(faces: ArrayFaces) -> None:
    first, second = (teacher_embeddings(Linear(seed).eval(), faces, progress=False) for seed in (0, 1))
    assert torch.nn.functional.cosine_similarity(first, second).mean() < 0.5
    assert torch.equal(teacher_embeddings(Linear(1).eval(), faces, progress=False), second)


def test_a_teacher_without_a_fingerprint_is_never_read_from_the_cache(faces: ArrayFaces, tmp_path: Path) -> None:
    class Own:
        name, embedding_size = "own", 192

        def embed(self, faces: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(self.sign * (faces.flatten(1) - 0.5), dim=1)

        def __init__(self, sign: int) -> None:
            self.sign = sign

    first, second = (teacher_embeddings(Own(sign), faces, progress=False) for sign in (1, -1))
    assert torch.allclose(first, -second) and not (tmp_path / "embeddings").exists()


def test_damaged_embeddings_are_made_again(faces: ArrayFaces, tmp_path: Path) -> None:
    teacher = PixelTeacher()
    whole = teacher_embeddings(teacher, faces, progress=False)
    (entry,) = (tmp_path / "embeddings").iterdir()
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1  # one bit of the last number
    entry.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        assert torch.equal(teacher_embeddings(teacher, faces, progress=False), whole)

"""The synthetic faces: sampled the same way each time, labelled, harder to tell apart at low resolution."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gdrd_lab.datasets import synthetic
from gdrd_lab.datasets.base import FaceDataset
from gdrd_lab.datasets.synthetic import (
    SamplingScale,
    load_face_model,
    sample_identities,
    sample_photographs,
    synthetic_faces,
)
from gdrd_lab.errors import GdrdError
from gdrd_lab.experiments.synthetic_faces.check import nearest, pair_accuracy
from gdrd_lab.experiments.synthetic_faces.fit import (
    COMPONENTS,
    Photographs,
    codes_of,
    factor_of,
    ridge,
    save,
    within_covariance,
)
from gdrd_lab.io.paths import data_folder

MODEL = data_folder() / "face_model.safetensors"


@pytest.fixture(scope="module")
def model() -> synthetic.FaceModel:
    return load_face_model()


def test_shapes_labels_and_keys() -> None:
    faces = synthetic_faces(3, 2, size=64, seed=1)
    assert isinstance(faces, FaceDataset) and len(faces) == 6 and faces.size == 64
    assert faces[5].shape == (64, 64, 3) and faces[5].dtype == np.uint8
    assert faces.labels.tolist() == [0, 0, 1, 1, 2, 2] and faces.labels.dtype == np.int64
    assert faces.keys[3] == "person_00001/0001" and len(set(faces.keys)) == 6
    assert faces.name == "synthetic" and list(faces.identities) == ["person_00000", "person_00001", "person_00002"]


@pytest.mark.parametrize("size", [8, 112])
def test_other_sizes_show_the_same_faces(size: int) -> None:
    native, other = synthetic_faces(2, 2).images, synthetic_faces(2, 2, size=size).images
    assert other.shape == (4, size, size, 3)
    means = [images.reshape(4, -1, 3).mean(1) for images in (native, other)]
    assert np.abs(means[0] - means[1]).max() < 3


def test_same_seed_same_faces_other_seed_other_faces() -> None:
    first, again, other = (synthetic_faces(4, 2, seed=seed).images for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(float) - other).mean() > 10


def test_a_person_does_not_depend_on_how_many_are_sampled() -> None:
    few, many = synthetic_faces(2, 2, seed=5), synthetic_faces(7, 4, seed=5)
    for person in range(2):
        a, b = few.images[few.labels == person], many.images[many.labels == person][:2]
        # Another batch size may round a grey level the other way.
        assert np.abs(a.astype(int) - b).max() <= 1


def test_faces_vary_within_and_more_between_people() -> None:
    faces = synthetic_faces(20, 4, seed=0)
    pixels = faces.images[:, 14:58, 10:54].reshape(20, 4, -1).astype(float)
    within = pixels.std(1).mean()
    assert within > 5  # grey levels
    assert len(np.unique(faces.images.reshape(80, -1), axis=0)) == 80
    assert faces.images.std() > 30 and 60 < faces.images.mean() < 200


def test_codes_follow_the_fitted_gaussians(model: synthetic.FaceModel) -> None:
    people = sample_identities(model, 400, seed=2, scale=SamplingScale(identity=1.0))
    lengths = people[:, :128].norm(dim=1).numpy()
    assert lengths == pytest.approx(128**0.5, rel=1e-5)
    photographs = sample_photographs(model, people, 3, seed=2, scale=SamplingScale(photograph=1.0))
    assert torch.equal(photographs[..., :128], people[:, None, :128].expand(-1, 3, -1))
    moved = (photographs - people[:, None])[..., 128:].flatten(0, 1)
    expected = model.photograph_factor @ model.photograph_factor.T
    assert moved.square().mean(0).sum().item() == pytest.approx(expected.trace().item(), rel=0.05)
    still = sample_photographs(model, people[:2], 2, seed=2, scale=SamplingScale(photograph=0.0))
    assert torch.equal(still[:, 0], people[:2])


def test_file_is_small_and_without_pickle() -> None:
    assert MODEL.stat().st_size < 5_000_000
    assert MODEL.read_bytes()[8:9] == b"{"  # safetensors: the header's length, then JSON


def test_accuracy_falls_with_resolution() -> None:
    from gdrd_lab.models.sface import load_sface

    faces, sface = synthetic_faces(40, 3, seed=0), load_sface()
    accuracy = {resolution: pair_accuracy(sface, faces, resolution) for resolution in (64, 32, 16, 8)}
    assert accuracy[64] >= 0.95
    assert accuracy[64] > accuracy[16] + 0.02 and accuracy[32] > accuracy[16] > accuracy[8] + 0.05
    assert accuracy[64] >= accuracy[32] - 0.01 and accuracy[8] > 0.55


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"identities": 0}, "identities=0"),
        ({"per_identity": 0}, "per_identity=0"),
        ({"size": 4}, "size=4"),
        ({"size": 5000}, "size=5000"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_bad_arguments(arguments: dict[str, int], word: str) -> None:
    with pytest.raises(GdrdError, match=word) as error:
        synthetic_faces(**arguments)
    assert "\n" not in str(error.value)


def _damage(kind: str, path: Path) -> None:
    content = MODEL.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(1000))
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "other":
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(3)}, path)
    elif kind == "not finite":
        model = load_face_model()
        model.decoder.detail.bias[0] = torch.nan
        save(model, path)


@pytest.mark.parametrize("kind", ["missing", "truncated", "noise", "empty", "folder", "other", "not finite"])
def test_bad_model_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    _damage(kind, path)
    with pytest.raises(GdrdError, match=r"model\.safetensors") as error:
        load_face_model(path)
    assert "\n" not in str(error.value) and "synthetic_faces.fit" in str(error.value)


def test_saving_keeps_the_model(model: synthetic.FaceModel, tmp_path: Path) -> None:
    save(model, tmp_path / "copy.safetensors")
    assert (tmp_path / "copy.safetensors").read_bytes() == MODEL.read_bytes()


def test_within_covariance_and_factor() -> None:
    random = np.random.default_rng(0)
    labels = np.array([0, 0, 0, 1, 2, 2])
    values = random.normal(size=(6, 3))
    scatter = sum(2 * np.cov(values[labels == k].T) if k == 0 else np.cov(values[labels == k].T) for k in (0, 2))
    found = within_covariance(torch.from_numpy(values), labels)
    assert found.numpy() == pytest.approx(scatter / 3)
    factor = factor_of(found)
    assert (factor @ factor.T).numpy() == pytest.approx(scatter / 3)


def test_ridge() -> None:
    from sklearn.linear_model import Ridge

    random = np.random.default_rng(0)
    rows = (random.normal(size=(300, 60)) * np.geomspace(10, 0.01, 60)).astype(np.float32)
    targets = rows @ random.normal(size=(60, 2)).astype(np.float32)
    expected = Ridge(alpha=20.0, fit_intercept=False).fit(rows, targets).coef_.T
    assert ridge(torch.from_numpy(rows), torch.from_numpy(targets)).numpy() == pytest.approx(expected, abs=1e-3)


def test_codes_are_the_whitened_principal_components_that_embeddings_leave() -> None:
    from sklearn.decomposition import PCA

    random = np.random.default_rng(0)
    parts = random.normal(size=(500, 300)) * np.geomspace(1, 0.01, 300) @ random.normal(size=(300, 3 * 64 * 64))
    faces = torch.from_numpy((127 + 20 * parts).clip(0, 255).astype(np.uint8).reshape(500, 3, 64, 64))
    embeddings = torch.nn.functional.normalize(torch.from_numpy(random.normal(size=(500, 128)).astype(np.float32)))
    found = codes_of(Photographs(faces, embeddings, np.arange(500)))
    assert found.shape == (1000, 192) and torch.equal(found[:500, :128], 128**0.5 * embeddings)
    pixels, mirrored = (images.float().div(255).flatten(1).numpy() for images in (faces, faces.flip(-1)))
    scores = np.concatenate(list(map(PCA(COMPONENTS, svd_solver="full").fit(pixels).transform, (pixels, mirrored))))
    centred = np.concatenate([embeddings, embeddings]) - embeddings.mean(0).numpy()
    weights = np.linalg.solve(centred.T @ centred + 20 * np.eye(128), centred.T @ (scores - scores.mean(0)))
    expected = PCA(64, whiten=True, svd_solver="full").fit_transform(scores - scores.mean(0) - centred @ weights)
    agreement = np.abs(found[:, 128:].numpy().T @ expected) / 1000
    assert agreement[:12, :12] == pytest.approx(np.eye(12), abs=0.02)


def test_nearest() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(5, 4)), random.normal(size=(7, 4))
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert nearest(a, b) == pytest.approx(distances.min(1))
    forbidden = distances == distances.min(1, keepdims=True)
    assert nearest(a, b, forbidden) == pytest.approx(np.sort(distances, 1)[:, 1])

"""Class activation maps, deletion and insertion against independent formulas."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from gdrd_lab.analysis.cam import (
    ScoreCurve,
    class_activation_map,
    contributions,
    deletion,
    insertion,
    rank_agreement,
    resized,
    spatial_layer,
    with_random_weights,
)
from gdrd_lab.datasets.base import to_tensor
from gdrd_lab.datasets.synthetic import synthetic_faces
from gdrd_lab.errors import GdrdError
from gdrd_lab.models.sface import SFace, load_sface
from gdrd_lab.models.student.model import Student
from gdrd_lab.plots import alt_text, curves_figure, face_strip, overlay
from gdrd_lab.transforms.resize import downscale


@pytest.fixture(scope="module")
def teacher() -> SFace:
    return load_sface()


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return to_tensor(list(synthetic_faces(3, 1, size=112).images))


class Corner(nn.Module):
    """Sees the top left quarter of a face only."""

    def __init__(self) -> None:
        super().__init__()
        self.colours = nn.Conv2d(3, 2, 1, bias=False)
        nn.init.ones_(self.colours.weight)
        self.colours.weight.data[1] = -1

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        half = faces.shape[-1] // 2
        return self.colours(faces)[:, :, :half, :half].mean((2, 3))

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self(faces) + torch.tensor([0.1, 1.0]), dim=1)


def test_contributions_of_sface_add_up_to_the_score_less_what_an_empty_map_scores(
    teacher: SFace, faces: torch.Tensor
) -> None:
    """The layers after SFace's last map are linear, so the parts must add up: s(A) - s(0) = sum_ij."""
    targets = teacher.embed(faces).flip(0)
    parts = contributions(teacher, faces, targets)
    with torch.no_grad():
        empty = teacher.embedding_norm(teacher.linear(torch.zeros(1, 1024 * 49)))
        expected = ((teacher(faces) - empty) * targets).sum(1)
    assert parts.shape == (3, 7, 7)
    assert torch.allclose(parts.sum((1, 2)), expected, atol=1e-3)
    assert torch.equal(class_activation_map(teacher, faces, targets), parts.clamp_min(0))


def test_own_embedding_is_the_default_target_and_its_map_is_not_empty(teacher: SFace, faces: torch.Tensor) -> None:
    maps = class_activation_map(teacher, faces)
    assert torch.allclose(maps, class_activation_map(teacher, faces, teacher.embed(faces)), atol=1e-5)
    assert (maps.amax((1, 2)) > 0.01).all()  # the gradient of cosine-to-self would be zero


def test_student_is_explained_at_its_backbone(faces: torch.Tensor) -> None:
    student = Student().eval()
    features = student.backbone(faces)
    assert spatial_layer(student) is student.backbone
    assert class_activation_map(student, faces).shape == (3, *features.shape[2:])


def test_last_spatial_layer_of_any_network_is_found(teacher: SFace) -> None:
    assert spatial_layer(teacher) is teacher.norm
    with pytest.raises(GdrdError, match="no layer with a spatial map"):
        spatial_layer(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)))


def test_a_network_that_sees_one_corner_is_explained_by_that_corner() -> None:
    face = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = class_activation_map(Corner(), face, torch.tensor([[1.0, 0.0]]))[0]
    assert found[:8, :8].min() > 0
    assert found[8:].max() == found[:, 8:].max() == 0


def test_inference_mode_and_frozen_weights_do_not_hinder(teacher: SFace, faces: torch.Tensor) -> None:
    with torch.inference_mode():
        inside = class_activation_map(teacher, faces[:1])
    assert torch.allclose(inside, class_activation_map(teacher, faces[:1]), atol=1e-6)
    assert not teacher.norm._forward_hooks


def test_threads_do_not_meet(teacher: SFace, faces: torch.Tensor) -> None:
    alone = [class_activation_map(teacher, face[None]) for face in faces]
    found: dict[int, torch.Tensor] = {}

    def run(index: int) -> None:
        for _ in range(5):
            found[index] = class_activation_map(teacher, faces[index][None])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(3):
        assert torch.allclose(found[index], alone[index], atol=1e-4)


def test_random_weights_leave_the_network_alone_and_explain_less(teacher: SFace, faces: torch.Tensor) -> None:
    before = teacher.stem[0].weight.clone()
    random = with_random_weights(teacher, seed=1)
    assert torch.equal(teacher.stem[0].weight, before)
    assert torch.equal(random.linear.weight, with_random_weights(teacher, seed=1).linear.weight)
    assert not torch.equal(random.linear.weight, teacher.linear.weight)
    trained, untrained = class_activation_map(teacher, faces), class_activation_map(random, faces)
    parts = zip(faces, trained, untrained, strict=True)
    gaps = [deletion(teacher, f, u).area - deletion(teacher, f, t).area for f, t, u in parts]
    assert np.mean(gaps) > 0.02


def test_deletion_of_the_corner_that_counts_is_known() -> None:
    """Corner's score moves only while its own quarter is taken, so a right map is done after a quarter."""
    face = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    right = torch.zeros(16, 16)
    right[:8, :8] = 1
    early, late = deletion(Corner(), face, right, 4), deletion(Corner(), face, 1 - right, 4)
    assert early.scores[0] == pytest.approx(1) and late.scores[3] == pytest.approx(1, abs=1e-6)
    assert np.allclose(early.scores[1:], early.scores[1], atol=1e-6)
    back = insertion(Corner(), face, right, 4)
    assert back.scores[-1] == pytest.approx(1) and np.allclose(back.scores[1:], 1, atol=1e-6)
    assert back.scores[0] == pytest.approx(early.scores[-1], abs=1e-6)
    with pytest.raises(GdrdError, match="0 steps"):
        deletion(Corner(), face, right, 0)


def test_area_is_the_trapezoids() -> None:
    assert ScoreCurve(np.array([0, 0.5, 1]), np.array([1, 0.5, 0.2])).area == pytest.approx(0.75 / 2 + 0.35 / 2)


def test_rank_agreement_of_known_maps() -> None:
    rising = torch.arange(16.0).view(4, 4)
    assert rank_agreement(rising, rising**2) == pytest.approx(1)
    assert rank_agreement(rising, rising.max() - rising) == pytest.approx(-1)
    assert rank_agreement(rising, torch.zeros(4, 4)) == 0


def test_overlay_is_brightest_where_the_map_is(faces: torch.Tensor) -> None:
    lr = (downscale(faces[:1], 8)[0].permute(1, 2, 0) * 255).byte().numpy()
    spot = torch.zeros(7, 7)
    spot[3, 3] = 5
    drawn = overlay(lr, spot, 56).astype(int)
    assert drawn.shape == (56, 56, 3)
    assert drawn[28, 28, 1] > drawn[2, 2, 1] + 40
    assert float(resized(spot[None], 7).max()) == 1


def test_figures_say_what_they_show(faces: torch.Tensor) -> None:
    curve = ScoreCurve(np.linspace(0, 1, 3), np.array([1, 0.5, 0.2]))
    figure = curves_figure({"SFace": curve, "random weights": curve}, title="Deletion at 16 px")
    assert "SFace 0.550" in alt_text(figure)
    assert len(figure.axes[0].lines) == 2
    picture = overlay(np.zeros((8, 8, 3), np.uint8), torch.ones(2, 2), 16)
    assert "8 px" in alt_text(face_strip({"SFace": [picture]}, ["8 px"]))


def test_another_range_and_training_mode_are_refused() -> None:
    student, faces = Student().eval(), torch.rand(2, 3, 16, 16)
    for wrong in (faces * 255, (faces * 255).byte(), faces * 2 - 1):
        with pytest.raises(GdrdError, match=r"0 to 1|floating point"):
            class_activation_map(student, wrong)
    fresh = Student()
    statistics = {name: value.clone() for name, value in fresh.state_dict().items()}
    with pytest.raises(GdrdError, match="training mode"):
        class_activation_map(fresh, faces)
    assert all(torch.equal(value, statistics[name]) for name, value in fresh.state_dict().items())

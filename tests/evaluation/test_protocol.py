"""Protocols and sweeps, with a recogniser that averages pixels."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.datasets.embed import QUIET, EmbedOptions, embed_all
from gdrd_lab.datasets.pairs import Enrolment, Pairs, enrol
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.retrieval import retrieve
from gdrd_lab.evaluation.protocol import (
    SHARP,
    IdentificationResult,
    VerificationResult,
    identify_embeddings,
    pair_scores,
    verify_embeddings,
)
from gdrd_lab.evaluation.sweep import MetricConfig, Setting, resolutions, severities, sweep
from gdrd_lab.transforms.degradation import Degradation

FLIP = EmbedOptions(flip=True, progress=False)
LOW = Degradation(resolution=8)


class Pooled:
    """Embeds a face as its pixels averaged to 4 x 4, and counts what it embeds."""

    embedding_size = 48

    def __init__(self, name: str = "pooled") -> None:
        self.name, self.faces_seen = name, 0

    def embed(self, faces: Tensor) -> Tensor:
        self.faces_seen += len(faces)
        pooled = F.adaptive_avg_pool2d(faces, 4).flatten(1)
        return F.normalize(pooled - pooled.mean(1, keepdim=True), dim=1)


def embed_both(
    faces: ArrayFaces, degradation: Degradation, gallery: Degradation | None = None, options: EmbedOptions = QUIET
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of the probes and of the gallery, which is the probes' where it is None."""
    probe = embed_all(Pooled(), faces, degradation, options)
    return probe, probe if gallery is None else embed_all(Pooled(), faces, gallery, options)


def verify(
    faces: ArrayFaces,
    pairs: Pairs,
    degradation: Degradation,
    gallery: Degradation | None = None,
    options: EmbedOptions = QUIET,
) -> VerificationResult:
    return verify_embeddings(*embed_both(faces, degradation, gallery, options), pairs)


def identify(faces: ArrayFaces, degradation: Degradation, enrolment: Enrolment | None = None) -> IdentificationResult:
    return identify_embeddings(*embed_both(faces, degradation), faces.labels, enrolment or enrol(faces.labels))


def mean_average_precision(faces: ArrayFaces, degradation: Degradation, gallery: Degradation | None = None) -> float:
    return retrieve(*embed_both(faces, degradation, gallery), faces.labels).mean_average_precision


@pytest.fixture(scope="module")
def faces() -> ArrayFaces:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(12), 4)
    coarse = random.random((12, 8, 8, 3))[labels] + 0.35 * random.normal(size=(48, 8, 8, 3))
    pixels = (coarse.clip(0, 1) * 255).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    return ArrayFaces(pixels, labels, [f"face{i}" for i in range(48)], "squares")


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    random = np.random.default_rng(1)
    person = random.integers(0, 12, 200)
    other = (person + random.integers(1, 12, 200)) % 12
    genuine = np.arange(200) % 2 == 0
    first = person * 4 + random.integers(0, 2, 200)
    second = np.where(genuine, person, other) * 4 + random.integers(2, 4, 200)
    return Pairs(first, second, genuine, np.arange(200) // 20)


def test_verify_degrades_both_faces_or_the_second_only(faces: ArrayFaces, pairs: Pairs) -> None:
    def embed(index: int, size: int | None) -> Tensor:
        face = torch.from_numpy(np.array(faces[index])).permute(2, 0, 1)[None].float() / 255
        return Pooled().embed(Degradation(resolution=size)(face, seeds=[0]))[0]

    same = verify(faces, pairs, LOW)
    hr = verify(faces, pairs, LOW, SHARP)
    for i in range(5):
        a, b = int(pairs.first[i]), int(pairs.second[i])
        assert same.scores[i] == pytest.approx(float(embed(a, 8) @ embed(b, 8)), abs=1e-5)
        assert hr.scores[i] == pytest.approx(float(embed(a, None) @ embed(b, 8)), abs=1e-5)
    assert 0.6 < same.accuracy.mean < 1 and same.auc > 0.8 and same.eer < 0.3
    assert same.roc.impostors == 100


def test_both_ways_judges_the_exchanged_pairs_too() -> None:
    random = np.random.default_rng(2)
    probe, gallery = (F.normalize(torch.tensor(random.normal(size=(40, 6))), dim=1).numpy() for _ in range(2))
    some = Pairs(np.arange(20), np.arange(20, 40), np.arange(20) % 2 == 0, np.arange(20) // 4)
    result = verify_embeddings(probe, gallery, some, both_ways=True)
    expected = [gallery[i] @ probe[i + 20] for i in range(20)] + [probe[i] @ gallery[i + 20] for i in range(20)]
    np.testing.assert_allclose(result.scores, expected, atol=1e-12)
    assert result.genuine.sum() == 20 and len(result.accuracy.per_fold) == 5


def test_flip_averages_the_mirror_image(faces: ArrayFaces, pairs: Pairs) -> None:
    mirrored = ArrayFaces(np.stack([faces[i][:, ::-1] for i in range(48)]), faces.labels, faces.keys, "mirrored")
    plain = verify(faces, pairs, LOW).scores
    flipped = verify(faces, pairs, LOW, options=FLIP).scores
    assert np.abs(plain - flipped).max() > 0.01
    np.testing.assert_allclose(flipped, verify(mirrored, pairs, LOW, options=FLIP).scores, atol=1e-5)


def test_identify_and_retrieve_find_sharp_faces_more_often_than_coarse(faces: ArrayFaces) -> None:
    blurred = Degradation(resolution=8, blur=16, noise=0.3)
    hr, coarse = identify(faces, SHARP), identify(faces, blurred)
    assert (hr.enrolled, len(hr.ranks)) == (12, 36)
    assert 1 / 12 < coarse.rank_k(1) < hr.rank_k(1)
    assert hr.cmc()[-1] == 1.0 and len(hr.cmc()) == 12
    assert mean_average_precision(faces, blurred) < mean_average_precision(faces, SHARP)
    own = identify(faces, SHARP, enrol(faces.labels, 3))
    assert len(own.ranks) == 12


def test_sweep_embeds_each_face_once_per_degradation(faces: ArrayFaces, pairs: Pairs) -> None:
    recogniser = Pooled()
    measures = MetricConfig(pairs, fars=(0.1, 0.001), identification=True, retrieval=True, bootstrap=10)
    scores = sweep([recogniser], faces, resolutions([8, 16, 32]), measures, QUIET)
    # 8 and 16 px, and the native 32 px once for its own row and for every sharp gallery.
    assert recogniser.faces_seen == 3 * 48
    metrics = [
        "accuracy",
        "AUC",
        "EER",
        "TAR@FAR=0.1",
        "TAR@FAR=0.001",
        "rank-1",
        "rank-5",
        "mAP",
        "recall@1",
        "recall@5",
    ]
    assert [s.metric for s in scores] == metrics * 6
    assert [s.resolution for s in scores[::10]] == [8, 8, 16, 16, 32, 32]
    found = {(s.setting, s.resolution, s.metric): s for s in scores}
    low = found[Setting.SAME, 8, "accuracy"]
    direct = verify(faces, pairs, LOW)
    assert (low.value, low.spread) == pytest.approx((direct.accuracy.mean, direct.accuracy.standard_error))
    hr = verify(faces, pairs, LOW, SHARP)
    assert found[Setting.GALLERY, 8, "AUC"].value == pytest.approx(hr.auc)
    assert found[Setting.GALLERY, 8, "mAP"].value == pytest.approx(mean_average_precision(faces, LOW, SHARP))
    missing = found[Setting.SAME, 8, "TAR@FAR=0.001"]
    assert math.isnan(missing.value) and math.isnan(missing.spread) and missing.n == 100
    assert found[Setting.SAME, 32, "accuracy"].value == found[Setting.GALLERY, 32, "accuracy"].value
    assert all(s.degradation["resolution"] == s.resolution and s.seconds >= 0 and s.data == "squares" for s in scores)


def test_sweep_over_severities_is_seeded(faces: ArrayFaces, pairs: Pairs) -> None:
    noisy = severities(LOW, "noise", [0.0, 0.5])
    assert [d.noise for d in noisy] == [0.0, 0.5] and noisy[1].resolution == 8
    measures = MetricConfig(pairs, fars=(), bootstrap=0)
    first, again, other = (
        sweep([Pooled()], faces, noisy, measures, EmbedOptions(seed=s, progress=False), settings=[Setting.SAME])
        for s in (0, 0, 1)
    )
    accuracy = [[s.value for s in scores if s.metric == "AUC"] for scores in (first, again, other)]
    assert accuracy[0][0] > accuracy[0][1] + 0.02
    assert accuracy[0] == accuracy[1] and accuracy[0][0] == accuracy[2][0] and accuracy[0][1] != accuracy[2][1]


def test_scores_of_averaged_flips_have_a_name_of_their_own(faces: ArrayFaces, pairs: Pairs) -> None:
    measures = MetricConfig(pairs, fars=(), bootstrap=0)
    found = {
        flip: next(
            s
            for s in sweep([Pooled()], faces, [LOW], measures, EmbedOptions(flip, progress=False))
            if s.metric == "AUC"
        )
        for flip in (False, True)
    }
    assert [found[flip].method for flip in (False, True)] == [Pooled().name, f"{Pooled().name}, flips averaged"]
    assert found[True].value == verify(faces, pairs, LOW, options=FLIP).auc != found[False].value


def test_both_ways_counts_in_the_sharp_gallery_setting_only(faces: ArrayFaces, pairs: Pairs) -> None:
    scores = sweep([Pooled()], faces, [LOW], MetricConfig(pairs, (), both_ways=True, bootstrap=0), QUIET)
    assert [(s.setting, s.n) for s in scores if s.metric == "accuracy"] == [(Setting.SAME, 200), (Setting.GALLERY, 400)]


def test_every_error_comes_before_the_first_face_is_embedded(faces: ArrayFaces, pairs: Pairs) -> None:
    lone = ArrayFaces(np.stack([faces[0]] * 3), np.array([0, 0, 1]), ["a", "b", "c"], "lone")
    same = Pairs(np.array([0]), np.array([1]), np.array([True]), np.array([0]))
    recogniser = Pooled()
    cases = [
        ([], faces, MetricConfig(pairs), "nothing to measure"),
        ([recogniser], faces, MetricConfig(), "nothing to measure"),
        ([recogniser, Pooled()], faces, MetricConfig(pairs), "share a name.*NAME=PATH"),
        ([recogniser], lone, MetricConfig(pairs), "Pairs point to face"),
        ([recogniser], lone, MetricConfig(same), "no impostor pairs"),
        ([recogniser], lone, MetricConfig(identification=True), "1 of 2 identities have 1 face"),
        ([recogniser], faces, MetricConfig(Pairs(*(np.array([], int) for _ in range(4)))), "no pairs"),
    ]
    for recognisers, dataset, measures, words in cases:
        with pytest.raises(GdrdError, match=words) as raised:
            sweep(recognisers, dataset, [LOW], measures, QUIET)
        assert "\n" not in str(raised.value)
    assert recogniser.faces_seen == 0
    kept = sweep([recogniser], lone, [LOW], MetricConfig(identification=True, distractors=True), QUIET)
    assert {s.n for s in kept} == {1}


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(GdrdError, match="no degradation called fog"):
        severities(LOW, "fog", [1])


def test_pair_scores_are_exactly_one_for_a_face_and_itself() -> None:
    unit = np.eye(3, dtype=np.float32)
    pairs = Pairs(np.array([0, 0]), np.array([0, 1]), np.array([True, False]), np.array([0, 1]))
    np.testing.assert_array_equal(pair_scores(unit, unit, pairs), [1.0, 0.0])


def test_teachers_gallery_is_for_its_own_students(faces: ArrayFaces, pairs: Pairs) -> None:
    teacher, student, stranger = Pooled(), Pooled(), Pooled()
    teacher.name, student.name, stranger.name = "teacher", "student", "stranger"
    student.teacher_name = "teacher"  # type: ignore[attr-defined]
    both, measures = (Setting.GALLERY, Setting.TEACHER), MetricConfig(pairs, (), bootstrap=0)
    scores = sweep([student, stranger], faces, [LOW], measures, QUIET, settings=both, teacher=teacher)
    assert [s.method for s in scores if s.setting == Setting.TEACHER] == ["student"] * 3
    # The stand-ins are one network, so the teacher's gallery is the student's own.
    own, borrowed = ([s.value for s in scores if s.method == "student" and s.setting == k] for k in both)
    assert own == borrowed
    assert sweep([student], faces, [LOW], measures, QUIET, settings=both)[-1].setting == Setting.GALLERY


def test_a_resolution_above_the_faces_is_refused(faces: ArrayFaces, pairs: Pairs) -> None:
    recogniser = Pooled()
    with pytest.raises(GdrdError, match=r"squares have 32 px, too few for 64 px. Choose resolutions up to 32"):
        sweep([recogniser], faces, resolutions([8, 64]), MetricConfig(pairs), QUIET)
    assert recogniser.faces_seen == 0


def test_a_model_that_is_called_like_the_teacher_has_a_gallery_of_its_own(faces: ArrayFaces, pairs: Pairs) -> None:
    class Other(Pooled):
        def embed(self, faces: Tensor) -> Tensor:
            return super().embed(faces.flip(2))

    teacher, namesake, student = Other("teacher"), Pooled("teacher"), Pooled("student")
    student.teacher_name = "teacher"  # type: ignore[attr-defined]
    measures, settings = MetricConfig(pairs, (), bootstrap=0), (Setting.TEACHER,)
    alone = sweep([student], faces, [LOW], measures, QUIET, settings=settings, teacher=teacher)
    both = (Setting.GALLERY, Setting.TEACHER)
    beside = sweep([namesake, student], faces, [LOW], measures, QUIET, settings=both, teacher=teacher)
    assert [s.value for s in beside if s.setting == Setting.TEACHER] == [s.value for s in alone]

"""Identification and retrieval."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from gdrd_lab.datasets.pairs import enrol
from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.metrics.identification import IdentificationResult, clustered_error, ranks
from gdrd_lab.evaluation.metrics.retrieval import retrieve


def people(seed: int, identities: int = 12, each: int = 4, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), each)
    faces = random.normal(size=(identities, 8))[labels] + noise * random.normal(size=(len(labels), 8))
    return (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32), labels


def test_ranks_by_hand() -> None:
    gallery = np.eye(3)
    probes = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.5, 0.5, 0.1]])
    found = ranks(probes, np.array([7, 8, 9, 7]), gallery, np.array([7, 8, 9]))
    # The last probe ties between 7 and 8, which counts against the recogniser.
    np.testing.assert_array_equal(found, [1, 2, 3, 2])
    result = IdentificationResult(found, np.array([7, 8, 9, 7]), 4)
    assert result.rank_k(1) == 0.25 and result.rank_k(2) == 0.75
    np.testing.assert_allclose(result.cmc(4), [0.25, 0.75, 1.0, 1.0])
    np.testing.assert_allclose(result.cmc(2), [0.25, 0.75])


def test_ranks_against_a_slow_loop_with_several_enrolled_faces() -> None:
    embeddings, labels = people(0)
    enrolment = enrol(labels, 2, seed=3)
    gallery, probes = enrolment.gallery, enrolment.probes
    found = ranks(embeddings[probes], labels[probes], embeddings[gallery], labels[gallery], chunk=5)
    for probe, rank in zip(probes, found, strict=True):
        best = {
            name: max(embeddings[probe] @ embeddings[g] for g in gallery if labels[g] == name) for name in set(labels)
        }
        assert rank == 1 + sum(best[name] > best[labels[probe]] for name in best)
    assert 0 < np.mean(found == 1) < 1


def test_constant_embeddings_are_last_not_first() -> None:
    labels = np.repeat(np.arange(5), 3)
    constant = np.ones((15, 2))
    assert (ranks(constant, labels, constant, labels) == 5).all()
    assert retrieve(constant, constant, labels).mean_average_precision < 0.2


def test_enrolment_is_disjoint_complete_and_seeded() -> None:
    labels = np.array([0, 1, 0, 1, 1, 2, 2, 2, -1])
    one = enrol(labels, seed=0)
    assert sorted(labels[one.gallery]) == [0, 1, 2]
    assert sorted([*one.gallery, *one.probes]) == list(range(8))
    np.testing.assert_array_equal(one.gallery, enrol(labels, seed=0).gallery)
    assert any((enrol(labels, seed=s).gallery != one.gallery).any() for s in range(1, 9))


def test_an_identity_with_one_image() -> None:
    labels = np.array([0, 0, 4, 1, 1])
    with pytest.raises(GdrdError, match="1 of 3 identities have 1 face") as raised:
        enrol(labels)
    assert "\n" not in str(raised.value) and "distractors=True" in str(raised.value)
    kept = enrol(labels, distractors=True)
    assert 2 in kept.gallery and 2 not in kept.probes and len(kept.probes) == 2
    with pytest.raises(GdrdError, match="No face is left as a probe"):
        enrol(np.array([0, 1, 2]), distractors=True)
    with pytest.raises(GdrdError, match="No face is left as a probe"):
        enrol(np.array([-1, -1]))


def test_a_probe_who_is_not_enrolled() -> None:
    with pytest.raises(GdrdError, match=r"2 probes show people who are not enrolled \(the first: 5\)"):
        ranks(np.eye(3), np.array([0, 5, 6]), np.eye(3), np.array([0, 1, 2]))
    with pytest.raises(GdrdError, match="no probe"):
        ranks(np.zeros((0, 3)), np.array([], int), np.eye(3), np.arange(3))


def test_average_precision_by_hand() -> None:
    # Query 0 sees, best first: 1 (same), 2 (other), 3 (same): AP = (1/1 + 2/3) / 2.
    angles = np.array([0.0, 0.1, 0.2, 0.3, 3.0])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], 1)
    labels = np.array([0, 0, 1, 0, 1])
    found = retrieve(embeddings, embeddings, labels)
    assert found.average_precision[0] == pytest.approx((1 + 2 / 3) / 2)
    # Query 2 looks for face 4, which is the farthest of four.
    assert found.average_precision[2] == pytest.approx(1 / 4) and found.first_rank[2] == 4
    assert found.recall(4) == 1.0 and found.recall(3) == pytest.approx(4 / 5)


def test_retrieval_against_scikit_learn_one_query_at_a_time() -> None:
    embeddings, labels = people(1)
    hr, _ = people(1, noise=0.5)
    found = retrieve(embeddings, hr, labels, chunk=7)
    for i, query in enumerate(found.queries):
        others = np.arange(len(labels)) != query
        same, scores = labels[others] == labels[query], (hr @ embeddings[query])[others]
        assert found.average_precision[i] == pytest.approx(average_precision_score(same, scores))
        assert found.first_rank[i] == 1 + np.flatnonzero(same[np.argsort(-scores)])[0]
    assert 0.1 < found.mean_average_precision < 1


def test_perfect_retrieval_and_single_faces_are_no_queries() -> None:
    labels = np.array([0, 0, 1, 1, 2, -1])
    embeddings = np.eye(4)[[0, 0, 1, 1, 2, 3]]
    found = retrieve(embeddings, embeddings, labels)
    assert found.mean_average_precision == found.recall(1) == 1.0
    np.testing.assert_array_equal(found.queries, [0, 1, 2, 3])
    np.testing.assert_array_equal(retrieve(embeddings, embeddings, labels, indices=[3]).queries, [3])


@pytest.mark.parametrize(
    ("labels", "indices", "words"),
    [
        ([0, 1, 2], None, "one image"),
        ([-1, -1, -1], None, "one image"),
        ([0, 0, 0], None, "All faces show one person"),
        ([0, 0, 1], [2], "one image"),
    ],
)
def test_retrieval_that_cannot_be_measured(labels: list, indices: list | None, words: str) -> None:
    with pytest.raises(GdrdError, match=words) as raised:
        retrieve(np.eye(3), np.eye(3), np.array(labels), indices=indices)
    assert "\n" not in str(raised.value)


def test_clustered_error_is_the_usual_one_for_single_faces_and_larger_for_copies() -> None:
    values = np.array([1, 0, 1, 1, 0, 1, 1, 0.0])
    usual = values.std() / math.sqrt(8)
    assert clustered_error(values, np.arange(8)) == pytest.approx(usual)
    # Ten copies of each face say nothing new.
    assert clustered_error(np.repeat(values, 10), np.repeat(np.arange(8), 10)) == pytest.approx(usual)

"""Other losses on relations: RKD (distances, angles), contrastive distillation in a batch and against a bank."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_labels, check_pair, check_positive, full_precision


def rkd_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Pairwise distances, each divided by their mean, follow the teacher's.

    L = mean over i != j of huber(|e_i^s - e_j^s| / mu_s - |e_i^t - e_j^t| / mu_t), huber with threshold 1 and mu the
    mean distance over i != j. In [0, inf); 0 where the student's embeddings are the teacher's, scaled, turned or moved.

    Args:
        student: (N, d_s), N >= 2.
        teacher: (N, d_t), detached here; d_t may differ from d_s.

    Raises:
        GdrdError: not matrices with a row per face, or fewer than two faces.

    Source: RKD (arXiv 1904.05068), section 3.2.1.
    """
    _check_relations(student, teacher, 2)
    off_diagonal = ~torch.eye(len(student), dtype=torch.bool, device=student.device)

    def relative_distances(embeddings: Tensor) -> Tensor:
        squares = (embeddings[:, None] - embeddings[None]).square().sum(2)[off_diagonal]
        distances = squares.clamp_min(1e-12).sqrt()  # the root's slope at 0 is infinite: equal faces give none
        return distances / distances.mean()

    target = relative_distances(full_precision(teacher.detach()))
    return F.huber_loss(relative_distances(full_precision(student)), target)


def rkd_angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Cosines of the angles between three faces follow the teacher's.

    L = mean over distinct i, j, k of huber(cos(e_i^s, e_j^s, e_k^s) - cos(e_i^t, e_j^t, e_k^t)), the angle at j and
    huber with threshold 1. In [0, 1.5]; 0 where the student's embeddings are the teacher's, scaled, turned or moved.
    Memory grows as N^3 + N^2 d.

    Args:
        student: (N, d_s), N >= 3.
        teacher: (N, d_t), detached here; d_t may differ from d_s.

    Raises:
        GdrdError: not matrices with a row per face, or fewer than three faces.

    Source: RKD (arXiv 1904.05068), section 3.2.2.
    """
    _check_relations(student, teacher, 3)
    same = torch.eye(len(student), dtype=torch.bool, device=student.device)
    distinct = ~(same[:, :, None] | same[:, None, :] | same[None, :, :])

    def cosines(embeddings: Tensor) -> Tensor:
        edges = F.normalize(embeddings[None] - embeddings[:, None], dim=2, eps=1e-6)  # (j, i): from j to i
        return (edges @ edges.transpose(1, 2))[distinct]

    return F.huber_loss(cosines(full_precision(student)), cosines(full_precision(teacher.detach())))


def contrastive_distillation_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None = None,
    *,
    temperature: float = 0.07,
    negatives: Tensor | None = None,
) -> Tensor:
    """Each student embedding picks out its own teacher embedding among the others' (InfoNCE).

    L = -mean_i log [ exp(cos(e_i^s, e_i^t) / tau) / sum_k exp(cos(e_i^s, e_k^t) / tau) ], k over i, the rest of the
    batch and ``negatives``; in [0, inf). CRD itself estimates the same bound with a binary critic and a memory bank of
    the whole training set; the softmax form needs neither.

    Args:
        student: (N, d).
        teacher: (N, d), detached here.
        labels: (N,) identities, -1 unknown. Where given, faces of i's identity are no negatives of i.
        temperature: tau > 0; 0.07 as in CRD.
        negatives: (K, d) teacher embeddings of other faces, such as a ``NegativeQueue`` holds.

    Raises:
        GdrdError: shapes differ, or the temperature is not above zero.

    Source: CRD (arXiv 1910.10699), with the InfoNCE objective of CPC (arXiv 1807.03748).
    """
    check_pair(student, teacher, "N, d", "embeddings")
    check_positive(temperature, "temperature")
    count = len(student)
    keys = F.normalize(full_precision(teacher.detach()), dim=1)
    if negatives is not None:
        if negatives.ndim != 2 or negatives.shape[1] != student.shape[1]:
            raise GdrdError(f"Negatives have shape {tuple(negatives.shape)}", f"Pass (K, {student.shape[1]})")
        keys = torch.cat([keys, F.normalize(negatives.detach().to(keys), dim=1)])
    logits = F.normalize(full_precision(student), dim=1) @ keys.T / temperature
    if labels is not None:
        check_labels(labels, count)
        labels = labels.to(student.device)
        same = (labels[:, None] == labels[None]) & (labels[:, None] >= 0)
        same.fill_diagonal_(False)
        logits = logits.masked_fill(F.pad(same, (0, len(keys) - count)), -torch.inf)
    return F.cross_entropy(logits, torch.arange(count, device=student.device))


def bank_contrastive_loss(
    student: Tensor, teacher: Tensor, bank: Tensor, *, same_person: float = 0.363, temperature: float = 0.07
) -> Tensor:
    """Each student embedding picks out its own teacher embedding among those of a whole training set.

    L = -mean_i log [ p_i / (p_i + sum_k exp(cos(e_i^s, b_k) / tau)) ], p_i = exp(cos(e_i^s, e_i^t) / tau), k over the
    rows b_k of the bank with cos(e_i^t, b_k) < same_person; in [0, inf). That leaves out the face itself and what the
    teacher takes for the same person, so no labels are needed.

    Args:
        student: (N, d).
        teacher: (N, d), detached here.
        bank: (K, d) unit teacher embeddings, the N faces' among them or not.
        same_person: cosine from which the teacher takes two faces for one person; OpenCV's threshold of SFace.
        temperature: tau > 0.

    Raises:
        GdrdError: shapes differ, or the temperature is not above zero.

    Source: CRD (arXiv 1910.10699), section 3, whose memory bank holds the whole set, with the InfoNCE objective of CPC
    (arXiv 1807.03748).
    """
    check_pair(student, teacher, "N, d", "embeddings")
    check_positive(temperature, "temperature")
    if bank.ndim != 2 or bank.shape[1] != student.shape[1]:
        raise GdrdError(f"The bank has shape {tuple(bank.shape)}", f"Pass (K, {student.shape[1]})")
    ours, own = (F.normalize(full_precision(rows), dim=1) for rows in (student, teacher.detach()))
    bank = bank.detach().to(own)
    others = (ours @ bank.T).masked_fill(own @ bank.T >= same_person, -torch.inf)
    logits = torch.cat([(ours * own).sum(1, keepdim=True), others], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(student), dtype=torch.int64, device=student.device))


def _check_relations(student: Tensor, teacher: Tensor, least: int) -> None:
    for owner, tensor in (("student's", student), ("teacher's", teacher)):
        if tensor.ndim != 2 or not tensor.is_floating_point():
            raise GdrdError(f"The {owner} embeddings are {tensor.dtype} {tuple(tensor.shape)}", "Pass floats (N, d)")
    if len(student) != len(teacher):
        raise GdrdError(f"{len(student)} student and {len(teacher)} teacher embeddings", "Pass one of each per face")
    if len(student) < least:
        raise GdrdError(f"A batch of {len(student)} has no such relations", f"Use batches of at least {least} faces")

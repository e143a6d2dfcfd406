"""Contrastive representation distillation (CRD), within a batch and against a memory of the training set."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_labels, check_pair, check_positive, full_precision


def contrastive_distillation_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None = None,
    *,
    temperature: float = 0.07,
    negatives: Tensor | None = None,
) -> Tensor:
    """Identify each student embedding's own teacher embedding among those of the other faces (InfoNCE).

    L = -mean_i log [ exp(cos(e_i^s, e_i^t) / tau) / sum_k exp(cos(e_i^s, e_k^t) / tau) ], k over i, the rest of the
    batch and ``negatives``; in [0, inf). CRD estimates the same bound with a binary critic and a memory of the whole
    training set; the softmax form needs neither.

    Args:
        student: (N, d).
        teacher: (N, d), detached here.
        labels: (N,) identities, -1 unknown. If given, faces of i's identity are not negatives of i.
        temperature: tau > 0; 0.07 as in CRD.
        negatives: (K, d) teacher embeddings of other faces, such as a ``NegativeQueue`` holds.

    Raises:
        GdrdError: the shapes differ, or the temperature is not above zero.

    Source: CRD (arXiv 1910.10699), with the InfoNCE objective of CPC (arXiv 1807.03748).

    Example:
        >>> round(contrastive_distillation_loss(torch.eye(2), torch.eye(2), temperature=1.0).item(), 4)  # log(1 + 1/e)
        0.3133
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


def memory_contrastive_loss(
    student: Tensor, teacher: Tensor, memory: Tensor, *, same_person: float = 0.363, temperature: float = 0.07
) -> Tensor:
    """Identify each student embedding's own teacher embedding among those of a whole training set.

    L = -mean_i log [ p_i / (p_i + sum_k exp(cos(e_i^s, m_k) / tau)) ], p_i = exp(cos(e_i^s, e_i^t) / tau), k over the
    rows m_k of the memory with cos(e_i^t, m_k) < same_person; in [0, inf). This leaves out the face itself and the
    faces that the teacher takes for the same person, so no labels are needed.

    Args:
        student: (N, d).
        teacher: (N, d), detached here.
        memory: (K, d) unit teacher embeddings; those of the N faces may be among them.
        same_person: cosine from which the teacher takes two faces for one person; OpenCV's threshold of SFace.
        temperature: tau > 0.

    Raises:
        GdrdError: the shapes differ, or the temperature is not above zero.

    Source: CRD (arXiv 1910.10699), section 3, whose memory holds the whole set, with the InfoNCE objective of CPC
    (arXiv 1807.03748).

    Example:
        >>> round(memory_contrastive_loss(torch.eye(2), torch.eye(2), torch.eye(2), temperature=1.0).item(), 4)
        0.3133
    """
    check_pair(student, teacher, "N, d", "embeddings")
    check_positive(temperature, "temperature")
    if memory.ndim != 2 or memory.shape[1] != student.shape[1]:
        raise GdrdError(f"The memory has shape {tuple(memory.shape)}", f"Pass (K, {student.shape[1]})")
    ours, own = (F.normalize(full_precision(rows), dim=1) for rows in (student, teacher.detach()))
    memory = memory.detach().to(own)
    others = (ours @ memory.T).masked_fill(own @ memory.T >= same_person, -torch.inf)
    logits = torch.cat([(ours * own).sum(1, keepdim=True), others], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(student), dtype=torch.int64, device=student.device))

"""Relational knowledge distillation (RKD): distances and angles between faces."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import full_precision


def rkd_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Make pairwise distances, each divided by their mean, follow the teacher's.

    L = mean over i != j of huber(|e_i^s - e_j^s| / mu_s - |e_i^t - e_j^t| / mu_t), huber with threshold 1 and mu the
    mean distance over i != j. In [0, inf); 0 where the student's are the teacher's scaled, turned or moved.

    Args:
        student: (N, d_s), N >= 2.
        teacher: (N, d_t), detached here; d_t may differ from d_s.

    Raises:
        GdrdError: the inputs are not matrices with a row per face, or there are fewer than two faces.

    Source: RKD (arXiv 1904.05068), section 3.2.1.

    Example:
        >>> rkd_distance_loss(2 * torch.eye(3), torch.eye(3)).item()
        0.0
    """
    _check_relations(student, teacher, 2)
    off_diagonal = ~torch.eye(len(student), dtype=torch.bool, device=student.device)

    def relative_distances(embeddings: Tensor) -> Tensor:
        squares = (embeddings[:, None] - embeddings[None]).square().sum(2)[off_diagonal]
        distances = squares.clamp_min(1e-12).sqrt()  # avoids the infinite slope at 0, where two faces are equal
        return distances / distances.mean()

    target = relative_distances(full_precision(teacher.detach()))
    return F.huber_loss(relative_distances(full_precision(student)), target)


def rkd_angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Make the cosines of the angles between three faces follow the teacher's.

    L = mean over distinct i, j, k of huber(cos(e_i^s, e_j^s, e_k^s) - cos(e_i^t, e_j^t, e_k^t)), the angle at j and
    huber with threshold 1. In [0, 1.5]; 0 where the student's embeddings are the teacher's scaled, rotated or
    shifted. Memory grows as N^3 + N^2 d.

    Args:
        student: (N, d_s), N >= 3.
        teacher: (N, d_t), detached here; d_t may differ from d_s.

    Raises:
        GdrdError: the inputs are not matrices with a row per face, or there are fewer than three faces.

    Source: RKD (arXiv 1904.05068), section 3.2.2.

    Example:
        >>> rkd_angle_loss(2 * torch.eye(3), torch.eye(3)).item()
        0.0
    """
    _check_relations(student, teacher, 3)
    same = torch.eye(len(student), dtype=torch.bool, device=student.device)
    distinct = ~(same[:, :, None] | same[:, None, :] | same[None, :, :])

    def cosines(embeddings: Tensor) -> Tensor:
        edges = F.normalize(embeddings[None] - embeddings[:, None], dim=2, eps=1e-6)  # (j, i): from j to i
        return (edges @ edges.transpose(1, 2))[distinct]

    return F.huber_loss(cosines(full_precision(student)), cosines(full_precision(teacher.detach())))


def _check_relations(student: Tensor, teacher: Tensor, least: int) -> None:
    for owner, tensor in (("student's", student), ("teacher's", teacher)):
        if tensor.ndim != 2 or not tensor.is_floating_point():
            raise GdrdError(f"The {owner} embeddings are {tensor.dtype} {tuple(tensor.shape)}", "Pass floats (N, d)")
    if len(student) != len(teacher):
        raise GdrdError(f"{len(student)} student and {len(teacher)} teacher embeddings", "Pass one of each per face")
    if len(student) < least:
        remedy = f"Use batches of at least {least} faces"
        raise GdrdError(f"A batch of {len(student)} faces has too few relations", remedy)

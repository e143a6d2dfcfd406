"""L_kd: knowledge distillation from the discriminative teacher, on embeddings or on soft labels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.checks import check_labels, check_pair, check_positive, full_precision


def cosine_distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Distance in angle between the student's embedding and the teacher's: L_kd = mean_i (1 - cos(e_i^s, e_i^t)).

    In [0, 2], 0 where both have the same direction; half the squared distance of the unit vectors. It needs neither
    labels nor a classifier, so it suits teachers that come without their classification layer.

    Args:
        student: (N, d) embeddings of the low-resolution faces, of any length.
        teacher: (N, d) embeddings of the same faces at high resolution; detached here.

    Raises:
        GdrdError: the shapes differ or are not (N, d).

    Example:
        >>> cosine_distillation_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])).item()
        1.0
    """
    check_pair(student, teacher, "N, d", "embeddings")
    cosine = F.cosine_similarity(full_precision(student), full_precision(teacher.detach()), dim=1)
    return (1 - cosine).mean()


def soft_label_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 4.0) -> Tensor:
    """Hinton's distillation: the student's class distribution follows the teacher's.

    L_kd = T^2 / N * sum_i KL(softmax(z_i^t / T) || softmax(z_i^s / T)); in [0, inf), 0 where the distributions agree.
    The factor T^2 makes the size of the gradient independent of T.

    Args:
        student_logits: (N, C), such as ``similarity_logits(student, prototypes)``.
        teacher_logits: (N, C) on the same classes; detached here.
        temperature: T > 0; values above 1 soften. 4 is Hinton's common choice, not a value from the GDRD paper.

    Raises:
        GdrdError: the shapes differ or are not (N, C), or the temperature is not above zero.

    Source: Hinton, Vinyals and Dean (arXiv 1503.02531), section 2.

    Example:
        >>> soft_label_loss(torch.zeros(2, 3), torch.zeros(2, 3)).item()
        0.0
    """
    check_pair(student_logits, teacher_logits, "N, C", "logits")
    check_positive(temperature, "temperature")
    log_student = F.log_softmax(full_precision(student_logits) / temperature, dim=1)
    log_teacher = F.log_softmax(full_precision(teacher_logits.detach()) / temperature, dim=1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * temperature**2


def similarity_logits(embeddings: Tensor, prototypes: Tensor, scale: float = 64.0) -> Tensor:
    """Logits of a cosine classifier: scale * cos(e_i, w_c), in [-scale, scale].

    Args:
        embeddings: (N, d), of any length.
        prototypes: (C, d), one per class: classifier weights or ``class_prototypes``.
        scale: inverse temperature of the cosine; 64 as in ArcFace.

    Returns:
        (N, C).

    Raises:
        GdrdError: the inputs are not two matrices of the same width, or the scale is not above zero.

    Example:
        >>> similarity_logits(torch.tensor([[3.0, 0.0]]), torch.eye(2)).tolist()
        [[64.0, 0.0]]
    """
    check_positive(scale, "scale")
    if embeddings.ndim != 2 or prototypes.ndim != 2 or embeddings.shape[1] != prototypes.shape[1]:
        shapes = f"Embeddings {tuple(embeddings.shape)} and prototypes {tuple(prototypes.shape)}"
        raise GdrdError(f"{shapes} do not fit together", "Pass (N, d) and (C, d)")
    directions = F.normalize(full_precision(prototypes), dim=1)
    return scale * F.normalize(full_precision(embeddings), dim=1) @ directions.T


def class_prototypes(embeddings: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Mean direction of each class: w_c = normalise(sum over i with label c of normalise(e_i)).

    They stand in for the classifier of a teacher that comes without one, so that it can give soft labels.

    Args:
        embeddings: (N, d) of the teacher, of any length.
        labels: (N,) integers, 0 to classes - 1; faces with -1 are left out.
        classes: C.

    Returns:
        (C, d), rows of unit length.

    Raises:
        GdrdError: a label is out of range, or a class has no face.

    Example:
        >>> class_prototypes(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([1, 0]), 2).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    if embeddings.ndim != 2:
        raise GdrdError(f"Embeddings have shape {tuple(embeddings.shape)}", "Pass (N, d)")
    check_labels(labels, len(embeddings))
    known = labels >= 0
    counts = torch.bincount(labels[known], minlength=classes)
    if len(counts) > classes:
        raise GdrdError(f"Label {len(counts) - 1} is beyond {classes} classes", "Renumber the identities from 0")
    if bool((counts == 0).any()):
        raise GdrdError(f"Class {int((counts == 0).nonzero()[0])} has no face", "Renumber the identities from 0")
    unit = F.normalize(full_precision(embeddings), dim=1)
    sums = unit.new_zeros(classes, unit.shape[1]).index_add(0, labels[known], unit[known])
    return F.normalize(sums, dim=1)

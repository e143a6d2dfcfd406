"""The losses of the method, L_gen, L_rcd, L_kd and L_cls, and the baselines RKD and CRD.

Each takes the student's output, then the teacher's, which it detaches, and returns a scalar to minimise.

Example:
    >>> import torch
    >>> student, teacher = torch.randn(8, 128, requires_grad=True), torch.randn(8, 128)
    >>> loss = cosine_distillation_loss(student, teacher) + 0.1 * RelationalContrastiveLoss(128)(student, teacher)
    >>> loss.backward()
    >>> student.grad.shape
    torch.Size([8, 128])
"""

from gdrd_lab.losses.classification import ArcFace, CosFace
from gdrd_lab.losses.crd import contrastive_distillation_loss, memory_contrastive_loss
from gdrd_lab.losses.distillation import class_prototypes, cosine_distillation_loss, similarity_logits, soft_label_loss
from gdrd_lab.losses.generative import TargetNormalisation, generative_loss
from gdrd_lab.losses.memory_queue import NegativeQueue
from gdrd_lab.losses.relational import RelationalContrastiveLoss, RelationModule
from gdrd_lab.losses.rkd import rkd_angle_loss, rkd_distance_loss

__all__ = [
    "ArcFace", "CosFace", "NegativeQueue", "RelationModule", "RelationalContrastiveLoss", "TargetNormalisation",
    "class_prototypes", "contrastive_distillation_loss", "cosine_distillation_loss", "generative_loss",
    "memory_contrastive_loss", "rkd_angle_loss", "rkd_distance_loss", "similarity_logits", "soft_label_loss",
]  # fmt: skip

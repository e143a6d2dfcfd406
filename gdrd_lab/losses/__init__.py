"""The losses of the method: L_gen, L_rcd, L_kd, L_cls, and baselines to compare L_rcd with."""

from gdrd_lab.losses.classification import ArcFace, CosFace
from gdrd_lab.losses.crd import bank_contrastive_loss, contrastive_distillation_loss
from gdrd_lab.losses.distillation import (
    class_prototypes,
    cosine_distillation_loss,
    similarity_logits,
    soft_label_loss,
)
from gdrd_lab.losses.generative import TargetNormalisation, generative_loss
from gdrd_lab.losses.memory_queue import NegativeQueue
from gdrd_lab.losses.relational import RelationalContrastiveLoss, RelationModule
from gdrd_lab.losses.rkd import rkd_angle_loss, rkd_distance_loss

__all__ = [
    "ArcFace",
    "CosFace",
    "NegativeQueue",
    "RelationModule",
    "RelationalContrastiveLoss",
    "TargetNormalisation",
    "bank_contrastive_loss",
    "class_prototypes",
    "contrastive_distillation_loss",
    "cosine_distillation_loss",
    "generative_loss",
    "rkd_angle_loss",
    "rkd_distance_loss",
    "similarity_logits",
    "soft_label_loss",
]

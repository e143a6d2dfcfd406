"""Stage 2: the student's head learns from the discriminative teacher (L_rcd, L_kd, L_cls) on the frozen backbone."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gdrd_lab import distributed
from gdrd_lab.errors import GdrdError
from gdrd_lab.losses.classification import ArcFace
from gdrd_lab.losses.crd import contrastive_distillation_loss, memory_contrastive_loss
from gdrd_lab.losses.distillation import cosine_distillation_loss
from gdrd_lab.losses.relational import RelationalContrastiveLoss
from gdrd_lab.losses.rkd import rkd_angle_loss, rkd_distance_loss
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.recogniser import Recogniser
from gdrd_lab.models.student.model import Student
from gdrd_lab.models.student.separable import SeparableBackbone
from gdrd_lab.training.config import BackboneConfig, HeadConfig
from gdrd_lab.training.data import Batch
from gdrd_lab.training.stages.backbone import feature_adapter, regression_loss
from gdrd_lab.training.stages.base import Stage

LOSSES = ("gen", "kd", "crd_memory", "assistant", "crd", "rkd", "rcd", "cls")


class HeadStage(Stage):
    """L = w_rcd L_rcd + w_kd L_kd + w_cls L_cls against the teacher's embeddings of the high-resolution faces.

    ``targets`` (len(faces), d) are these embeddings, of unit length. L_cls needs labelled ``identities``,
    ``weight_assistant`` an assistant, a second teacher that reads the same low-resolution faces, and
    ``function_matching`` the teacher itself.
    """

    memory: Tensor

    def __init__(
        self,
        config: HeadConfig,
        student: Student,
        targets: Tensor,
        identities: int,
        seed: int,
        assistant: Student | None = None,
        teacher: Recogniser | None = None,
        generative: tuple[BackboneConfig, SuperResolutionPipeline] | None = None,
    ) -> None:
        if config.weight_gen and generative is None:
            raise GdrdError("weight_gen is set, with no generative teacher", "Give the folder of one (--generative)")
        if config.weight_assistant and assistant is None:
            raise GdrdError("weight_assistant is set, with no assistant", "Give the folder of one (--assistant)")
        if config.function_matching and not isinstance(teacher, torch.nn.Module):
            raise GdrdError("function_matching needs a teacher that is a torch network", "Set function_matching=false")
        torch.manual_seed(seed)
        student.head.requires_grad_(True)
        student.backbone.requires_grad_(not config.freeze_backbone)
        trained: dict[str, torch.nn.Module] = {"head": student.head}
        if not config.freeze_backbone:
            trained["backbone"] = student.backbone
        size = student.embedding_size
        if config.weight_rcd:
            trained["relation"] = RelationalContrastiveLoss(
                size, relation_size=config.relation_size, temperature=config.temperature, queue_size=config.queue
            )
        if config.weight_cls and identities:
            trained["classes"] = ArcFace(identities, size)
        if config.weight_gen and generative:
            trained["adapter"] = feature_adapter(generative[0], student, generative[1], seed)
        assistants: tuple[Student, ...] = () if assistant is None else (assistant,)
        teachers = (teacher,) if config.function_matching else ()
        self._generative = generative
        frozen = [student.backbone, *assistants, *teachers, *(generative or ())[1:]]
        super().__init__("head", trained, frozen=frozen, losses=("relation", "classes", "adapter"))
        self.config = config
        self.weights = {name: getattr(config, f"weight_{name}") for name in LOSSES}
        self._frozen_blocks = first_blocks(student, config.freeze_blocks)
        for part in self._frozen_blocks:
            part.requires_grad_(False)
        # In tuples, so that they are not submodules.
        self._student, self._targets, self._assistants, self._teachers = (student,), (targets,), assistants, teachers
        if config.weight_crd_memory:
            self.register_buffer("memory", targets, persistent=False)  # moves to the device with the stage

    def train(self, mode: bool = True) -> "HeadStage":
        """Set the training mode, but keep the BatchNorm statistics of frozen parts."""
        super().train(mode)
        moves = mode and not self.config.freeze_bn_stats
        self._student[0].backbone.train(moves and not self.config.freeze_backbone)
        self._student[0].head.train(moves)
        for part in self._frozen_blocks:
            part.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return each loss with a weight above 0: {"kd": ..., "rcd": ..., "cls": ...}."""
        config, student = self.config, self._student[0]
        with torch.set_grad_enabled(not config.freeze_backbone and torch.is_grad_enabled()):
            features = student.backbone(batch.lr)
        embedding = F.normalize(student.head(features).float(), dim=1)
        if self._teachers:
            with torch.no_grad():
                target = self._teachers[0].embed(batch.hr).to(embedding)
        else:
            target = self._targets[0][batch.indices.cpu()].to(embedding)
        losses = {}
        if "adapter" in self.trained and self._generative:
            losses["gen"] = regression_loss(*self._generative, self.trained["adapter"](features), batch)
        if config.weight_kd:
            losses["kd"] = cosine_distillation_loss(embedding, target)
        if config.weight_crd_memory:
            losses["crd_memory"] = memory_contrastive_loss(embedding, target, self.memory)
        if config.weight_assistant:
            with torch.no_grad():
                second = self._assistants[0].embed(batch.lr).float()
            losses["assistant"] = cosine_distillation_loss(embedding, second)
        if config.weight_crd or config.weight_rkd:
            # Every process computes the loss of the whole batch, so its mean over the processes is that loss too.
            everyone, targets = distributed.gather(embedding), distributed.gather(target)
        if config.weight_crd:
            labels = distributed.gather(batch.labels.to(embedding.device))
            losses["crd"] = contrastive_distillation_loss(everyone, targets, labels)
        if config.weight_rkd:
            losses["rkd"] = rkd_distance_loss(everyone, targets) + 2 * rkd_angle_loss(everyone, targets)
        if "relation" in self.trained:
            losses["rcd"] = self.trained["relation"](embedding, target, batch.labels)
        if "classes" in self.trained:
            losses["cls"] = batch.labelled_share * self.trained["classes"](embedding, batch.labels)
        return losses


def first_blocks(student: Student, count: int) -> tuple[torch.nn.Module, ...]:
    """Return the stem and the ``count`` first blocks of a separable student's backbone; nothing for 0."""
    backbone = student.backbone
    if count == 0:
        return ()
    if not isinstance(backbone, SeparableBackbone) or count > len(backbone.blocks):
        raise GdrdError(f"This student has no {count} first blocks to freeze", "Set freeze_blocks=0, or fewer")
    return backbone.stem, *list(backbone.blocks)[:count]

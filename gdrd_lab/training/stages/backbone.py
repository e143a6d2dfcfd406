"""Stage 1: the student's backbone learns the features of the generative teacher's encoder (L_gen)."""

from collections.abc import Iterable

import torch
from torch import Tensor

from gdrd_lab.losses.generative import TargetNormalisation, generative_loss, normalise_target
from gdrd_lab.models.diffusion.features import generative_features
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.student.adapter import FeatureAdapter
from gdrd_lab.models.student.model import Student
from gdrd_lab.training.config import BackboneConfig
from gdrd_lab.training.data import Batch
from gdrd_lab.training.stages.base import Stage


class BackboneStage(Stage):
    """L_gen between the adapted backbone features and the generative teacher's features of the same face."""

    def __init__(self, config: BackboneConfig, student: Student, teacher: SuperResolutionPipeline, seed: int) -> None:
        student.backbone.requires_grad_(True)
        adapter = feature_adapter(config, student, teacher, seed)
        super().__init__("backbone", {"backbone": student.backbone, "adapter": adapter}, frozen=[teacher, student.head])
        self.config = config

    def train(self, mode: bool = True) -> "BackboneStage":
        """Set the training mode, but keep BatchNorm statistics that are to stay."""
        super().train(mode)
        self.trained["backbone"].train(mode and not self.config.freeze_bn_stats)
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return {"gen": L_gen}."""
        features = self.trained["adapter"](self.trained["backbone"](batch.lr))
        return {"gen": regression_loss(self.config, self.frozen[0], features, batch)}


def feature_adapter(
    config: BackboneConfig, student: Student, teacher: SuperResolutionPipeline, seed: int
) -> FeatureAdapter:
    """Return a new adapter from the student's backbone to the teacher's features; a resumed run builds the same."""
    probe = generative_features(teacher, torch.zeros(1, 3, 16, 16), timestep=config.timestep, block=config.block)
    torch.manual_seed(seed)
    return FeatureAdapter(student.backbone.channels, probe.shape[1], (probe.shape[2], probe.shape[3]))


@torch.no_grad()
def fit_adapter(
    config: BackboneConfig,
    adapter: FeatureAdapter,
    student: Student,
    teacher: SuperResolutionPipeline,
    batches: Iterable[Batch],
) -> None:
    """Fit an adapter to what the student's features say now, so that L_gen changes them no more than it must."""
    backbone, normalisation = student.backbone.eval(), TargetNormalisation(int(config.normalise))
    pairs = ((backbone(batch.lr), target_features(config, teacher, batch)) for batch in batches)
    adapter.fit((found, normalise_target(target, normalisation)) for found, target in pairs)


def regression_loss(config: BackboneConfig, teacher: SuperResolutionPipeline, features: Tensor, batch: Batch) -> Tensor:
    """Return L_gen between adapted features of a batch and the teacher's features of the same faces."""
    target = target_features(config, teacher, batch)
    return generative_loss(features.float(), target, normalise=config.normalise)


def target_features(config: BackboneConfig, teacher: SuperResolutionPipeline, batch: Batch) -> Tensor:
    """Return the teacher's features of a batch, float32."""
    hr = batch.hr if config.hr else None
    seeds = batch.indices.tolist() if config.timestep and config.noise else None
    timestep, block = config.timestep, config.block
    return generative_features(teacher, batch.lr, hr=hr, timestep=timestep, block=block, seeds=seeds).float()

"""Everything a training run is told: frozen dataclasses with `smoke()`, `cpu()` and `paper()` sizes.

Where the paper's text does not give a value (layer, timestep, loss weights, optimiser), the choice here is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.transforms.augmentation import AugmentConfig


@dataclass(frozen=True)
class LoopConfig:
    """How a stage is optimised.

    Args:
        steps: optimiser steps.
        batch_size: faces per optimiser step, over all devices and accumulated micro-batches.
        learning_rate: peak of a linear warm-up over the first 5 percent and a cosine decay to zero.
        weight_decay: AdamW's.
        accumulate: micro-batches per optimiser step.
        precision: "no", "bf16" or "fp16", as accelerate names them.
        ema: decay of the exponential moving average of the weights; 0 turns it off.
        clip: largest gradient norm.
        checkpoint_every: steps between checkpoints.
        checkpoint_minutes: most minutes between checkpoints; 0 counts steps alone.
        keep: checkpoints kept.
        workers: processes that decode faces, for each training process; 0 decodes in the training process.
        sync_norm: BatchNorm over the faces of all processes, so that several train as one would.
        compile: run the networks through torch.compile; it pays in long runs and needs a C++ compiler on CPUs.
        tracker: where losses go besides losses.csv, as accelerate names it: "tensorboard", "wandb" and others.
    """

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    accumulate: int = 1
    precision: str = "no"
    ema: float = 0.999
    clip: float = 1.0
    checkpoint_every: int = 500
    checkpoint_minutes: float = 10.0
    keep: int = 2
    workers: int = 0
    sync_norm: bool = True
    compile: bool = False
    tracker: str = "tensorboard"


@dataclass(frozen=True)
class GenerativeConfig:
    """The generative teacher: an SR3-style diffusion model (see teachers.super_resolution).

    Args:
        loop: optimisation.
        size: side of the faces it makes; a multiple of unshuffle x 2^(levels - 1).
        channels: width of each UNet level.
        layers: residual blocks per level.
        unshuffle: pixel-unshuffle factor in front of the UNet; 4 costs a quarter of 2.
        min_snr: gamma of the Min-SNR weighting; 0 weighs every timestep alike, which the last (pure noise) step needs.
        resolutions: sides drawn at random for every step.
        augment: changes to the sharp face.
    """

    loop: LoopConfig
    size: int = 64
    channels: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    unshuffle: int = 4
    resolutions: tuple[int, ...] = (8, 10, 12, 14, 16, 20, 24, 32)
    min_snr: float = 0.0
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(shift=1.5, scale=0.03, rotate=3.0, colour=0.1))


@dataclass(frozen=True)
class BackboneConfig:
    """Stage 1: the student's backbone learns the generative teacher's encoder features (L_gen).

    Args:
        loop: optimisation.
        block: the teacher's block, see teachers.features.encoder_blocks.
        timestep: noise level at which the teacher's features are read, 0 to 999.
        hr: let the teacher see the sharp face's residual too; False: only the low-resolution face, as in the paper.
        normalise: standardise the target's channels (see losses.generative).
        resolutions: sides drawn at random for every step.
        augment: changes to the sharp face.
    """

    loop: LoopConfig
    block: str = "mid_block"
    timestep: int = 0
    hr: bool = False
    normalise: bool = True
    resolutions: tuple[int, ...] = (8, 16, 16, 32)
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True)
class HeadConfig:
    """Stage 2: the student's head learns from the discriminative teacher (L_rcd, L_kd, L_cls).

    Args:
        loop: optimisation.
        freeze_backbone: keep the backbone of stage 1 as it is (the paper); False trains it too.
        freeze_blocks: keep a trained separable backbone's stem and this many first blocks as they are; five of SFace's
            take half of a step's time.
        freeze_bn_stats: keep the BatchNorm statistics the student starts with.
        weight_rcd: weight of the cross-resolution relational contrastive loss.
        weight_kd: weight of the embedding distillation loss.
        weight_crd: weight of contrastive distillation in the batch (losses.baselines), 0 in the paper.
        weight_crd_memory: weight of contrastive distillation against the whole training set (likewise), 0 in the paper.
        weight_rkd: weight of RKD, distances + 2 x angles (losses.baselines), 0 in the paper.
        weight_cls: weight of the margin classification loss on the labelled faces.
        weight_assistant: weight of distillation from an assistant's embedding of the same low-resolution face, 0 in the
            paper.
        relation_size: width of the relation vectors.
        temperature: of the critic.
        queue: negatives kept in the memory queue; 0 uses the batch alone.
        resolutions: sides drawn at random for every step.
        augment: changes to the sharp face.
    """

    loop: LoopConfig
    freeze_backbone: bool = True
    freeze_blocks: int = 0
    freeze_bn_stats: bool = False
    weight_rcd: float = 0.1
    weight_kd: float = 10.0
    weight_crd: float = 0.0
    weight_crd_memory: float = 0.0
    weight_rkd: float = 0.0
    weight_cls: float = 0.05
    weight_assistant: float = 0.0
    relation_size: int = 128
    temperature: float = 0.1
    queue: int = 0
    resolutions: tuple[int, ...] = (8, 16, 16, 32)
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True)
class StemConfig:
    """Before stage 2 of a warm start: layers that could not be copied learn what SFace's layers there put out.

    Args:
        loop: optimisation.
        resolutions: sides drawn at random for every step.
        augment: changes to the sharp face.
        measured: batches of faces on which the ranks' directions are measured.
    """

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600, batch_size=32, learning_rate=2e-3))
    resolutions: tuple[int, ...] = (8, 12, 16, 20, 24, 32)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    measured: int = 12


@dataclass(frozen=True)
class Recipe:
    """A whole run: the three stages in the paper's order, and the student they make.

    Args:
        generative: the generative teacher.
        backbone: stage 1.
        head: stage 2.
        student: the student's shape.
        warm_start: start a separable student from the weights of SFace, or of an assistant of its shape, and train it
            whole in stage 2, without stage 1.
        stem: how the layers of a warm start that could not be copied are made ready for stage 2.
        seed: of everything random.
    """

    generative: GenerativeConfig
    backbone: BackboneConfig
    head: HeadConfig
    student: StudentConfig | SeparableConfig = field(default_factory=StudentConfig)
    warm_start: bool = False
    stem: StemConfig = field(default_factory=StemConfig)
    seed: int = 0

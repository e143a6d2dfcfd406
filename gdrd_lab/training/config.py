"""Everything a training run is told: frozen dataclasses with `smoke()`, `cpu()` and `paper()` sizes.

Where the paper's text does not give a value (layer, timestep, loss weights, optimiser), the choice here is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gdrd_lab.student.shape import SeparableConfig, StudentConfig


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
class AugmentConfig:
    """Changes to the sharp face before it is degraded: mirror, similarity jitter in pixels of a 112 px face, colour."""

    flip: bool = True
    shift: float = 3.0
    scale: float = 0.05
    rotate: float = 5.0
    colour: float = 0.2


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
        sharp: let the teacher see the sharp face's residual too; False: only the low-resolution face, as in the paper.
        normalise: standardise the target's channels (see losses.generative).
        resolutions: sides drawn at random for every step.
        augment: changes to the sharp face.
    """

    loop: LoopConfig
    block: str = "mid_block"
    timestep: int = 0
    sharp: bool = False
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
        freeze_norm: keep the BatchNorm statistics the student starts with.
        weight_rcd: weight of the cross-resolution relational contrastive loss.
        weight_kd: weight of the embedding distillation loss.
        weight_crd: weight of contrastive distillation in the batch (losses.baselines), 0 in the paper.
        weight_bank: weight of contrastive distillation against the whole training set (likewise), 0 in the paper.
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
    freeze_norm: bool = False
    weight_rcd: float = 0.1
    weight_kd: float = 10.0
    weight_crd: float = 0.0
    weight_bank: float = 0.0
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

    @classmethod
    def smoke(cls) -> Recipe:
        """Return the smallest run that goes through everything: under 2 minutes on 2 cores; its scores mean nothing."""
        loop = LoopConfig(steps=12, batch_size=16, learning_rate=5e-4, ema=0.9, checkpoint_every=6)
        return cls(
            generative=GenerativeConfig(loop=loop, channels=(32, 48, 64), resolutions=(8, 16)),
            backbone=BackboneConfig(loop=loop, resolutions=(8, 16)),
            head=HeadConfig(loop=loop, queue=32, resolutions=(8, 16)),
            student=StudentConfig(backbone_channels=(16, 32), backbone_blocks=(1, 1), head_channels=32, head_blocks=1),
        )

    @classmethod
    def cpu(cls) -> Recipe:
        """Return a run of some hours on 2 CPU cores with bf16."""
        return cls(
            generative=GenerativeConfig(
                loop=LoopConfig(steps=10_000, batch_size=32, learning_rate=4e-4, precision="bf16", checkpoint_every=500)
            ),
            backbone=BackboneConfig(
                loop=LoopConfig(steps=3_000, batch_size=64, learning_rate=2e-3, weight_decay=0.05, precision="bf16")
            ),
            head=HeadConfig(
                loop=LoopConfig(steps=12_000, batch_size=128, learning_rate=2e-3, weight_decay=0.05, precision="bf16")
            ),
        )

    @classmethod
    def best(cls) -> Recipe:
        """Return what won here: a student cut from the assistant, trained whole under its embeddings; no stage 1."""
        # Not bf16: on a Xeon without AMX 1 x 1 convolutions take twice as long in it (CLUSTER.md).
        loop = LoopConfig(steps=4_400, batch_size=64, learning_rate=5e-4, weight_decay=0.05, checkpoint_every=250)
        return replace(
            cls.cpu(),
            head=HeadConfig(
                loop=loop,
                freeze_backbone=False,
                freeze_norm=True,
                weight_rcd=0.0,
                weight_kd=2.0,
                weight_assistant=10.0,
                weight_cls=0.0,
                resolutions=(8, 8, 10, 12, 16, 16, 16, 20, 24, 32),
            ),
            student=SeparableConfig(),
            warm_start=True,
        )

    @classmethod
    def assistant(cls) -> Recipe:
        """Return the recipe of a student of SFace's own size for low resolutions: a second teacher."""
        best = cls.best()
        loop = replace(best.head.loop, steps=3_000, batch_size=32, learning_rate=3e-4)
        head = replace(best.head, loop=loop, weight_kd=10.0, weight_bank=1.0, weight_assistant=0.0)
        return replace(best, head=head, student=SeparableConfig.whole())

    @classmethod
    def paper(cls) -> Recipe:
        """Return a run for GPUs: 112 px generative teacher, wider student, 16 px faces, a memory queue."""
        gpu: dict[str, Any] = {"precision": "bf16", "ema": 0.9999, "checkpoint_every": 2_000, "workers": 8}
        return cls(
            generative=GenerativeConfig(
                loop=LoopConfig(steps=400_000, batch_size=256, learning_rate=1e-4, **gpu),
                size=112,
                channels=(128, 256, 384, 512),
                layers=2,
                unshuffle=2,
            ),
            backbone=BackboneConfig(
                loop=LoopConfig(steps=100_000, batch_size=512, learning_rate=1e-3, **gpu), resolutions=(16,)
            ),
            head=HeadConfig(
                loop=LoopConfig(steps=200_000, batch_size=512, learning_rate=1e-3, **gpu),
                queue=16_384,
                resolutions=(16,),
            ),
            student=StudentConfig(
                backbone_channels=(128, 256), backbone_blocks=(3, 4), head_channels=512, head_blocks=3
            ),
        )

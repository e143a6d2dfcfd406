"""Configuration of a training run. Values that the paper's text does not give (timestep, weights) are our choice."""

from dataclasses import dataclass, field

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import check_ranges
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.transforms.augmentation import AugmentConfig
from gdrd_lab.transforms.camera import Camera

MOST = 10**9
PRECISIONS = ("no", "bf16", "fp16")


@dataclass(frozen=True)
class LoopConfig:
    """How a stage is optimised.

    Args:
        steps: optimiser steps.
        batch_size: faces per optimiser step, over all devices and accumulated micro-batches; at least 2.
        learning_rate: peak of a linear warm-up over the first 5 percent and a cosine decay to zero.
        weight_decay: weight decay of AdamW.
        accumulate: micro-batches per optimiser step.
        precision: "no", "bf16" or "fp16", as accelerate names them; "fp16" needs a GPU.
        ema: decay of the exponential moving average of the weights; 0 turns it off.
        clip: largest gradient norm.
        checkpoint_every: steps between checkpoints.
        checkpoint_minutes: most minutes between checkpoints; 0 counts steps only.
        keep: checkpoints kept.
        workers: processes that decode faces, for each training process; 0 decodes in the training process.
        sync_norm: compute BatchNorm over the faces of all processes, so that several train as one would.
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

    def __post_init__(self) -> None:
        check_ranges(
            self, steps=(1, MOST), batch_size=(2, MOST), learning_rate=(1e-12, 100.0), weight_decay=(0.0, 100.0),
            accumulate=(1, MOST), ema=(0.0, 0.999999), clip=(1e-9, 1e9), checkpoint_every=(1, MOST),
            checkpoint_minutes=(0.0, 1e6), keep=(1, MOST), workers=(0, 1024),
        )  # fmt: skip
        if self.precision not in PRECISIONS:
            raise GdrdError(f"precision={self.precision} is unknown", f"Choose one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class StageConfig:
    """What every stage is told.

    Args:
        loop: optimisation.
        resolutions: one is drawn at random for every step.
        augment: augmentation of the high-resolution face.
        scene: what else happens to the high-resolution face, such as hard light.
        camera: what takes the low-resolution face from it, at the step's resolution; None: bicubic, as in the paper.
    """

    loop: LoopConfig
    resolutions: tuple[int, ...] = (8, 16, 16, 32)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    scene: Camera | None = None
    camera: Camera | None = None

    def __post_init__(self) -> None:
        check_ranges(self, resolutions=(4, 1024))
        if not self.resolutions:
            raise GdrdError("resolutions is empty", "Give at least one, such as resolutions=[16]")


@dataclass(frozen=True)
class GenerativeConfig(StageConfig):
    """The generative teacher: an SR3-style diffusion model (see ``models.diffusion.pipeline``).

    Args:
        size: resolution of the faces it generates; a multiple of unshuffle x 2^(levels - 1).
        channels: width of each UNet level, multiples of 16.
        layers: residual blocks per level.
        unshuffle: pixel-unshuffle factor before the UNet; 4 costs a quarter of 2.
        weight_identity: weight of 1 - cos between the discriminative teacher's embeddings of the one-step estimate and
            of the high-resolution face, 0 in the paper.
        weight_align: weight of 1 - cos between a linear map of ``align_block``'s features at t = 999 and the teacher's
            embedding of the high-resolution face (as REPA, arXiv 2410.06940), 0 in the paper.
        weight_pixel: weight of the one-step estimate's mean squared error, 0 in the paper; it holds back patterns that
            only the identity loss wants.
        assistant_targets: in both losses an assistant's embedding of the low-resolution face stands for the teacher's
            of the high-resolution one: all of it can be read from that face, so that fewer samples are needed.
        identity_augment: what happens to the estimate before the teacher reads it, so that its gain is no pattern of
            single pixels, to which only this teacher answers.
        align_block: see ``models.diffusion.features.encoder_blocks``.
        min_snr: gamma of the Min-SNR weighting; 0 weighs all timesteps alike, as the last one (pure noise) needs.
    """

    size: int = 64
    channels: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    unshuffle: int = 4
    resolutions: tuple[int, ...] = (8, 10, 12, 14, 16, 20, 24, 32)
    min_snr: float = 0.0
    weight_identity: float = 0.0
    weight_align: float = 0.0
    weight_pixel: float = 0.0
    assistant_targets: bool = False
    identity_augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(shift=3.0, scale=0.05, rotate=5.0))
    align_block: str = "mid_block"
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(shift=1.5, scale=0.03, rotate=3.0, colour=0.1))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, size=(8, 1024), layers=(1, 16), unshuffle=(1, 16), min_snr=(0.0, 1e6))
        check_ranges(self, weight_identity=(0.0, 1e6), weight_align=(0.0, 1e6), weight_pixel=(0.0, 1e6))
        if self.assistant_targets and not self.needs_teacher:
            raise GdrdError("assistant_targets is set, and no loss has a target", "Set weight_align or weight_identity")
        if not self.channels or any(width < 16 or width % 16 for width in self.channels):
            raise GdrdError(f"channels={self.channels} are not multiples of 16", "Give one for each level of the UNet")
        factor = self.unshuffle * 2 ** (len(self.channels) - 1)
        if self.size % factor:
            raise GdrdError(f"size={self.size} is not a multiple of {factor}", "Change size, unshuffle or channels")

    @property
    def needs_teacher(self) -> bool:
        """Whether a loss reads the discriminative teacher."""
        return bool(self.weight_identity or self.weight_align)


@dataclass(frozen=True)
class BackboneConfig(StageConfig):
    """Stage 1: the student's backbone learns the generative teacher's encoder features (L_gen).

    Args:
        block: the teacher's block, see ``models.diffusion.features.encoder_blocks``.
        timestep: noise level at which the teacher's features are read, 0 to 999.
        noise: add noise at this level; False: the mean of the noised input, which depends on the face alone.
        hr: let the teacher read the residual of the high-resolution face too, unlike the paper.
        normalise: standardise the target's channels (see ``losses.generative``).
        freeze_bn_stats: keep the BatchNorm statistics that the student starts with.
    """

    block: str = "mid_block"
    timestep: int = 0
    noise: bool = True
    hr: bool = False
    normalise: bool = True
    freeze_bn_stats: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, timestep=(0, 999))


@dataclass(frozen=True)
class HeadConfig(StageConfig):
    """Stage 2: the student's head learns from the discriminative teacher (L_rcd, L_kd, L_cls).

    Args:
        freeze_backbone: do not train the backbone of stage 1 (the paper); False trains it too.
        freeze_blocks: do not train a separable backbone's stem and this many first blocks; five halve a step's time.
        function_matching: the teacher embeds the augmented face in each step (Beyer et al., arXiv 2106.05237); False:
            the face as it is stored, embedded once.
        freeze_bn_stats: keep the BatchNorm statistics that the student starts with.
        weight_rcd: weight of the cross-resolution relational contrastive loss.
        weight_kd: weight of the embedding distillation loss.
        weight_crd: weight of contrastive distillation within the batch (``losses.crd``), 0 in the paper.
        weight_crd_memory: weight of contrastive distillation against the whole training set, 0 in the paper.
        weight_rkd: weight of RKD, distances + 2 x angles (``losses.rkd``), 0 in the paper.
        weight_cls: weight of the margin classification loss on the labelled faces.
        weight_gen: weight of L_gen on the backbone's features while it is trained too (freeze_backbone=False), with the
            block and timestep of the recipe's ``backbone``; 0 in the paper, where L_gen has a stage of its own.
        weight_assistant: weight of distillation from an assistant's embedding of the same face, 0 in the paper.
        relation_size: width of the relation vectors.
        temperature: of the critic.
        queue: negatives kept in the memory queue; 0 uses the batch alone.
    """

    freeze_backbone: bool = True
    freeze_blocks: int = 0
    function_matching: bool = False
    freeze_bn_stats: bool = False
    weight_rcd: float = 0.1
    weight_kd: float = 10.0
    weight_crd: float = 0.0
    weight_crd_memory: float = 0.0
    weight_rkd: float = 0.0
    weight_cls: float = 0.05
    weight_gen: float = 0.0
    weight_assistant: float = 0.0
    relation_size: int = 128
    temperature: float = 0.1
    queue: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = [name for name in self.__dataclass_fields__ if name.startswith("weight_")]
        check_ranges(self, **dict.fromkeys(weights, (0.0, 1e6)))
        check_ranges(self, freeze_blocks=(0, MOST), relation_size=(1, MOST), temperature=(1e-6, 1e6), queue=(0, MOST))
        if not any(getattr(self, name) for name in weights if name != "weight_gen"):
            raise GdrdError("All weights of the head's losses are 0", "Set one, such as weight_kd=10")
        if self.weight_gen and self.freeze_backbone:
            raise GdrdError(
                "weight_gen trains the backbone, which is frozen", "Set freeze_backbone=false, or weight_gen=0"
            )
        if self.weight_rkd and self.loop.batch_size // self.loop.accumulate < 3:
            raise GdrdError("RKD compares three faces of a micro-batch", "Raise batch_size or set weight_rkd=0")


@dataclass(frozen=True)
class StemConfig(StageConfig):
    """Before stage 2 of a pruned student: layers that were not initialised learn to reproduce SFace's layers there.

    Args:
        measured: batches of faces on which the inputs of SFace's layers are measured for pruning.
    """

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600, batch_size=32, learning_rate=2e-3))
    resolutions: tuple[int, ...] = (8, 12, 16, 20, 24, 32)
    measured: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, measured=(1, MOST))


@dataclass(frozen=True)
class Recipe:
    """A whole run: the stages in the paper's order, and the student that they train.

    Args:
        generative: the generative teacher.
        backbone: stage 1.
        head: stage 2.
        student: the student's shape.
        init_from_teacher: prune a separable student from SFace or an assistant of its shape, instead of stage 1.
        stem: how the layers of a pruned student that were not initialised are prepared for stage 2.
        seed: seed of everything random.

    Example:
        >>> from gdrd_lab.training import recipes
        >>> recipes.best().init_from_teacher
        True
    """

    generative: GenerativeConfig
    backbone: BackboneConfig
    head: HeadConfig
    student: StudentConfig | SeparableConfig = field(default_factory=StudentConfig)
    init_from_teacher: bool = False
    stem: StemConfig = field(default_factory=StemConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, seed=(0, 2**32 - 1))

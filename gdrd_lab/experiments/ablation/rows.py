"""The rows of the ablation: losses, generative features, frozen or trained backbone, with the same number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.config import check_ranges
from gdrd_lab.models.student.config import SeparableConfig, StudentConfig
from gdrd_lab.training import recipes
from gdrd_lab.training.config import BackboneConfig, GenerativeConfig, HeadConfig, LoopConfig, Recipe


@dataclass(frozen=True)
class AblationConfig:
    """Size of the ablation.

    Args:
        student: the student of every row.
        loop: the optimisation of every row; ``steps`` counts both stages together.
        stage_one: share of the steps for stage 1, in rows that have it.
        seeds: of the runs: initial weights, order of faces, augmentation.
        resolutions: of training and of scoring.
        timesteps: noise levels of the generative features that are tried besides 0.
        blocks: blocks of the generative teacher that are tried besides the middle.
        hold_out: share of the identities that are scored and not trained on.
    """

    student: StudentConfig | SeparableConfig
    loop: LoopConfig
    stage_one: float = 1 / 3
    seeds: tuple[int, ...] = (0, 1, 2)
    resolutions: tuple[int, ...] = (8, 16)
    timesteps: tuple[int, ...] = (250, 750)
    blocks: tuple[str, ...] = ("down_blocks.0", "down_blocks.1")
    hold_out: float = 0.2

    def __post_init__(self) -> None:
        check_ranges(self, stage_one=(0.0, 1.0), seeds=(0, 2**32 - 1), timesteps=(0, 999), hold_out=(0.0, 1.0))
        if not self.seeds:
            raise GdrdError("The ablation has no seeds", "Give at least one")

    @classmethod
    def smoke(cls) -> AblationConfig:
        """Return the smallest ablation that trains every row; its scores mean nothing."""
        smoke = recipes.smoke()
        loop = replace(smoke.head.loop, steps=3)
        return cls(smoke.student, loop, seeds=(0, 1), timesteps=(250,), blocks=("down_blocks.1",), hold_out=0.3)

    @classmethod
    def cpu(cls) -> AblationConfig:
        """Return three seeds of 240 steps of 64 faces with a third of the usual student: some 40 minutes."""
        student = StudentConfig(backbone_channels=(48, 96), backbone_blocks=(1, 2), head_channels=192, head_blocks=1)
        loop = replace(
            recipes.cpu().head.loop, steps=240, batch_size=64, precision="no", ema=0.99, checkpoint_every=120
        )
        return cls(student, loop)

    @classmethod
    def paper(cls) -> AblationConfig:
        """Return three seeds at the size of ``recipes.paper()``, for GPUs; give it a generative teacher of 112 px."""
        paper = recipes.paper()
        return cls(paper.student, paper.head.loop, resolutions=(16,))


@dataclass(frozen=True)
class Row:
    """One way to train the student.

    Args:
        name: its name in the table.
        head: stage 2.
        backbone: stage 1; None starts stage 2 from random weights.
    """

    name: str
    head: HeadConfig
    backbone: BackboneConfig | None = None

    def recipe(self, config: AblationConfig, seed: int) -> Recipe:
        """Return the row's recipe; one without a stage 1 gives all its steps to stage 2."""
        first = round(config.loop.steps * config.stage_one) if self.backbone else 0
        head = replace(self.head, loop=replace(config.loop, steps=config.loop.steps - first))
        backbone = replace(self.backbone or _plain_backbone(config), loop=replace(config.loop, steps=max(1, first)))
        return Recipe(GenerativeConfig(config.loop), backbone, head, config.student, seed=seed)


def _plain_backbone(config: AblationConfig) -> BackboneConfig:
    return BackboneConfig(config.loop, resolutions=config.resolutions)


def rows(config: AblationConfig) -> list[Row]:
    """Return every row of the ablation in the order of the table."""
    paper = HeadConfig(config.loop, freeze_backbone=True, resolutions=config.resolutions)
    distilled = replace(paper, weight_rcd=0.0, weight_cls=0.0)
    alone, whole = replace(distilled, freeze_backbone=False), replace(paper, freeze_backbone=False)
    no_kd = partial(replace, alone, weight_kd=0.0)
    plain = _plain_backbone(config)
    return [
        # Adam is invariant to the scale of a single loss.
        Row("class labels only (L_cls)", no_kd(weight_cls=1.0)),
        Row("L_kd only", alone),
        Row("RKD only", no_kd(weight_rkd=10.0)),
        Row("CRD only (in the batch)", no_kd(weight_crd=1.0)),
        Row("CRD only (against the whole training set)", no_kd(weight_crd_memory=1.0)),
        Row("L_rcd only", no_kd(weight_rcd=1.0)),
        Row("L_kd + an assistant's embedding", replace(alone, weight_kd=2.0, weight_assistant=10.0)),
        Row("L_kd + L_rcd + L_cls, no L_gen", whole),
        Row("L_gen, frozen, then L_kd", distilled, plain),
        Row("L_gen, frozen, then L_kd + L_rcd + L_cls (the paper)", paper, plain),
        Row("... features of the sharp image", paper, replace(plain, hr=True)),
        Row("... target not normalised", paper, replace(plain, normalise=False)),
        *(Row(f"... features of {block}", paper, replace(plain, block=block)) for block in config.blocks),
        *(Row(f"... features at t = {step}", paper, replace(plain, timestep=step)) for step in config.timesteps),
        Row("random frozen backbone, then the same", paper),
        Row("L_gen, not frozen, then the same", whole, plain),
    ]


def choose(config: AblationConfig, texts: Sequence[str], label: str = "") -> list[Row]:
    """Return the rows whose names contain one of the texts, with ``label`` added to their names."""
    chosen = [replace(row, name=row.name + label) for row in rows(config) if any(text in row.name for text in texts)]
    if not chosen:
        raise GdrdError(f"No row's name contains one of {list(texts)}", "Use words of the table's first column")
    return chosen
